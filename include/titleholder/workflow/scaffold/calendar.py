"""Schedule, windows and dates of a new spec, from the dates of a table's rows."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import NamedTuple

from titleholder.spec.cadence import cadence
from titleholder.spec.types import Duration
from titleholder.spec.windows import next_tick

WEEKLY_BELOW, DAILY_BELOW = 550, 100
"""Days of history below which a week, or a day, is the period rather than a month."""
TRAINING_ROWS, HOLDOUT_EVENTS = 1_000, 80
"""What the windows should hold, where the history is long enough."""


class Usual(NamedTuple):
    """How often to retrain, and the windows that go with it, in units of so many days."""

    schedule: str
    unit: str
    days: float
    train: int
    holdout: int


MONTHLY = Usual("@monthly", "month", 30.44, 12, 3)
WEEKLY = Usual("@weekly", "week", 7.0, 26, 4)
DAILY = Usual("@daily", "day", 1.0, 28, 7)


class History(NamedTuple):
    """The rows of a table in time: the first and last day, how many rows and how many of them decide (events)."""

    first: date
    last: date
    rows: int
    events: int


class Calendar(NamedTuple):
    """The part of a spec that is about time, and the reasons for it."""

    schedule: str
    start_date: date
    end_date: date | None
    label_maturity: str
    train: str
    holdout: str
    why_schedule: str
    why_start: str
    why_end: str


def plan(history: History, lag: float | None, schedule: str | None, today: date) -> Calendar:
    """When to run, and on what, for a history whose labels take `lag` days (None: unknown) to become known."""
    span = (history.last - history.first).days + 1
    usual = _usual(span, schedule)
    units = span / usual.days
    maturity = max(1, math.ceil((lag or 0) / usual.days))
    free = max(units - maturity, 2.0)
    holdout = _length(usual.holdout, HOLDOUT_EVENTS / (history.events / units or 1), free / 3)
    train = _length(usual.train, TRAINING_ROWS / (history.rows / units or 1), free / 2)
    lengths = [_written(n, usual.unit) for n in (maturity, train, holdout)]
    last = min(today, history.last + timedelta(days=1) + Duration.parse(lengths[0]))
    ready = history.first
    for length in lengths:
        ready += Duration.parse(length)
    start = next_tick(usual.schedule, ready - timedelta(days=1))
    ended = today - last > timedelta(days=3 * usual.days) and last > start
    return Calendar(
        schedule=usual.schedule,
        start_date=start,
        end_date=last if ended else None,
        label_maturity=lengths[0],
        train=lengths[1],
        holdout=lengths[2],
        why_schedule="as given" if schedule else f"the rows span {span:,} days",
        why_start=f"the first rows are of {history.first}; maturity, training and holdout come before",
        why_end=f"the last rows are of {history.last}; remove this line when more come",
    )


def _usual(span: int, schedule: str | None) -> Usual:
    if schedule is None:
        return DAILY if span < DAILY_BELOW else WEEKLY if span < WEEKLY_BELOW else MONTHLY
    return {"day": DAILY, "week": WEEKLY}.get(cadence(schedule).noun, MONTHLY)._replace(schedule=schedule)


def _length(usual: int, needed: float, longest: float) -> int:
    """In units: the usual length, or longer where that holds too few rows; never longer than the history allows."""
    return max(1, min(max(usual, math.ceil(needed)), math.floor(longest)))


def _written(n: int, unit: str) -> str:
    return f"{n} {unit}{'s' if n > 1 else ''}"
