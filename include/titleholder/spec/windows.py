"""The time windows of a run: what it trains on and what it is judged on (pure calendar arithmetic)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile

from croniter import croniter
from dateutil.relativedelta import relativedelta
from pydantic import BaseModel, ConfigDict

from titleholder.errors import UsageError
from titleholder.spec.model import ModelSpec

BEGINNING = date(1900, 1, 1)
"""The start of the training window with `train: all`."""
SHORT = 0.1
"""The share of the training window without any row from which on the history is called short."""


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
    rows_begin: date | None = None
    """The day of the first row to train on, where a tenth of the training window or more lies before it."""
    rows_end: date | None = None
    """The day of the last row, where the holdout goes on after it for longer than any pause between rows."""
    undeclared: tuple[str, ...] = ()
    """Tables that the query reads, and of which `source.tables` does not say when their rows become known."""


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


def with_rows(spans: Intervals, days: Iterable[date]) -> Intervals:
    """`spans`, and where its rows begin and end: `days` have the rows whose outcome is known, in any order.

    Each is None where it is no news: little of the training window lies before the first row, and the holdout ends no
    later after the last one than other rows follow each other.
    """
    inside = sorted({day for day in days if spans.train_start <= day < spans.matured})
    if not inside:
        return spans
    first, last = inside[0], inside[-1]
    short = spans.train_start > BEGINNING and (first - spans.train_start) >= SHORT * (
        spans.holdout_start - spans.train_start
    )
    pause = max((later - earlier for earlier, later in pairwise(inside)), default=timedelta(days=1))
    ended = spans.matured - last > pause
    return spans.model_copy(update={"rows_begin": first if short else None, "rows_end": last if ended else None})


def remarks(spec: ModelSpec, spans: Intervals) -> tuple[str, ...]:
    """What people must know of the windows of a run beside the decision, a sentence each."""
    return tuple(filter(None, (short_history(spec, spans), short_holdout(spans), undeclared_tables(spec, spans))))


def short_history(spec: ModelSpec, spans: Intervals) -> str:
    """A sentence that says how much of the training window has rows, where much of it has none; else empty."""
    if spans.rows_begin is None:
        return ""
    there = relativedelta(spans.holdout_start, spans.rows_begin)
    months = 12 * there.years + there.months
    days = (spans.holdout_start - spans.rows_begin).days
    length = f"{months} months" if months > 1 else f"{days} day{'s' if days > 1 else ''}"
    return (
        f"The history is shorter than the training window: windows.train is {spec.windows.train}, the rows begin on "
        f"{spans.rows_begin}: {length} are there."
    )


def short_holdout(spans: Intervals) -> str:
    """A sentence that says how much of the holdout has rows, where its end has none; else empty."""
    if spans.rows_end is None:
        return ""
    there = max((spans.rows_end - spans.holdout_start).days + 1, 0)
    return (
        f"Only a part of the holdout has rows: they end on {spans.rows_end}, the holdout on "
        f"{spans.matured - timedelta(days=1)}: {there} of {(spans.matured - spans.holdout_start).days} days are there."
    )


def undeclared_tables(spec: ModelSpec, spans: Intervals) -> str:
    """A sentence that names the tables about which nothing could be tested, and what to do; empty without any."""
    if not spans.undeclared:
        return ""
    return (
        f"Not tested for leaks, nor for the end of the data: source.tables does not say when the rows of "
        f"{', '.join(spans.undeclared)} became known. Declare it, and run `titleholder leaktest {spec.name}`."
    )


def longest_period(schedule: str | None, day: date) -> timedelta:
    """The longer of the schedule's two periods after a day; a calendar month without a schedule.

    >>> longest_period("@monthly", date(2024, 2, 10)).days, longest_period("@daily", date(2024, 2, 10)).days
    (31, 1)
    """
    first = next_tick(schedule, day)
    second = next_tick(schedule, first)
    return max(second - first, next_tick(schedule, second) - second)


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


def ticks(schedule: str, first: date, last: date) -> list[date]:
    """The days of the schedule's ticks from `first` to `last`, both included.

    >>> [str(day) for day in ticks("0 6 1 * *", date(2024, 1, 1), date(2024, 3, 1))]
    ['2024-01-01', '2024-02-01', '2024-03-01']
    """
    later = croniter(schedule, midnight(first) - timedelta(microseconds=1)).all_next(datetime)
    return list(takewhile(lambda day: day <= last, (tick.date() for tick in later)))


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
