"""Axes of the page's charts: positions, round values and dates to label (pure).

Charts are `WIDTH` units wide and scale with the page. Their colours are in the style sheet, for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

WIDTH, LEFT, RIGHT = 960.0, 56.0, 14.0
HEIGHT, TOP, BOTTOM = 300.0, 14.0, 34.0
LABELS = 8
"""The largest number of labels along an axis."""
STEPS = (1, 2, 3, 6, 12, 24, 60, 120)
"""Months from one label of a long time to the next."""


class Tick(NamedTuple):
    """A label and its position on an axis."""

    at: float
    label: str


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """The function that maps [low, high] to [start, end]; to the middle where both are equal."""
    if high <= low:
        return lambda _: (start + end) / 2
    return lambda value: round(start + (value - low) / (high - low) * (end - start), 1)


def vertical(
    known: Sequence[float], top: float = TOP, bottom: float = HEIGHT - BOTTOM, most: int = 5
) -> tuple[Callable[[float], float], list[Tick]]:
    """The function that maps values to heights between `bottom` and `top`, and labels at about `most` round values."""
    round_values = steps(min(known), max(known), most)
    low, high = min(round_values[0], min(known)), max(round_values[-1], max(known))
    y = scale(low, high, bottom, top)
    places = max(0, -math.floor(math.log10(round_values[1] - round_values[0]) + 1e-9))
    return y, [Tick(y(value), f"{value:,.{places}f}") for value in round_values]


def steps(low: float, high: float, most: int = 5) -> list[float]:
    """Round values that cover a range, at least two."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span / most))
    step = next(size * k for k in (1, 2, 5, 10, 20) if span / (size * k) <= most)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [n * step for n in range(first, last + 1)]


def few(ticks: Sequence[Tick]) -> list[Tick]:
    """Every n-th label, no more than `LABELS`."""
    every = max(1, math.ceil(len(ticks) / LABELS))
    return list(ticks[::every])


def dates(start: datetime, end: datetime, position: Callable[[float], float]) -> list[Tick]:
    """First days of months at regular intervals; for a shorter period, days or times at equal distances."""
    months = [
        datetime(start.year + (start.month + n) // 12, (start.month + n) % 12 + 1, 1, tzinfo=UTC)
        for n in range(-1, 12 * (end.year - start.year) + end.month - start.month)
    ]
    near = start - timedelta(days=2)
    firsts = [m for m in months if near <= m <= end]
    if len(firsts) > 2:
        step = next((n for n in STEPS if len(firsts) <= LABELS * n), STEPS[-1])
        regular = [m for m in firsts if (12 * m.year + m.month - 1) % step == 0]
        return [Tick(max(LEFT, position(m.timestamp())), f"{m:%Y-%m}") for m in regular]
    if end - start < timedelta(days=2):
        moments = [start + (end - start) * n / 3 for n in range(4 if end > start else 1)]
        return [Tick(position(m.timestamp()), f"{m:%m-%d %H:%M}") for m in moments]
    days = dict.fromkeys(f"{start + (end - start) * n / (LABELS - 1):%Y-%m-%d}" for n in range(LABELS))
    return [Tick(position(max(start, datetime.fromisoformat(f"{day}T00:00Z")).timestamp()), day) for day in days]
