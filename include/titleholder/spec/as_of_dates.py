"""Which as-of dates leave enough rows, found from counts of rows by day (pure calendar arithmetic)."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from titleholder.errors import UsageError
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec

HOLDOUT_ROWS = 2
"""The fewest rows that a challenger can be judged on; a classification needs both classes among them."""


class DayCount(NamedTuple):
    """The rows of one day of event time whose outcome is known, with their lowest and highest outcome.

    `events` is the number of those with outcome 1.
    """

    rows: int
    lowest: float
    highest: float
    events: int


Counts = Callable[[date], Mapping[date, DayCount]]
"""What was known on a day: the rows by the day of their event."""


class AsOfDates(NamedTuple):
    """The first and the last as-of date that leave enough, and the last one before the date that was asked for.

    `whole` is the last whose holdout ends before the rows do, or `last` where there is none.
    """

    first: date
    last: date
    before: date | None
    whole: date


def find(spec: ModelSpec, counts: Counts, asked: date, latest: date, ended: date | None = None) -> AsOfDates | None:
    """The as-of dates, `latest` at most, that leave enough to train on and to judge by; None without any.

    `ended` is the day on which the data ended, where they did: none is later if an event was not watched until its
    label maturity by then.

    Enough are `training.minimum_rows` with two different outcomes that can be cut into folds (in a classification each
    with both classes), and a holdout as `HOLDOUT_ROWS` says. Each date that is returned was tried with what was known
    on that day. `counts` is called for few days: first for `latest`, because what is not known now was not known
    before; then in growing steps over the dates that would be enough by that, and back by bisection. So the first is
    not the first, and the last not the last, where outcomes were corrected and a date between two steps was enough.
    """
    known = _RowCounts(spec, counts(latest))
    if ended and known.end and known.end > ended:
        latest = min(latest, ended)
    days = known.enough_until(latest)

    def enough(day: date) -> bool:
        return _RowCounts(spec, counts(day)).enough(day)

    longest = _longest_step(spec, latest)
    first = _first_enough(days, enough, longest)
    last = _first_enough(days[::-1], enough, longest)
    if first is None or last is None:
        return None
    earlier = days[: bisect.bisect_left(days, asked)]
    before = _first_enough(earlier[::-1], enough, longest) if first < asked < last else None
    until = days[: bisect.bisect_right(days, known.end or last)]
    return AsOfDates(first, last, before, _first_enough(until[::-1], enough, longest) or last)


def leaves_enough(spec: ModelSpec, counts: Counts, as_of: date) -> bool:
    """Whether this date leaves enough, as `find` says."""
    return _RowCounts(spec, counts(as_of)).enough(as_of)


def enough_of(
    spec: ModelSpec, counts: Counts, dates: Sequence[date], latest: date, watched: date | None = None
) -> frozenset[date]:
    """Those of some as-of dates in ascending order, `latest` at most, that leave enough.

    `watched` is the last date until which events were watched, where the data ended: a date is left out if an event of
    its holdout had not matured by then. `counts` is called for few days: for `latest`, and from the first date that is
    enough by that until one is enough by what was known on that day; so are those after it.
    """
    known = _RowCounts(spec, counts(latest))
    days = [day for day in dates if day <= latest and known.enough(day) and known.watched(day, watched or latest)]
    first = _first_enough(days, lambda day: leaves_enough(spec, counts, day), len(days))
    return frozenset(day for day in days if first and day >= first)


class Shortfalls(NamedTuple):
    """The as-of dates at which something is too little, by what: with so little no run can be made or no one can win.

    `refused` leave too little to train on or to judge by, so that a run fails. Of the others, `to_judge_by` have fewer
    than `judgement.minimum_events` rows of the rarer class (of a regression, rows) in the holdout, `to_train_on` in the
    training window. `undivided` are those of `refused` that have enough, but not in each fold of the search. All are in
    ascending order.
    """

    refused: tuple[date, ...]
    to_judge_by: tuple[date, ...]
    to_train_on: tuple[date, ...]
    undivided: tuple[date, ...]


def shortfalls(spec: ModelSpec, days: Mapping[date, DayCount], dates: Sequence[date]) -> Shortfalls:
    """Which of these as-of dates have too little, by what `days` say, whenever that became known.

    A date that had less when it was reached than is known of its windows now can have too little and not be named.
    """
    known, least = _RowCounts(spec, days), spec.judgement.minimum_events
    counts = {day: known.informative(day) if known.enough(day) else None for day in dates}
    return Shortfalls(
        refused=tuple(day for day, found in counts.items() if found is None),
        to_judge_by=tuple(day for day, found in counts.items() if found and found.holdout < least),
        to_train_on=tuple(day for day, found in counts.items() if found and found.training < least),
        undivided=tuple(day for day, found in counts.items() if found is None and known.undivided(day)),
    )


def thin(spec: ModelSpec, days: Mapping[date, DayCount], ticks: Sequence[date]) -> list[date]:
    """The ticks before whose next one too few rows of the rarer class follow to compare policies in a backtest."""
    known, least = _RowCounts(spec, days), spec.judgement.minimum_new_events
    return [tick for tick in ticks if known.followed(tick, windows.next_tick(spec.schedule, tick)) < least]


def _first_enough(days: Sequence[date], enough: Callable[[date], bool], longest: int) -> date | None:
    """The first of these days that is enough; of days that become so once and stay so."""
    refused, found, step = -1, 0, 1
    while found < len(days) and not enough(days[found]):
        refused, step = found, min(2 * step, longest)
        found = min(found + step, len(days) - 1) if found < len(days) - 1 else len(days)
    if found >= len(days):
        return None
    while found - refused > 1:
        middle = (refused + found) // 2
        refused, found = (refused, middle) if enough(days[middle]) else (middle, found)
    return days[found]


class _Informative(NamedTuple):
    training: int
    holdout: int


class _RowCounts:
    """Numbers of rows by day and their outcomes, and whether they are enough."""

    def __init__(self, spec: ModelSpec, counts: Mapping[date, DayCount]) -> None:
        self._spec, self._days = spec, sorted(counts)
        self._counts = [counts[day] for day in self._days]
        self._cumulative = [0, *itertools.accumulate(count.rows for count in self._counts)]
        self._events = [0, *itertools.accumulate(count.events for count in self._counts)]

    @property
    def end(self) -> date | None:
        """The as-of date at which the event of the last day has matured; None without rows."""
        return self._days[-1] + timedelta(days=1) + self._spec.windows.label_maturity if self._days else None

    def enough(self, as_of: date) -> bool:
        """Whether the windows at `as_of` have enough rows and outcomes."""
        try:
            spans = windows.intervals(self._spec, as_of)
        except UsageError:
            return False
        start, split, end = self._places(spans)
        return self._trainable(start, split) and self._divisible(start, split) and self._judgeable(split, end)

    def undivided(self, as_of: date) -> bool:
        """Whether the windows at `as_of` have enough rows and outcomes, and the folds of the search do not."""
        try:
            start, split, end = self._places(windows.intervals(self._spec, as_of))
        except UsageError:
            return False
        enough = self._trainable(start, split) and self._judgeable(split, end)
        return enough and not self._divisible(start, split)

    def informative(self, as_of: date) -> _Informative:
        """Rows of the rarer class (of a regression, rows) in both windows at `as_of`."""
        start, split, end = self._places(windows.intervals(self._spec, as_of))
        return _Informative(self._informative(start, split), self._informative(split, end))

    def followed(self, start: date, end: date) -> int:
        """Rows of the rarer class (of a regression, rows) from one day to before another."""
        return self._informative(bisect.bisect_left(self._days, start), bisect.bisect_left(self._days, end))

    def watched(self, as_of: date, until: date) -> bool:
        """Whether the newest event that counts at `as_of` had matured by a day, if it happened as its day began."""
        newest = self._places(windows.intervals(self._spec, as_of))[2] - 1
        return newest < 0 or self._days[newest] + self._spec.windows.label_maturity <= until

    def enough_until(self, latest: date) -> list[date]:
        """Every as-of date with enough of these rows, `latest` at most."""
        at_least = bisect.bisect_left(self._cumulative, self._spec.training.minimum_rows)  # for any window
        if at_least >= len(self._cumulative):
            return []
        reached = self._days[at_least - 1]
        days = (reached + timedelta(days=n) for n in range(1, (latest - reached).days + 1))
        return [day for day in days if self.enough(day)]

    def _places(self, spans: windows.Intervals) -> tuple[int, int, int]:
        start, split, end = (
            bisect.bisect_left(self._days, day) for day in (spans.train_start, spans.holdout_start, spans.matured)
        )
        return start, split, end

    def _rows(self, start: int, end: int) -> int:
        return self._cumulative[end] - self._cumulative[start]

    def _informative(self, start: int, end: int) -> int:
        rows, events = self._rows(start, end), self._events[end] - self._events[start]
        return rows if self._spec.task == "regression" else min(events, rows - events)

    def _trainable(self, start: int, end: int) -> bool:
        return self._rows(start, end) >= self._spec.training.minimum_rows and self._differ(start, end)

    def _judgeable(self, start: int, end: int) -> bool:
        both = self._spec.task != "classification" or self._differ(start, end)
        return self._rows(start, end) >= HOLDOUT_ROWS and both

    def _differ(self, start: int, end: int) -> bool:
        """Whether there are two different outcomes."""
        lowest, highest = float("inf"), float("-inf")
        for count in self._counts[start:end]:
            lowest, highest = min(lowest, count.lowest), max(highest, count.highest)
            if lowest < highest:
                return True
        return False

    def _divisible(self, start: int, end: int) -> bool:
        """Whether they can be cut at days into as many parts as the folds of the search need."""
        folds, n = self._spec.training.search.folds, self._rows(start, end)
        offsets = (self._cumulative[start] + n * k // (folds + 1) for k in range(1, folds + 1))
        cuts = sorted({bisect.bisect_right(self._cumulative, offset) - 1 for offset in offsets})
        if len(cuts) < folds or start in cuts:
            return False
        parts = itertools.pairwise([start, *cuts, end])
        return self._spec.task != "classification" or all(self._differ(*part) for part in parts)


def _longest_step(spec: ModelSpec, latest: date) -> int:
    """In days: half the training window, so that no time with enough rows is skipped."""
    spans = windows.intervals(spec, latest)
    return max(1, (spans.holdout_start - spans.train_start).days // 2)
