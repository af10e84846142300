"""What the monitors said: append-only rows, each of one look at a reign.

It imports nothing scientific, so that a web server can afford it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text

from titleholder.errors import DataError, one_line
from titleholder.ledger.database import engine, reachable
from titleholder.validation.monitoring.report import MonitorReport, State, Volume

_RECORD = text("SELECT * FROM titleholder.record_monitor_report(CAST(:entry AS json))")
_BRIEF = (
    "id, model, lane, as_of, version, decision, state, alarms, new_alarms, asks_retrain, ask_reason, "
    "created_at, report ->> 'reason' AS said, report ->> 'unavailable' IS NOT NULL AS without_outcomes, "
    "COALESCE(CAST(report #>> '{unavailable,new}' AS boolean), false) AS newly_without"
)
_OF_MODEL = text("SELECT * FROM titleholder.monitor_reports WHERE model = :model ORDER BY id")
_NUMBER = text("SELECT * FROM titleholder.monitor_reports WHERE id = :id")
_PAST = text("""
SELECT id, as_of, score_runs, CAST(report #>> '{volume,end}' AS date) AS counted_until,
       jsonb_path_query_array(report, '$ ? (@.volume != null).drift.features[*].cells') AS cells,
       jsonb_path_query_array(report, '$ ? (@.volume != null).drift.features[*].log_evidence') AS log_evidence,
       report ->> 'unavailable' IS NULL AS complete
FROM titleholder.monitor_reports WHERE model = :model AND lane = :lane AND decision = :decision ORDER BY id
""")
_LAST = text("SELECT max(id) FROM titleholder.monitor_reports WHERE model = :model AND lane = :lane")
_NEWEST = text(
    "SELECT * FROM (SELECT * FROM titleholder.monitor_reports WHERE model = :model AND lane = :lane "
    "ORDER BY id DESC LIMIT :most) AS newest ORDER BY id"
)
# Rows are chosen before their reports are looked into: PostgreSQL would read every report of a model otherwise.
_STANDING = text(
    f"SELECT {_BRIEF} FROM titleholder.monitor_reports WHERE id = ANY(ARRAY("  # noqa: S608
    "SELECT DISTINCT ON (model) id FROM titleholder.monitor_reports "
    "WHERE model = ANY(:models) AND lane = :lane ORDER BY model, as_of DESC, id DESC))"
)
_NUMBERED = text(
    f"SELECT {_BRIEF} FROM titleholder.monitor_reports WHERE id = ANY(:numbers) ORDER BY id"  # noqa: S608
)
_ASKING = text(
    "SELECT ask_reason FROM titleholder.monitor_reports "
    "WHERE model = :model AND id = :id AND airflow_run = :airflow_run AND asks_retrain"
)
_VOLUMES = text(
    "SELECT report -> 'volume' FROM titleholder.monitor_reports WHERE model = :model AND lane = :lane "
    "AND jsonb_typeof(report -> 'volume') = 'object' ORDER BY id DESC LIMIT 60"
)
_ASKS = text(
    f"SELECT {_BRIEF} FROM titleholder.monitor_reports "  # noqa: S608
    "WHERE model = :model AND asks_retrain ORDER BY id"
)

FEW = 20
"""Whole reports in memory at a time: one of many features takes half a megabyte."""


class Entry(BaseModel):
    """A look as it is to be written. `decision` made the version champion; `previous` is the lane's newest report.

    `score_runs` are the scoring runs that no earlier report of the reign has looked at. `ask_reason` says why a retrain
    is asked for, or why it is not although an alarm is new.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    lane: str
    as_of: date
    version: int
    decision: int
    previous: int | None
    score_runs: tuple[int, ...]
    report: MonitorReport
    asks_retrain: bool = False
    ask_reason: str = ""
    spec: dict[str, Any]
    """The section `monitor` that it went by."""
    actor: str
    reason: str
    airflow_run: str
    code_version: str

    def row(self) -> str:
        """The columns by name, as JSON."""
        alarms = self.report.alarms
        columns = {
            "state": self.report.state,
            "alarms": [alarm.name for alarm in alarms],
            "new_alarms": [alarm.name for alarm in alarms if alarm.new],
        }
        return _Row.model_validate({**self.model_dump(), **columns}).model_dump_json()


class _Row(Entry):
    state: State
    alarms: tuple[str, ...]
    new_alarms: tuple[str, ...]


class MonitorRecord(_Row):
    """A look as it stands in the ledger, with its whole report."""

    id: int
    created_at: datetime
    written_by: str


class PastLook(NamedTuple):
    """What later looks at a reign need of an earlier one: what it counted, and by feature the counts of ranks by cell
    and the evidence; of one that counted no rows, `counted_until` is None and both are empty."""

    id: int
    as_of: date
    score_runs: list[int]
    counted_until: date | None
    cells: list[list[int]]
    log_evidence: list[float]
    complete: bool
    """Whether no outcomes were missing that were final."""


class MonitorStatus(NamedTuple):
    """The newest look at a model without its report: what an overview shows."""

    id: int
    model: str
    lane: str
    as_of: date
    version: int
    decision: int
    state: State
    alarms: list[str]
    new_alarms: list[str]
    asks_retrain: bool
    ask_reason: str
    created_at: datetime
    said: str = ""
    """The reason for its state, in a sentence."""
    without_outcomes: bool = False
    """Whether outcomes that are final could not be read; `newly_without`: of more months than in the look before."""
    newly_without: bool = False


def record(url: str, entry: Entry) -> MonitorRecord | None:
    """Write a look; None where another one of the lane was written since `entry.previous`.

    Raises:
        DataError: the ledger refuses it, with the reason, or it could not be read again, as a number that is not
            finite could not; nothing was written.
    """
    row = entry.row()
    try:
        known = _Row.model_validate_json(row).model_dump()
    except ValueError as error:  # once written it would stop every later look at the reign
        raise DataError(f"{entry.model}: this monitor report could not be read again: {one_line(error)}") from error
    with reachable(), engine(url).begin() as connection:
        place = connection.execute(_RECORD, {"entry": row}).mappings().one_or_none()
    return _record({**known, **place}) if place else None


def past(url: str, model: str, lane: str, decision: int) -> list[PastLook]:
    """What later looks need of every look at the reign that a decision began, in the order of writing."""
    with reachable(), engine(url).connect() as connection:
        found = connection.execute(_PAST, {"model": model, "lane": lane, "decision": decision})
        return [PastLook._make(row) for row in found]


def numbered(url: str, number: int) -> MonitorRecord:
    """The look of this number, whole.

    Raises:
        DataError: there is none.
    """
    for found in _records(url, _NUMBER, id=number):
        return found
    raise DataError(f"the ledger has no monitor report {number}")


def each(url: str, model: str) -> Iterator[MonitorRecord | DataError]:
    """Every look at a model, in the order of writing, a few at a time; in place of one that cannot be read, why."""
    with reachable(), engine(url).connect() as connection:
        few = connection.execution_options(yield_per=FEW)
        for row in few.execute(_OF_MODEL, {"model": model}).mappings():
            try:
                yield _record(dict(row))
            except DataError as error:
                yield error


def last(url: str, model: str, lane: str) -> int | None:
    """The id of the look that was written last; None where there is none."""
    with reachable(), engine(url).connect() as connection:
        found: int | None = connection.scalar(_LAST, {"model": model, "lane": lane})
        return found


def asking(url: str, model: str, number: int, airflow_run: str) -> str:
    """Why the look of this number asks for a retrain of the model; empty where it does not, or there is none.

    It must have been written by this run of Airflow, `<dag>/<run>`.
    """
    with reachable(), engine(url).connect() as connection:
        found = connection.scalar(_ASKING, {"model": model, "id": number, "airflow_run": airflow_run})
        return found or ""


def brief(url: str, numbers: Collection[int]) -> list[MonitorStatus]:
    """The looks of these numbers without their reports, in the order of writing."""
    with reachable(), engine(url).connect() as connection:
        return [MonitorStatus._make(row) for row in connection.execute(_NUMBERED, {"numbers": list(numbers)})]


def volumes(url: str, model: str, lane: str) -> list[Volume]:
    """The volumes of the newest sixty looks of a lane that counted rows, in the order of writing."""
    with reachable(), engine(url).connect() as connection:
        found = connection.scalars(_VOLUMES, {"model": model, "lane": lane}).all()
        return [Volume.model_validate(volume) for volume in reversed(found)]


def asks(url: str, model: str) -> list[MonitorStatus]:
    """The looks that asked for a retrain, in the order of writing."""
    with reachable(), engine(url).connect() as connection:
        return [MonitorStatus._make(row) for row in connection.execute(_ASKS, {"model": model})]


def newest(url: str, model: str, lane: str, most: int = 60) -> list[MonitorRecord]:
    """The looks that were written last, for a page: a few seconds are given to the query; the newest one is last."""
    return _records(url, _NEWEST, short=True, model=model, lane=lane, most=most)


def standing(url: str, models: Collection[str], lane: str) -> dict[str, MonitorStatus]:
    """The newest look of each of these models by as-of date, for a page, as above; one without any is left out."""
    with reachable(), engine(url, short=True).connect() as connection:
        found = connection.execute(_STANDING, {"models": list(models), "lane": lane})
        return {row.model: MonitorStatus._make(row) for row in found}


def _records(url: str, query: Any, *, short: bool = False, **named: Any) -> list[MonitorRecord]:
    with reachable(), engine(url, short=short).connect() as connection:
        return [_record(dict(row)) for row in connection.execute(query, named).mappings()]


def _record(row: dict[str, Any]) -> MonitorRecord:
    try:
        return MonitorRecord.model_validate(row)
    except ValueError as error:
        raise DataError(f"monitor report {row.get('id')} cannot be read by this version: {one_line(error)}") from error
