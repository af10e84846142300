"""Schedule, windows and dates of a new spec, from the dates of a table's rows."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import NamedTuple

from titleholder.formatting import elapsed
from titleholder.spec.cadence import cadence
from titleholder.spec.types import Duration
from titleholder.spec.windows import next_tick
from titleholder.workflow.scaffold.rhythm import Rhythm

WEEKLY_BELOW, DAILY_BELOW = 550, 100
"""Days of history below which a week, or a day, is the period rather than a month."""
GIVEN = "as given"
DAY = 86_400
HOURS = 0.9
"""In periods: rows of one entity that are less than so many days apart are hourly, less than so many weeks daily."""
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
    """The rows of a table in time: the first and last day, how many rows and how many of them decide (events).

    `newest` is the day of the newest fact about an outcome, where a date says so: later ones nobody has watched for.
    """

    first: date
    last: date
    rows: int
    events: int
    newest: date | None = None


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


def plan(
    history: History, lag: float | None, schedule: str | None, today: date, rhythm: Rhythm | None = None
) -> Calendar:
    """When to run, and on what, for a history whose labels take `lag` days (None: unknown) to become known.

    A rhythm may shorten the schedule to the next longer period: daily for hours, weekly for days. The training window
    is then as long as without it, because its length follows from how far the rows go back.
    """
    span = (history.last - history.first).days + 1
    by_span = DAILY if span < DAILY_BELOW else WEEKLY if span < WEEKLY_BELOW else MONTHLY
    usual = _given(schedule) if schedule else _no_rarer(by_span, rhythm)
    past = usual if schedule else by_span
    maturity = max(1, math.ceil((lag or 0) / usual.days))
    free = max(span - maturity * usual.days, 2.0 * usual.days)
    holdout = _length(usual, usual.holdout, HOLDOUT_EVENTS, history.events / span, free / 3)
    train = _length(past, past.train, TRAINING_ROWS, history.rows / span, free / 2)
    lengths = [_written(maturity, usual.unit), train, holdout]
    watched = history.last + Duration.parse(lengths[0])
    last = min(today, min(watched, max(history.newest or watched, history.last)) + timedelta(days=1))
    ready = history.first
    for length in lengths:
        ready += Duration.parse(length)
    start = next_tick(usual.schedule, ready - timedelta(days=1))
    newest = f", the newest outcomes of {history.newest}" if history.newest else ""
    ended = today - last > timedelta(days=3 * usual.days) and last > start
    return Calendar(
        schedule=usual.schedule,
        start_date=start,
        end_date=last if ended else None,
        label_maturity=lengths[0],
        train=lengths[1],
        holdout=lengths[2],
        why_schedule=GIVEN if schedule else _why(usual, rhythm, span),
        why_start=f"the first rows are of {history.first}; maturity, training and holdout come before",
        why_end=f"the last rows are of {history.last}{newest}; remove this line when more come",
    )


def _given(schedule: str) -> Usual:
    return {"day": DAILY, "week": WEEKLY}.get(cadence(schedule).noun, MONTHLY)._replace(schedule=schedule)


def _no_rarer(usual: Usual, rhythm: Rhythm | None) -> Usual:
    """The usual period, or a shorter one that is still longer than the rhythm: a day for hours, a week for days."""
    if rhythm is None:
        return usual
    longer = DAILY if rhythm.days < HOURS else WEEKLY if rhythm.days < WEEKLY.days * HOURS else MONTHLY
    return min(longer, usual, key=lambda u: u.days)


def _why(usual: Usual, rhythm: Rhythm | None, span: int) -> str:
    if rhythm is None:
        return f"the rows span {span:,} days"
    of = f"rows of one {rhythm.entity}" if rhythm.entity else "rows"
    shortest = "; a day is the shortest period" if usual.unit == "day" and rhythm.days < HOURS else ""
    return f"{of} are {elapsed(rhythm.days * DAY)} apart, over {span:,} days{shortest}"


def _length(usual: Usual, n: int, needed: int, per_day: float, longest: float) -> str:
    """So many periods, or more where these hold too few rows; never longer than the history allows, in days."""
    enough = math.ceil(needed / (per_day * usual.days or 1))
    return _written(max(1, min(max(n, enough), math.floor(longest / usual.days))), usual.unit)


def _written(n: int, unit: str) -> str:
    return f"{n} {unit}{'s' if n > 1 else ''}"
