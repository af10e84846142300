"""The day on which the facts of a table ended: events that nobody watched until their label maturity are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from titleholder.data import extraction
from titleholder.errors import DataError
from titleholder.spec import windows
from titleholder.spec.source import TableHistory
from titleholder.spec.sql import quoted, setting

if TYPE_CHECKING:
    from titleholder.spec.model import ModelSpec

DAYS = 400
"""So many of a table's last days with facts tell its longest pause: more than a year of daily facts."""
FEWEST = 20
"""A table with facts on fewer days is not judged beside others that have more."""
_TABLE = """
SELECT format('%I.%I', n.nspname, c.relname) AS name, has_table_privilege(c.oid, 'SELECT') AS readable, EXISTS (
    SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attname = current_setting('titleholder.known_at') AND NOT a.attisdropped
) AS is_column
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(current_setting('titleholder.table'))
"""


class TableEnd(NamedTuple):
    """The newest fact of a table that was known at a moment, and how long the table goes without one.

    `newest` is its day, or None where there was no fact or the table may not be read; `usual` is the longest time
    without a fact that says nothing about the end of the data, or None where the table has too few facts to tell.
    """

    table: str
    newest: date | None
    usual: timedelta | None

    @property
    def ended(self) -> date | None:
        """The as-of date that has every fact, if the data ended; None where the table is not judged."""
        return None if self.newest is None or self.usual is None else self.newest + timedelta(days=1)

    @property
    def watched_until(self) -> date | None:
        """The last date until which events count as watched; None where the table is not judged."""
        return self.ended + self.usual if self.ended and self.usual is not None else None


def newest_facts(url: str, spec: ModelSpec, as_of: date) -> list[TableEnd]:
    """For each table of `source.tables` that can change, its newest fact that was known at `as_of`.

    Raises:
        DataError: for a table that does not exist, and a `known_at` that cannot be computed.
        ServiceError: when the warehouse cannot be reached.
    """
    tables = {name: history for name, history in spec.source.tables.items() if isinstance(history, TableHistory)}
    if not tables:
        return []
    spans = windows.Intervals(train_start=windows.BEGINNING, holdout_start=windows.BEGINNING, matured=as_of)
    period = windows.longest_period(spec.schedule, as_of)
    with extraction.opened(url, spec, spans, as_of) as session:
        found = [_Facts(session, spec, name, history).end(as_of, period) for name, history in tables.items()]
    return list(judged(found))


class TableDays(NamedTuple):
    """What `TableEnd` says, and on how many days the table has facts; None where it does not matter."""

    end: TableEnd
    days: int | None


def judged(tables: Sequence[TableDays]) -> Iterator[TableEnd]:
    """The ends of tables; of one with facts on fewer than `FEWEST` days, `usual` is None.

    Where all have so few, the one with the newest fact is judged.
    """
    few = [found.days is not None and found.days < FEWEST for found in tables]
    newest = max((found.end.newest for found in tables if found.end.newest), default=None)
    for found, is_few in zip(tables, few, strict=True):
        spared = is_few and not (all(few) and found.end.newest == newest)
        yield found.end._replace(usual=None) if spared else found.end


def longest_pause(days: Iterable[date]) -> timedelta:
    """The longest time from one of these days to the next; zero for fewer than two.

    >>> longest_pause([date(2024, 1, 1), date(2024, 1, 9), date(2024, 1, 4)]).days
    5
    """
    return max((later - earlier for earlier, later in pairwise(sorted(days))), default=timedelta(0))


class _Facts:
    """The facts of one table, as the spec declares them."""

    def __init__(self, session: extraction.Session, spec: ModelSpec, name: str, history: TableHistory) -> None:
        self._session, self._name, self._history = session, name, history
        self._about = f"source.tables.{name}"
        session.bind("table", name if "." in name else f"public.{name}")
        session.bind("known_at", history.known_at)
        found = self._rows(_TABLE)
        if not found:
            raise DataError(f"{spec.name}: {self._about}: there is no such table in the warehouse")
        self._table, self._readable = found[0]["name"], found[0]["readable"]
        self._known = quoted(history.known_at) if found[0]["is_column"] else f"({history.known_at})"

    def end(self, as_of: date, period: timedelta) -> TableDays:
        """The pauses are looked at only where the newest fact is older than a period of the schedule."""
        rows = self._rows(f"SELECT max({self._known})::timestamptz AS newest {self._source}") if self._readable else []
        newest = rows[0]["newest"].date() if rows and rows[0]["newest"] else None
        if newest is None:
            return TableDays(TableEnd(self._name, None, None), None)
        if declared := self._history.longest_gap:
            return TableDays(TableEnd(self._name, newest, newest + declared - newest), None)
        if newest + timedelta(days=1) + period >= as_of:
            return TableDays(TableEnd(self._name, newest, period), None)
        day = f"date_trunc('day', {self._known}::timestamptz)"
        found = self._rows(f"SELECT DISTINCT {day} AS day {self._source} ORDER BY day DESC LIMIT {DAYS}")
        days = [row["day"].date() for row in found]
        return TableDays(TableEnd(self._name, newest, max(period, 2 * longest_pause(days))), len(days))

    @property
    def _source(self) -> str:
        known = f"(SELECT current_setting('{setting('as_of')}')::timestamptz)"
        return f"FROM {self._table} WHERE {self._known} <= {known}"

    def _rows(self, statement: str) -> list[dict[str, Any]]:
        _, batches = self._session.read(statement, self._about)
        return [row for batch in batches for row in batch.to_pylist()]


def unwatched(frame: pd.DataFrame, spec: ModelSpec, ends: Sequence[TableEnd]) -> str:
    """A clause about the events that were not watched until their label maturity; empty where all were."""
    time, maturity = spec.columns.event_time, spec.windows.label_maturity
    watched = [end for end in ends if end.watched_until]
    if not watched or time not in frame or not isinstance(frame[time].dtype, pd.DatetimeTZDtype):
        return ""
    first = min(watched, key=lambda end: end.watched_until or date.max)
    until = windows.midnight(first.watched_until or date.max)
    matured = frame[time] + pd.DateOffset(years=maturity.years, months=maturity.months, days=maturity.days)
    if not (late := int((matured > until).sum())):
        return ""
    return (
        f"the facts of {first.table} end on {first.newest}, and {late:,} event{'s' if late > 1 else ''} had not been "
        f"observed for {maturity} by then (windows.label_maturity), so their outcomes are not final"
    )


def acknowledge(ends: Sequence[TableEnd]) -> str:
    """What to write into the spec where the first of these tables to end has not ended."""
    first = min((end for end in ends if end.watched_until), key=lambda end: end.watched_until or date.max)
    return (
        f"If {first.table} is still updated and new facts are that rare, declare "
        f"source.tables.{first.table}.longest_gap."
    )


def watched_until(ends: Sequence[TableEnd], day: date) -> date | None:
    """The last date until which events count as watched, where that is before `day`; None where the data go on."""
    return min((e.watched_until for e in ends if e.watched_until and e.watched_until < day), default=None)


def ended(ends: Sequence[TableEnd], day: date) -> date | None:
    """The as-of date that has every fact, where the data ended before `day`; None where they go on."""
    return min((e.ended for e in ends if e.ended and e.watched_until and e.watched_until < day), default=None)
