"""The append-only table of decisions, in PostgreSQL. It is the truth; the registry's alias follows it.

The live lane is a list: its last row says who reigns. Any other lane is a fold over its challengers in as-of order: the
latest row of each as-of date stands, and a month that arrives late or again makes its successors be judged anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, MetaData, Table, insert, select, text

from titleholder.database import engine, reachable
from titleholder.verdict import Reign, Verdict
from titleholder.windows import Intervals

LIVE = "live"
Kind = Literal["promote", "keep", "reject", "rollback", "retire"]
LARGE = 1e16
_UNHASHED = {"id", "hash"}


class Entry(BaseModel):
    """What a decision says, before it has a place in a line of succession."""

    model_config = ConfigDict(frozen=True)

    model: str
    lane: str
    as_of: date
    kind: Kind
    challenger_version: int | None
    champion_before: int | None
    champion_after: int | None
    trained_through: date | None
    run_key: str
    snapshot_uri: str
    snapshot_sha256: str
    spec: dict[str, Any]
    spec_fingerprint: str
    verdict: Verdict
    spans: Intervals
    code_version: str
    seed: int
    mlflow_run_id: str
    airflow_run: str
    actor: str
    reason: str
    asked_because: str = ""


class Decision(Entry):
    """A row of the ledger."""

    id: int
    sequence: int
    created_at: datetime
    previous_hash: str
    hash: str


class Line:
    """One model's line of succession in one lane, held under its lock until the transaction ends."""

    def __init__(self, connection: Connection, model: str, lane: str) -> None:
        self._connection, self._table = connection, _table(connection)
        self.lane = lane
        self.rows = _select(connection, self._table, model, lane)

    def standing(self) -> list[Decision]:
        """The decisions in force, in their order; see `standing`."""
        return standing(self.rows, self.lane)

    def reign(self, as_of: date) -> Reign | None:
        """Whoever reigns when a challenger of `as_of` is judged; see `reign_before`."""
        return reign_before(self.rows, self.lane, as_of)

    def append(self, entry: Entry) -> Decision:
        """Write one row after the last one."""
        last = self.rows[-1] if self.rows else None
        draft = Decision(
            **entry.model_dump(),
            id=0,
            sequence=last.sequence + 1 if last else 1,
            created_at=datetime.now(UTC),
            previous_hash=last.hash if last else "",
            hash="",
        )
        row = content(draft)
        row["hash"] = digest(draft)
        stored = self._connection.execute(insert(self._table).values(row).returning(self._table.c.id)).scalar_one()
        decision = draft.model_copy(update={"id": stored, "hash": row["hash"]})
        self.rows.append(decision)
        return decision


def standing(rows: Sequence[Decision], lane: str) -> list[Decision]:
    """The decisions in force: all rows of the live lane; elsewhere the latest row of each as-of date, in that order."""
    if lane == LIVE:
        return list(rows)
    return [latest for _, latest in sorted({row.as_of: row for row in rows}.items())]


def reign_before(rows: Sequence[Decision], lane: str, as_of: date) -> Reign | None:
    """Whoever reigned before the challenger of `as_of`, with the looks of its reign so far.

    In the live lane that is the head, elsewhere it goes by as-of order.
    """
    earlier = [r for r in standing(rows, lane) if lane == LIVE or r.as_of < as_of]
    if not earlier or not (reign := _reign(rows, earlier[-1].champion_after)):
        return None
    last = earlier[-1]
    if last.champion_after != last.champion_before or last.verdict.champion is None:
        return reign
    gathered = (*last.verdict.champion.looks, *([last.verdict.look] if last.verdict.look else []))
    return reign.model_copy(update={"looks": gathered})


def reign_on(rows: Sequence[Decision], lane: str, day: date) -> Reign | None:
    """Whoever reigned at the end of `day`: in the live lane by the clock, elsewhere by as-of date."""
    past = [r for r in standing(rows, lane) if (r.created_at.date() if lane == LIVE else r.as_of) <= day]
    return _reign(rows, past[-1].champion_after) if past else None


def row_of(rows: Sequence[Decision], version: int | None) -> Decision | None:
    """The newest row in which this version was the challenger: it tells what the version was trained on."""
    return next((r for r in reversed(rows) if version is not None and r.challenger_version == version), None)


def _reign(rows: Sequence[Decision], version: int | None) -> Reign | None:
    crowned = row_of(rows, version)
    if crowned is None or crowned.trained_through is None or version is None:
        return None
    return Reign(
        version=version,
        as_of=crowned.as_of,
        trained_through=crowned.trained_through,
        judged_through=crowned.spans.matured,
    )


@contextmanager
def line(url: str, model: str, lane: str) -> Iterator[Line]:
    """A line of succession to append to: locked against every other writer, committed whole or not at all."""
    with reachable(), engine(url).begin() as connection:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:line, 0))"), {"line": f"titleholder:{model}:{lane}"}
        )
        yield Line(connection, model, lane)


def read(url: str, model: str, lane: str) -> list[Decision]:
    """Every row of a lane, in the order of writing."""
    with reachable(), engine(url).connect() as connection:
        return _select(connection, _table(connection), model, lane)


def lanes(url: str, model: str) -> list[str]:
    """The lanes in which a model has decisions."""
    with reachable(), engine(url).connect() as connection:
        table = _table(connection)
        return list(connection.scalars(select(table.c.lane).where(table.c.model == model).distinct().order_by("lane")))


def content(decision: Decision) -> dict[str, Any]:
    """What a decision's hash covers, as JSON: everything but its id and its own hash."""
    return dict(_canonical(decision.model_dump(mode="json", exclude=_UNHASHED)))


def digest(decision: Decision) -> str:
    """SHA-256 of a decision's content; it covers the previous row's hash, which makes the rows a chain."""
    return hashlib.sha256(json.dumps(content(decision), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """JSON that PostgreSQL's jsonb gives back unchanged: it knows no negative zero, and writes 1e20 out in full."""
    if isinstance(value, dict):
        return {k: _canonical(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_canonical(v) for v in value]
    if isinstance(value, float):
        return int(value) if abs(value) >= LARGE else value + 0.0
    return value


def _select(connection: Connection, table: Table, model: str, lane: str) -> list[Decision]:
    wanted = select(table).where(table.c.model == model, table.c.lane == lane).order_by(table.c.sequence)
    return [Decision.model_validate(dict(row)) for row in connection.execute(wanted).mappings()]


def _table(connection: Connection) -> Table:
    return _reflect(connection.engine)


@lru_cache(maxsize=8)
def _reflect(bound: Engine) -> Table:
    """The table as the migrations made it: its columns have one home."""
    return Table("decisions", MetaData(schema="titleholder"), autoload_with=bound)
