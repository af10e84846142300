"""Where things stand in a picture: plain numbers that the templates write as SVG (pure).

Pictures are `WIDTH` units wide and shrink with the page. They carry no colours: the style sheet has them, for light and
dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from titleholder.ledger.queries import Decided, Reigned
from titleholder.spec.types import LIVE

WIDTH, LEFT, RIGHT = 960.0, 56.0, 14.0
HEIGHT, TOP, BOTTOM = 300.0, 14.0, 34.0
LABELS = 8
"""At most so many labels along an axis."""
ROOM = 46.0
"""A bar narrower than this has no room for its label."""
APART = 3.0
"""Half the distance between the two models' marks of one month."""


class Tick(NamedTuple):
    """A label at a place along an axis."""

    at: float
    label: str


class Bar(NamedTuple):
    """A reign: where it begins and ends, and whether there is room for its label."""

    x: float
    width: float
    reign: Reigned
    roomy: bool


class Mark(NamedTuple):
    """A decision at its moment."""

    x: float
    decision: Decided


class Succession(NamedTuple):
    """The line of succession over time."""

    bars: list[Bar]
    marks: list[Mark]
    ticks: list[Tick]


class Point(NamedTuple):
    """A metric with its interval: y is None where nothing was measured, the bounds where there is no interval."""

    x: float
    y: float | None
    lower: float | None
    upper: float | None
    decision: Decided


class Metric(NamedTuple):
    """A metric over months: the champions' line, broken where a version took over, and everybody's points."""

    champions: list[Point]
    challengers: list[Point]
    lines: list[str]
    months: list[Tick]
    values: list[Tick]


class Month(NamedTuple):
    """A month of a backtest: each policy's metric, and the version that the gate used."""

    as_of: date
    figures: dict[str, float]
    gate: int | None


class Walk(NamedTuple):
    """Policies of a backtest month by month, each as a line; and where the gate's champion changed."""

    lines: dict[str, list[str]]
    changes: list[float]
    months: list[Tick]
    values: list[Tick]


def succession(reigns: Sequence[Reigned], rows: Sequence[Decided], lane: str, until: datetime) -> Succession:
    """Reigns as bars and decisions as marks, by the clock in the lane live, elsewhere by as-of dates."""
    moments = [_moment(row, lane) for row in rows]
    if not moments:
        return Succession([], [], [])
    end = until if lane == LIVE else max(moments)
    place = _scale(min(moments).timestamp(), max(end, max(moments)).timestamp(), LEFT, WIDTH - RIGHT)
    bars = [_bar(reign, place, end) for reign in reigns]
    marks = [Mark(place(moment.timestamp()), row) for moment, row in zip(moments, rows, strict=True)]
    return Succession(bars, marks, _dates(min(moments), max(end, max(moments)), place))


def _bar(reign: Reigned, place: Callable[[float], float], end: datetime) -> Bar:
    x = place(reign.reigned_from.timestamp())
    width = max(2.0, place((reign.reigned_to or end).timestamp()) - x)
    return Bar(x, width, reign, width >= ROOM)


def _moment(row: Decided, lane: str) -> datetime:
    return row.created_at if lane == LIVE else datetime.combine(row.as_of, time(), tzinfo=UTC)


def metric(rows: Sequence[Decided]) -> Metric | None:
    """The judged metric of champion and challenger for every decision that measured one; None where none did."""
    measured = [row for row in rows if row.challenger_metric is not None]
    if not measured:
        return None
    rows_of = [r for r in measured if r.metric == measured[-1].metric]
    known = [v for r in rows_of for v in _values(r) if v is not None]
    y, values = _vertical(known)
    x = _scale(-0.5, len(rows_of) - 0.5, LEFT, WIDTH - RIGHT)
    theirs = [
        _point(x(n) - APART, y, r.champion_metric, r.champion_lower, r.champion_upper, r) for n, r in enumerate(rows_of)
    ]
    own = [
        _point(x(n) + APART, y, r.challenger_metric, r.challenger_lower, r.challenger_upper, r)
        for n, r in enumerate(rows_of)
    ]
    months = [Tick(x(n), f"{r.as_of:%Y-%m}") for n, r in enumerate(rows_of)]
    return Metric(theirs, own, _reigning(theirs), _few(months), values)


def _values(row: Decided) -> Iterable[float | None]:
    yield from (row.champion_metric, row.champion_lower, row.champion_upper)
    yield from (row.challenger_metric, row.challenger_lower, row.challenger_upper)


def _point(
    x: float, y: Callable[[float], float], value: float | None, low: float | None, high: float | None, row: Decided
) -> Point:
    at = [None if v is None else y(v) for v in (value, low, high)]
    return Point(round(x, 1), *at, row)


def _reigning(points: Sequence[Point]) -> list[str]:
    """One line for each stretch of months that were judged against the same version."""
    lines: list[list[Point]] = []
    for point in points:
        if point.y is None:
            continue
        if lines and lines[-1][-1].decision.judged_against == point.decision.judged_against:
            lines[-1].append(point)
        else:
            lines.append([point])
    return [_path((p.x, p.y) for p in line) for line in lines if len(line) > 1]


def walk(months: Sequence[Month]) -> Walk | None:
    """Each policy's metric over the months of a backtest; None where nothing was measured."""
    known = [v for _, figures, _ in months for v in figures.values()]
    if not known:
        return None
    y, values = _vertical(known)
    x = _scale(-0.5, len(months) - 0.5, LEFT, WIDTH - RIGHT)
    names = dict.fromkeys(name for _, figures, _ in months for name in figures)
    lines = {
        name: _broken([(x(n), figures.get(name)) for n, (_, figures, _) in enumerate(months)], y) for name in names
    }
    gates = [gate for _, _, gate in months]
    changes = [round(x(n), 1) for n in range(1, len(gates)) if gates[n] not in (None, gates[n - 1]) and gates[n - 1]]
    return Walk(lines, changes, _few([Tick(x(n), f"{day:%Y-%m}") for n, (day, _, _) in enumerate(months)]), values)


def _broken(points: Sequence[tuple[float, float | None]], y: Callable[[float], float]) -> list[str]:
    """A line through the points, broken where there is none."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            parts.append([])
        else:
            parts[-1].append((x, y(value)))
    return [_path(part) for part in parts if part]


def _path(points: Iterable[tuple[float, float | None]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """What places a value between `start` and `end`; in the middle where there is but one value."""
    if high <= low:
        return lambda _: (start + end) / 2
    return lambda value: round(start + (value - low) / (high - low) * (end - start), 1)


def _vertical(known: Sequence[float]) -> tuple[Callable[[float], float], list[Tick]]:
    steps = _steps(min(known), max(known))
    low, high = min(steps[0], min(known)), max(steps[-1], max(known))
    y = _scale(low, high, HEIGHT - BOTTOM, TOP)
    places = max(0, -math.floor(math.log10(steps[1] - steps[0]) + 1e-9))
    return y, [Tick(y(step), f"{step:,.{places}f}") for step in steps]


def _steps(low: float, high: float, most: int = 5) -> list[float]:
    """Round values that cover a range, two at the least."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span / most))
    step = next(size * k for k in (1, 2, 5, 10, 20) if span / (size * k) <= most)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [n * step for n in range(first, last + 1)]


def _few(ticks: Sequence[Tick]) -> list[Tick]:
    every = max(1, math.ceil(len(ticks) / LABELS))
    return list(ticks[::every])


def _dates(start: datetime, end: datetime, place: Callable[[float], float]) -> list[Tick]:
    """The first of every so many months; where there are too few of these, days at even distances."""
    months = [
        datetime(start.year + (start.month + n) // 12, (start.month + n) % 12 + 1, 1, tzinfo=UTC)
        for n in range(-1, 12 * (end.year - start.year) + end.month - start.month)
    ]
    near = start - timedelta(days=2)
    firsts = [Tick(max(LEFT, place(m.timestamp())), f"{m:%Y-%m}") for m in months if near <= m <= end]
    if len(firsts) > 2:
        return _few(firsts)
    if end - start < timedelta(days=2):
        moments = [start + (end - start) * n / 3 for n in range(4 if end > start else 1)]
        return [Tick(place(m.timestamp()), f"{m:%m-%d %H:%M}") for m in moments]
    days = dict.fromkeys(f"{start + (end - start) * n / (LABELS - 1):%Y-%m-%d}" for n in range(LABELS))
    return [Tick(place(max(start, datetime.fromisoformat(f"{day}T00:00Z")).timestamp()), day) for day in days]
