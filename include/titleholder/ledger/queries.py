"""What pages and forms ask the ledger: narrow queries of its views, with small answers.

It imports neither the judgement nor anything scientific, so that a web server and a DAG file can afford it. Every
query raises ServiceError after a few seconds where the ledger does not answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, column, func, literal_column, select, table

from titleholder.ledger import lane_records
from titleholder.ledger.database import engine, reachable
from titleholder.ledger.lane_records import LaneRecord
from titleholder.spec.types import DECLINE, LIVE, UNJUDGED


class ReignRecord(NamedTuple):
    """A version's time as champion; `reigned_to` is None while it lasts, `as_of` is that of the version's own month."""

    version: int
    reigned_from: datetime
    reigned_to: datetime | None
    decision: int
    kind: str
    as_of: date
    actor: str
    approved_by: str | None
    reason: str


class DecisionRecord(NamedTuple):
    """A decision without its verdict.

    `passed`, `beyond`, `failed` and `warned` are codes of checks: what held, what lies beyond a threshold without being
    shown to fail, what failed and blocks, what failed and warns; `champion_failed` are the codes of what the champion
    failed by itself, but for its floors. `schedule` is the cron of its spec.
    Bounds are those of the metric's and the gain's intervals, None where nothing was measured. The expected gain and
    the risk of a loss are of the rule `record`, the reign's mean gain and its bound of `sequential`. `in_force` is
    false where a later decision about the same month took its place; `caused_by` is the decision because of which the
    month was re-judged. A recall makes an earlier version than its challenger champion. Where nothing was judged (a
    rollback, a declined one, a withdrawal) there is neither challenger nor anything measured.

    >>> row = DecisionRecord._make([None] * len(DecisionRecord._fields))
    >>> row.changed, row._replace(champion_after=1).changed
    (False, True)
    """

    id: int
    model: str
    lane: str
    sequence: int
    as_of: date
    kind: str
    challenger_version: int | None
    champion_before: int | None
    champion_after: int | None
    created_at: datetime
    actor: str
    reason: str
    asked_because: str
    caused_by: int | None
    schedule: str | None
    approved_by: str | None
    in_force: bool
    judged_against: int | None
    metric: str | None
    challenger_metric: float | None
    challenger_lower: float | None
    challenger_upper: float | None
    champion_metric: float | None
    champion_lower: float | None
    champion_upper: float | None
    gain: float | None
    gain_lower: float | None
    gain_upper: float | None
    rule: str | None
    expected_gain: float | None
    loss_risk: float | None
    reign_gain: float | None
    reign_lower: float | None
    passed: list[str] | None
    beyond: list[str] | None
    failed: list[str] | None
    warned: list[str] | None
    champion_failed: list[str] | None

    @property
    def changed(self) -> bool:
        """Whether it made another version champion."""
        return self.champion_after != self.champion_before


class LiveStatus(NamedTuple):
    """Where a model stands in the lane live; None before there is any.

    `last` was written last, but for declined rollbacks, which change nothing; `judged` is the judgement of the newest
    as-of date: an older month that came late, or a rollback, says nothing newer about the champion.
    """

    champion: ReignRecord | None
    last: DecisionRecord | None
    judged: DecisionRecord | None


class LaneSummary(NamedTuple):
    """A line of succession: how many decisions about how many versions it holds, for which as-of dates, until when.

    `state` is empty, or `archived` or `deleted`; an archived lane in which something was decided since is neither.
    """

    lane: str
    decisions: int
    versions: int
    first: date
    last: date
    written: datetime
    state: str = ""


_OF = ("model", "lane")
_REIGNS = table("champion_history", *map(column, (*_OF, *ReignRecord._fields)), schema="titleholder")
_DECIDED = table("decision_history", *map(column, DecisionRecord._fields), schema="titleholder")
_ROWS = table(
    "decisions",
    *map(column, (*_OF, "id", "as_of", "sequence", "kind", "challenger_version", "created_at")),
    schema="titleholder",
)


def live_status(url: str, models: Collection[str]) -> dict[str, LiveStatus]:
    """Where each of these models stands in the lane live."""
    reign, row = _REIGNS.c, _ROWS.c
    champion = select(_REIGNS).where(reign.model.in_(models), reign.lane == LIVE, reign.reigned_to.is_(None))
    champions = {found.model: ReignRecord._make(found[2:]) for found in _ask(url, champion)}
    last = func.row_number().over(partition_by=row.model, order_by=(row.kind == DECLINE, row.sequence.desc()))
    by_month = (row.kind.in_(UNJUDGED), row.as_of.desc(), row.sequence.desc())
    newest = func.row_number().over(partition_by=row.model, order_by=by_month)
    named = (row.id, last.label("last"), newest.label("newest"))
    places = select(*named).where(row.model.in_(models), row.lane == LIVE).subquery()
    first = select(places).where((places.c.last == 1) | (places.c.newest == 1))
    ranks = {found.id: found for found in _ask(url, first)}
    decided = [DecisionRecord._make(found) for found in _ask(url, select(_DECIDED).where(_DECIDED.c.id.in_(ranks)))]
    lasts = {d.model: d for d in decided if ranks[d.id].last == 1}
    judged = {d.model: d for d in decided if ranks[d.id].newest == 1 and d.kind not in UNJUDGED}
    return {model: LiveStatus(champions.get(model), lasts.get(model), judged.get(model)) for model in models}


def reigns(url: str, model: str, lane: str = LIVE) -> list[ReignRecord]:
    """Which version was champion when, the oldest first; one that came back is there twice."""
    return reigns_by_model(url, [model], lane)[model]


def reigns_by_model(url: str, models: Iterable[str], lane: str = LIVE) -> dict[str, list[ReignRecord]]:
    """The same of several models in one query; a model without any champion has an empty list."""
    found: dict[str, list[ReignRecord]] = {model: [] for model in models}
    of = _REIGNS.c
    wanted = select(_REIGNS).where(of.model.in_(found), of.lane == lane).order_by(of.reigned_from, of.decision)
    for row in _ask(url, wanted):
        found[row.model].append(ReignRecord._make(row[2:]))
    return found


def decisions(url: str, model: str, lane: str = LIVE) -> list[DecisionRecord]:
    """Every decision of a lane in the order of writing, replaced ones too."""
    of = _DECIDED.c
    wanted = select(_DECIDED).where(of.model == model, of.lane == lane).order_by(of.sequence)
    return [DecisionRecord._make(found) for found in _ask(url, wanted)]


def lanes(url: str, model: str) -> list[LaneSummary]:
    """A model's lanes: live first, then the one written to last; archived and deleted ones too."""
    of = _ROWS.c
    numbers = (func.count(), func.count(of.challenger_version.distinct()))
    span, written = (func.min(of.as_of), func.max(of.as_of)), func.max(of.created_at)
    counted = select(of.lane, *numbers, *span, written).where(of.model == model).group_by(of.lane)
    found = [LaneSummary._make((*row, "")) for row in _ask(url, counted.order_by(of.lane != LIVE, written.desc()))]
    records = lane_records.newest(url, model, short=True)
    return [lane._replace(state=_state(lane, records.get(lane.lane))) for lane in found]


def _state(lane: LaneSummary, record: LaneRecord | None) -> str:
    if record is None:
        return ""
    if record.kind == "delete":
        return "deleted"
    return "archived" if record.created_at > lane.written else ""


def decision(url: str, number: int, models: Collection[str]) -> Mapping[str, Any] | None:
    """A whole row of the ledger, verdict and all, as the database has it; None where these models have none such."""
    of = _ROWS.c
    wanted: Select[Any] = select(literal_column("*")).select_from(_ROWS).where(of.id == number, of.model.in_(models))
    return next((dict(found._mapping) for found in _ask(url, wanted)), None)


def neighbours(url: str, model: str, lane: str, sequence: int) -> tuple[int | None, int | None]:
    """The decisions written before and after one of a lane; None where it is the first, or the last."""
    of = _ROWS.c
    beside = of.sequence.in_((sequence - 1, sequence + 1))
    wanted = select(of.sequence, of.id).where(of.model == model, of.lane == lane, beside)
    found = {row.sequence: row.id for row in _ask(url, wanted)}
    return found.get(sequence - 1), found.get(sequence + 1)


def _ask(url: str, question: Select[Any]) -> Sequence[Row[Any]]:
    with reachable(), engine(url, short=True).connect() as connection:
        return connection.execute(question).all()
