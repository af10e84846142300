"""Which stretch of time a run trains on and which it is judged on (pure calendar arithmetic)."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from croniter import croniter
from dateutil.relativedelta import relativedelta
from pydantic import BaseModel, ConfigDict

from titleholder.errors import UsageError
from titleholder.spec import ModelSpec

BEGINNING = date(1900, 1, 1)
"""Where `train: all` begins."""


def midnight(day: date) -> datetime:
    """The instant a date stands for: 00:00 UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)


class Intervals(BaseModel):
    """Half-open intervals of event time: training is [train_start, holdout_start), holdout [holdout_start, matured)."""

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


def first_as_of(spec: ModelSpec, events: Mapping[date, int], latest: date) -> date | None:
    """The first as-of date, `latest` at most, that leaves `training.minimum_rows` events to train on; None without one.

    `events` counts them by the day on which they happened.
    """
    days = sorted(events)
    so_far = [0, *itertools.accumulate(events[day] for day in days)]
    as_of = days[0] if days else latest
    while (as_of := as_of + timedelta(days=1)) <= latest:
        spans = intervals(spec, as_of)
        before, inside = (bisect.bisect_left(days, day) for day in (spans.train_start, spans.holdout_start))
        if so_far[inside] - so_far[before] >= spec.training.minimum_rows:
            return as_of
    return None


def resolve_as_of(form: str | None, interval_end: datetime | None, run_after: datetime | None) -> date:
    """The one as-of date of a run: the form's, else the data interval's end, else the moment the run was due.

    A moment within a day becomes the start of that day (UTC): the run then knows a little less, never more.

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
