"""The append-only table of decisions, in PostgreSQL. It is the truth; the registry's alias follows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Row, Table, insert, select, text

from titleholder.errors import UsageError
from titleholder.ledger import reigns
from titleholder.ledger.database import engine, reachable
from titleholder.ledger.decision import Decision, Entry, content, digest
from titleholder.validation.verdict import Reign

PATIENCE = "10min"
"""How long a writer waits for the line's lock before it gives up; then nothing was written, and it may try again."""

GUARDS = {
    "no_change": "CREATE TRIGGER no_change BEFORE DELETE OR UPDATE ON titleholder.decisions FOR EACH ROW "
    "EXECUTE FUNCTION titleholder.refuse_change()",
    "no_truncate": "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON titleholder.decisions FOR EACH STATEMENT "
    "EXECUTE FUNCTION titleholder.refuse_change()",
}
"""The triggers that refuse every change, as PostgreSQL writes out what the migrations made."""
REFUSAL = "BEGIN RAISE EXCEPTION 'the ledger is append-only: % on titleholder.decisions is refused', TG_OP; END"
_TRIGGERS = """
SELECT tgname, tgenabled::text AS enabled, pg_get_triggerdef(pg_trigger.oid) AS made, prosrc AS does
FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE tgrelid = 'titleholder.decisions'::regclass AND NOT tgisinternal
"""
_ALLOWED = """
SELECT verb FROM (VALUES ('UPDATE', has_any_column_privilege('titleholder.decisions', 'UPDATE')),
                         ('DELETE', has_table_privilege('titleholder.decisions', 'DELETE')),
                         ('TRUNCATE', has_table_privilege('titleholder.decisions', 'TRUNCATE'))) AS known (verb, may)
WHERE may
"""


class Line:
    """One model's line of succession in one lane, held under its lock until the transaction ends."""

    def __init__(self, connection: Connection, model: str, lane: str) -> None:
        self._connection, self._table = connection, _table(connection)
        self.lane = lane
        self.rows = _select(connection, self._table, model, lane)

    @property
    def head(self) -> int:
        """The sequence number of the last row; 0 where there is none."""
        return self.rows[-1].sequence if self.rows else 0

    def standing(self) -> list[Decision]:
        """The decisions in force, in their order; see `lineage.standing`."""
        return reigns.standing(self.rows, self.lane)

    def reign(self, as_of: date) -> Reign | None:
        """Whoever reigns when a challenger of `as_of` is judged; see `lineage.reign_before`."""
        return reigns.reign_before(self.rows, self.lane, as_of)

    def append(self, entry: Entry) -> Decision:
        """Write one row after the last one, at the database's time: one clock for all writers."""
        draft = Decision(
            **dict(entry),
            id=0,
            sequence=self.head + 1,
            created_at=self._connection.scalar(text("SELECT clock_timestamp()")),
            previous_hash=self.rows[-1].hash if self.rows else "",
            hash="",
        )
        row = content(draft.model_dump(mode="json"))
        row["hash"] = digest(row)
        written = {name: value for name, value in row.items() if value is not None}
        stored = self._connection.execute(insert(self._table).values(written).returning(self._table.c.id)).scalar_one()
        decision = draft.model_copy(update={"id": stored, "hash": row["hash"]})
        self.rows.append(decision)
        return decision


@contextmanager
def line(url: str, model: str, lane: str) -> Iterator[Line]:
    """A line of succession to append to: locked against every other writer, committed whole or not at all."""
    with reachable(), engine(url).begin() as connection:
        connection.execute(text("SELECT set_config('lock_timeout', :patience, true)"), {"patience": PATIENCE})
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:line, 0))"), {"line": f"titleholder:{model}:{lane}"}
        )
        yield Line(connection, model, lane)


def read(url: str, model: str, lane: str) -> list[Decision]:
    """Every row of a lane, in the order of writing."""
    with reachable(), engine(url).connect() as connection:
        return _select(connection, _table(connection), model, lane)


def stored(url: str, model: str, lane: str) -> list[dict[str, Any]]:
    """Every row of a lane just as the database has it, in the order of writing: what hashes are checked against."""
    with reachable(), engine(url).connect() as connection:
        return _rows(connection, _table(connection), model, lane)


def decision(url: str, number: int) -> Decision:
    """The decision with this id; UsageError where there is none."""
    with reachable(), engine(url).connect() as connection:
        table = _table(connection)
        row = connection.execute(select(table).where(table.c.id == number)).mappings().one_or_none()
    if row is None:
        raise UsageError(f"no decision {number} in the ledger; `titleholder history MODEL` shows each one's id")
    return Decision.model_validate(dict(row))


def models(url: str) -> list[str]:
    """The models that have decisions."""
    with reachable(), engine(url).connect() as connection:
        table = _table(connection)
        return list(connection.scalars(select(table.c.model).distinct().order_by("model")))


def lanes(url: str, model: str) -> list[str]:
    """The lanes in which a model has decisions."""
    with reachable(), engine(url).connect() as connection:
        table = _table(connection)
        return list(connection.scalars(select(table.c.lane).where(table.c.model == model).distinct().order_by("lane")))


def guards(url: str) -> list[str]:
    """What is wrong with the guards that keep the table append-only, a sentence each; empty where they stand."""
    with reachable(), engine(url).connect() as connection:
        standing = {row.tgname: row for row in connection.execute(text(_TRIGGERS))}
        allowed = list(connection.scalars(text(_ALLOWED)))
        role = connection.scalar(text("SELECT current_user"))
    weak = (f"The trigger {name} {fault}" for name in GUARDS if (fault := _weakness(name, standing.get(name))))
    return [*weak, *(f"The role {role} has the right to {verb} rows of titleholder.decisions" for verb in allowed)]


def _weakness(name: str, trigger: Row[Any] | None) -> str:
    if trigger is None:
        return "on titleholder.decisions is gone"
    if trigger.enabled not in ("O", "A"):
        return "on titleholder.decisions is switched off"
    as_made = trigger.made == GUARDS[name] and " ".join(trigger.does.split()) == REFUSAL
    return "" if as_made else "on titleholder.decisions is not the one that the migrations made"


def _select(connection: Connection, table: Table, model: str, lane: str) -> list[Decision]:
    return [Decision.model_validate(row) for row in _rows(connection, table, model, lane)]


def _rows(connection: Connection, table: Table, model: str, lane: str) -> list[dict[str, Any]]:
    wanted = select(table).where(table.c.model == model, table.c.lane == lane).order_by(table.c.sequence)
    return [dict(row) for row in connection.execute(wanted).mappings()]


def _table(connection: Connection) -> Table:
    return _reflect(connection.engine)


@lru_cache(maxsize=8)
def _reflect(bound: Engine) -> Table:
    """The table as the migrations made it: its columns have one home."""
    return Table("decisions", MetaData(schema="titleholder"), autoload_with=bound)
