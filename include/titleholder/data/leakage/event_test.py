"""The test by event: a feature may use only what was known when its event happened.

At cut-offs spread over the window, facts that became known later exchange their values, and the events before the
cut-off are extracted again with the same `:as_of`. Their features must stay; labels become known later and may differ.
A planted future cannot show this, because every extracted event is older than the label maturity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import pandas as pd
from psycopg2.errors import CardinalityViolation
from pydantic import BaseModel, ConfigDict

from titleholder.data.leakage.comparison import CHANGED, ORIGINAL, Leak, differing, extract, same_entities, shown
from titleholder.data.leakage.exchange import exchange
from titleholder.data.leakage.table_copies import TableCopies
from titleholder.data.leakage.table_facts import TableFacts
from titleholder.spec.model import ModelSpec
from titleholder.spec.source import Columns
from titleholder.spec.sql import quoted
from titleholder.spec.windows import Intervals, midnight

CUT_OFFS = 14
EVENTS = 500
"""The most events that are compared at a cut-off: the newest before it."""
TELLING = 4
"""The most cut-offs, beside the one with the longest lag of each column, at which each table is tried alone."""
LATER_EVENTS, TOGETHER = "later events of the window", "several tables together"
_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)

_CUT_OFFS = """
WITH events AS (SELECT {time}::timestamptz AS happened, {entity}::text AS entity FROM {extract}),
placed AS (
    SELECT *, lag(happened, {width}) OVER w AS start, min(happened) OVER () AS first, ntile({number}) OVER w AS part
    FROM events WINDOW w AS (ORDER BY happened, entity)
)
SELECT DISTINCT ON (part) happened, coalesce(start, first),
    (SELECT bool_and(e.happened = date_trunc('day', e.happened)) FROM events e)
FROM placed ORDER BY part, hashtextextended(entity, 0), entity
"""


class CutOff(NamedTuple):
    """A time, and the earliest event that is compared at it; events in [start, time] are."""

    time: datetime
    start: datetime


class EventTestSummary(BaseModel):
    """How much was compared: `rows` in all at `cut_offs` times; `exchanged` facts by table. `vanished` were not."""

    model_config = ConfigDict(frozen=True)

    cut_offs: int
    rows: int
    vanished: int
    exchanged: dict[str, int]


class _Difference(NamedTuple):
    """The rows in which a column differs at a cut-off."""

    column: str
    rows: int
    entity: str
    before: str
    after: str
    lag: timedelta


class EventTest:
    """The test of one query over copies of its tables, whose original extract is in `ORIGINAL`."""

    def __init__(self, copies: TableCopies, spec: ModelSpec, spans: Intervals, tables: dict[str, TableFacts]) -> None:
        self._copies, self._spec, self._spans, self._tables = copies, spec, spans, tables
        self._compared = self._vanished = 0
        self._exchanged = dict.fromkeys(tables, 0)

    def run(self) -> tuple[EventTestSummary, list[Leak]]:
        """How much was compared, and what differs."""
        names, cuts = self._spec.columns, self._cut_offs()
        found = [leak for delay, columns in delays(names).items() for leak in self._at_delay(cuts, delay, columns)]
        summary = EventTestSummary(
            cut_offs=len(cuts), rows=self._compared, vanished=self._vanished, exchanged=self._exchanged
        )
        return summary, found

    def _cut_offs(self) -> list[CutOff]:
        """Times of events, the latest first; the end of the day where events have only a day."""
        names = self._spec.columns
        found = self._copies.rows(
            _CUT_OFFS.format(
                time=quoted(names.event_time), entity=quoted(names.entity), extract=ORIGINAL, width=EVENTS - 1,
                number=CUT_OFFS,
            )
        )  # fmt: skip
        cuts = {happened + (_DAY - _TICK if days else timedelta(0)): start for happened, start, days in found}
        return [CutOff(time, cuts[time]) for time in sorted(cuts, reverse=True)]

    def _at_delay(self, cuts: list[CutOff], delay: timedelta, columns: list[str]) -> Iterator[Leak]:
        """The leaks of the columns that may be known `delay` after the event."""
        found = self._differences(cuts, delay, columns, list(self._tables))
        if not found:
            return
        wrong = _telling(cuts, found)
        sources = {LATER_EVENTS: self._differences(cuts, delay, columns, [], wrong)}
        sources |= {name: self._differences(cuts, delay, columns, [name], wrong) for name in self._tables}
        for column in dict.fromkeys(d.column for differences in found.values() for d in differences):
            named = {name: merged for name, at in sources.items() if (merged := _merged(column, at))}
            together = _merged(column, found)
            for source, difference in (named or ({TOGETHER: together} if together else {})).items():
                yield self._leak(source, difference)

    def _leak(self, source: str, found: _Difference) -> Leak:
        return Leak(
            test="event", column=found.column, source=source, rows=found.rows,
            entity_column=self._spec.columns.entity, entity=found.entity, before=found.before, after=found.after,
            lag=found.lag.total_seconds(),
        )  # fmt: skip

    def _differences(
        self, cuts: Sequence[CutOff], delay: timedelta, columns: list[str], tables: list[str],
        only: Sequence[CutOff] = (),
    ) -> dict[CutOff, list[_Difference]]:  # fmt: skip
        """What differs at each cut-off where anything does. The tables are as they were afterwards.

        With `only`, nothing is compared elsewhere, and nothing counted; the facts change in the same way.
        """
        found, last = {}, "infinity"
        with self._copies.rolled_back():
            for cut in cuts:
                time = cut.time + delay
                self._copies.run("SELECT set_config('titleholder.last_cut', %s, true)", (last,))
                self._copies.bind("cut", time)
                for name in tables:
                    changed = exchange(self._tables[name])
                    self._exchanged[name] += 0 if only else changed
                last = time.isoformat()
                if only and cut not in only:
                    continue
                compared, differences = self._compare(cut, time, columns)
                if differences:
                    found[cut] = differences
                if not only:
                    self._compared += compared
                    self._vanished += self._expected(cut) - compared
        return found

    def _compare(self, cut: CutOff, time: datetime, columns: list[str]) -> tuple[int, list[_Difference]]:
        """Extract only what is compared; where that differs, the whole window, on whose start a query may depend.

        Nothing is compared where the query expects one row of a key, and the table has no primary key that keeps it so.
        """
        result: tuple[int, list[_Difference]] = (0, [])
        whole = midnight(self._spans.train_start)
        for start in (max(_day(cut.start), whole), whole):
            self._copies.bind("window_start", start)
            self._copies.bind("window_end", min(_day(time) + _DAY, midnight(self._spans.matured)))
            if not self._copies.succeeds(lambda: extract(self._copies, CHANGED), CardinalityViolation):
                return 0, []
            names = self._spec.columns
            compared, frame = same_entities(
                self._copies, names.entity, list(dict.fromkeys([names.event_time, *columns])), self._between(cut)
            )
            result = compared, list(_by_column(frame, names.event_time, time))
            if not result[1]:
                break
        return result

    def _expected(self, cut: CutOff) -> int:
        ((rows,),) = self._copies.rows(f"SELECT count(*) FROM {ORIGINAL} o WHERE {self._between(cut)}")
        return int(rows)

    def _between(self, cut: CutOff) -> str:
        time = f"o.{quoted(self._spec.columns.event_time)}::timestamptz"
        return f"{time} BETWEEN '{cut.start.isoformat()}' AND '{cut.time.isoformat()}'"


def delays(columns: Columns) -> dict[timedelta, list[str]]:
    """What must be known so long after the event, by the delay; all but the features of `known_after` at the event.

    >>> columns = Columns(entity="id", event_time="at", target="bad", numeric=("amount", "visits"),
    ...                   known_after={"visits": "3 days"})
    >>> delays(columns)[timedelta(days=3)]
    ['visits']
    """
    others = [columns.event_time, columns.weight, *columns.features, *columns.segments, *columns.protected]
    found: dict[timedelta, list[str]] = {}
    for name in dict.fromkeys(filter(None, others)):
        found.setdefault(timedelta(seconds=columns.known_after.get(name, timedelta()).total_seconds()), []).append(name)
    return found


def _by_column(frame: pd.DataFrame, event_time: str, known: datetime) -> Iterator[_Difference]:
    for column in frame["before"].columns if len(frame) else ():
        before, after = frame["before", column], frame["after", column]
        differ = differing(before, after).to_numpy()
        if differ.any():
            first = int(differ.argmax())
            earliest = pd.to_datetime(frame["before", event_time][differ], utc=True, format="ISO8601").min()
            yield _Difference(
                column, int(differ.sum()), str(frame.index[first]), shown(before.iloc[first]), shown(after.iloc[first]),
                max(known - earliest.to_pydatetime(), timedelta(0)),
            )  # fmt: skip


def _telling(cuts: Sequence[CutOff], found: dict[CutOff, list[_Difference]]) -> list[CutOff]:
    """The cut-offs at which the tables are told apart: those with the longest lags, for each column at least one."""
    longest: dict[str, tuple[timedelta, CutOff]] = {}
    for cut, differences in found.items():
        for d in differences:
            longest[d.column] = max(longest.get(d.column, (d.lag, cut)), (d.lag, cut))
    by_lag = sorted(found, key=lambda cut: max(d.lag for d in found[cut]), reverse=True)
    chosen = {*by_lag[:TELLING], *(cut for _, cut in longest.values())}
    return [cut for cut in cuts if cut in chosen]


def _merged(column: str, found: dict[CutOff, list[_Difference]]) -> _Difference | None:
    """The differences of a column at all cut-offs as one; its example is that with the longest lag."""
    same = [d for differences in found.values() for d in differences if d.column == column]
    if not same:
        return None
    return max(same, key=lambda d: d.lag)._replace(rows=sum(d.rows for d in same))


def _day(moment: datetime) -> datetime:
    return midnight(moment.date())
