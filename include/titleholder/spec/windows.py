"""The time windows of a run: what it trains on and what it is judged on (pure calendar arithmetic)."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta

from croniter import croniter
from dateutil.relativedelta import relativedelta
from pydantic import BaseModel, ConfigDict

from titleholder.errors import UsageError
from titleholder.spec.model import ModelSpec

BEGINNING = date(1900, 1, 1)
"""The start of the training window with `train: all`."""


def midnight(day: date) -> datetime:
    """00:00 UTC of a date."""
    return datetime.combine(day, time(), tzinfo=UTC)


class Intervals(BaseModel):
    """Half-open intervals of event time: training is [train_start, holdout_start), holdout [holdout_start, matured).

    >>> spans = Intervals(train_start=date(2020, 1, 1), holdout_start=date(2022, 1, 1), matured=date(2022, 7, 1))
    >>> (spans.matured - spans.holdout_start).days
    181
    """

    model_config = ConfigDict(frozen=True)

    train_start: date
    holdout_start: date
    matured: date


def intervals(spec: ModelSpec, as_of: date) -> Intervals:
    """The windows of a run at `as_of`.

    matured = as_of - label_maturity; the holdout ends there, training ends where the holdout starts. Months are
    subtracted by the calendar: a day that a shorter month lacks becomes that month's last day (31 March minus one
    month is 28 or 29 February).

    Raises:
        UsageError: when `as_of` lies so early that the windows would start before `BEGINNING`.
    """
    try:
        matured = as_of - spec.windows.label_maturity
        holdout_start = matured - spec.windows.holdout
        train = spec.windows.train
        train_start = BEGINNING if train == "all" else holdout_start - train
    except (ValueError, OverflowError):
        train_start = holdout_start = matured = date.min
    if not BEGINNING <= train_start < holdout_start < matured < as_of:
        raise UsageError(
            f"{spec.name}: as_of {as_of} is too early: with a label maturity of {spec.windows.label_maturity}, a "
            f"holdout of {spec.windows.holdout} and {spec.windows.train} of training, the windows would start before "
            f"{BEGINNING}"
        )
    return Intervals(train_start=train_start, holdout_start=holdout_start, matured=matured)


def first_as_of(spec: ModelSpec, events: Callable[[date], Mapping[date, int]], latest: date) -> date | None:
    """The first as-of date, `latest` at most, that leaves enough events to train on; None without one.

    Enough are `training.minimum_rows`, which can be cut into folds. `events(day)` returns the number of events known
    on that day, by the day on which they happened. It is called for few days: first for `latest`, because what is not
    known now was not known before; then from the first possible day in growing steps, and back by bisection.
    """
    day = _EventCounts(spec, events(latest)).first_enough(latest)
    if day is None:
        return None
    refused, step, longest = day, 1, _longest_step(spec, latest)
    while not _EventCounts(spec, events(day)).enough(day):
        if day >= latest:
            return None
        refused, day, step = day, min(day + timedelta(days=step), latest), min(2 * step, longest)
    while (day - refused).days > 1:
        middle = refused + (day - refused) // 2
        refused, day = (refused, middle) if _EventCounts(spec, events(middle)).enough(middle) else (middle, day)
    return day


def last_as_of(spec: ModelSpec, events: Mapping[date, int], latest: date) -> date | None:
    """The last as-of date, `latest` at most, that leaves enough of these events; None if no day does."""
    counts, first = _EventCounts(spec, events), min(events, default=latest)
    days = (latest - timedelta(days=n) for n in range((latest - first).days))
    return next((day for day in days if counts.enough(day)), None)


class _EventCounts:
    """Numbers of events by day, and whether they are enough to train on."""

    def __init__(self, spec: ModelSpec, events: Mapping[date, int]) -> None:
        self._spec, self._days = spec, sorted(events)
        self._cumulative = [0, *itertools.accumulate(events[day] for day in self._days)]

    def enough(self, as_of: date) -> bool:
        """Whether the training window at `as_of` has enough events."""
        try:
            windows = intervals(self._spec, as_of)
        except UsageError:
            return False
        first, end = (bisect.bisect_left(self._days, day) for day in (windows.train_start, windows.holdout_start))
        n = self._cumulative[end] - self._cumulative[first]
        return n >= self._spec.training.minimum_rows and self._divisible(first, n)

    def _divisible(self, first: int, n: int) -> bool:
        """Whether they can be cut at days into as many parts as the folds of the search need."""
        folds = self._spec.training.search.folds
        offsets = (self._cumulative[first] + n * k // (folds + 1) for k in range(1, folds + 1))
        cuts = {bisect.bisect_right(self._cumulative, offset) - 1 for offset in offsets}
        return len(cuts) == folds and first not in cuts

    def first_enough(self, latest: date) -> date | None:
        """The first as-of date, `latest` at most, with enough events."""
        at_least = bisect.bisect_left(self._cumulative, self._spec.training.minimum_rows)  # for any window
        if at_least >= len(self._cumulative):
            return None
        reached = self._days[at_least - 1]
        days = (reached + timedelta(days=n) for n in range(1, (latest - reached).days + 1))
        return next((day for day in days if self.enough(day)), None)


def _longest_step(spec: ModelSpec, latest: date) -> int:
    """In days: half the training window, so that no time with enough events is skipped."""
    windows = intervals(spec, latest)
    return max(1, (windows.holdout_start - windows.train_start).days // 2)


def resolve_as_of(form: str | None, interval_end: datetime | None, run_after: datetime | None) -> date:
    """The one as-of date of a run: the form's, else the data interval's end, else `run_after`, when the run was due.

    A moment within a day becomes the start of that day (UTC): the run knows a little less, never more.

    Raises:
        UsageError: when the form's value is no date, or nothing is given.
    """
    if form:
        try:
            return date.fromisoformat(form)
        except ValueError:
            raise UsageError(f"as_of: {form!r} is not a date; write it as YYYY-MM-DD, such as 2026-03-01") from None
    moment = interval_end or run_after
    if moment is None:
        raise UsageError("as_of: not given, and the run has neither a data interval nor a due time")
    return moment.astimezone(UTC).date()


def next_tick(schedule: str | None, day: date) -> date:
    """The day of the schedule's first tick after `day`; one calendar month later where there is no schedule."""
    if schedule is None:
        return day + relativedelta(months=1)
    later = croniter(schedule, midnight(day)).all_next(datetime)
    return next(found for tick in later if (found := tick.date()) > day)


def last_tick(schedule: str | None, day: date) -> date:
    """The day of the schedule's last tick until the beginning of `day`; `day` itself where there is no schedule."""
    if schedule is None:
        return day
    after: datetime = croniter(schedule, midnight(day) + timedelta(microseconds=1)).get_prev(datetime)
    return after.date()
