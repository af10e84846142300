"""Coordinates of the line of succession and of the judged metric: plain numbers that templates write as SVG (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, time
from typing import NamedTuple

from titleholder.formatting import date_labels
from titleholder.ledger.queries import DecisionRecord, ReignRecord
from titleholder.spec.types import LIVE
from titleholder_airflow.page.axes import LEFT, RIGHT, WIDTH, Tick, dates, few, scale, vertical

LABEL_WIDTH = 46.0
"""A narrower bar has no label."""
OFFSET = 3.0
"""Half the distance between the two models' points of one as-of date."""


class Bar(NamedTuple):
    """A reign as a bar, and whether it is wide enough for a label."""

    x: float
    width: float
    reign: ReignRecord
    labelled: bool


class Mark(NamedTuple):
    """A decision and its position in time."""

    x: float
    decision: DecisionRecord


class Succession(NamedTuple):
    """The line of succession over time."""

    bars: list[Bar]
    marks: list[Mark]
    ticks: list[Tick]


class Point(NamedTuple):
    """A metric with its interval: y is None where nothing was measured, the bounds are None without an interval."""

    x: float
    y: float | None
    lower: float | None
    upper: float | None
    decision: DecisionRecord


class Metric(NamedTuple):
    """A metric by as-of date: the points of champions and challengers, and one line for each champion's dates."""

    champions: list[Point]
    challengers: list[Point]
    lines: list[str]
    days: list[Tick]
    values: list[Tick]


def succession(reigns: Sequence[ReignRecord], rows: Sequence[DecisionRecord], lane: str, until: datetime) -> Succession:
    """Reigns as bars and decisions as marks: by when they were written in the lane live, elsewhere by as-of date."""
    moments = [_moment(row, lane) for row in rows]
    if not moments:
        return Succession([], [], [])
    end = until if lane == LIVE else max(moments)
    position = scale(min(moments).timestamp(), max(end, max(moments)).timestamp(), LEFT, WIDTH - RIGHT)
    bars = [_bar(reign, position, end) for reign in reigns]
    marks = [Mark(position(moment.timestamp()), row) for moment, row in zip(moments, rows, strict=True)]
    return Succession(bars, marks, dates(min(moments), max(end, max(moments)), position))


def _bar(reign: ReignRecord, position: Callable[[float], float], end: datetime) -> Bar:
    x = position(reign.reigned_from.timestamp())
    width = max(2.0, position((reign.reigned_to or end).timestamp()) - x)
    return Bar(x, width, reign, width >= LABEL_WIDTH)


def _moment(row: DecisionRecord, lane: str) -> datetime:
    return row.created_at if lane == LIVE else datetime.combine(row.as_of, time(), tzinfo=UTC)


def metric(rows: Sequence[DecisionRecord]) -> Metric | None:
    """The judged metric of champion and challenger for every decision that has one; None where none has.

    Decisions under another metric than the newest are left out.
    """
    measured = [row for row in rows if row.challenger_metric is not None]
    if not measured:
        return None
    rows_of = [r for r in measured if r.metric == measured[-1].metric]
    known = [v for r in rows_of for v in _values(r) if v is not None]
    y, values = vertical(known)
    x = scale(-0.5, len(rows_of) - 0.5, LEFT, WIDTH - RIGHT)
    champions = [
        _point(x(n) - OFFSET, y, r.champion_metric, r.champion_lower, r.champion_upper, r)
        for n, r in enumerate(rows_of)
    ]
    challengers = [
        _point(x(n) + OFFSET, y, r.challenger_metric, r.challenger_lower, r.challenger_upper, r)
        for n, r in enumerate(rows_of)
    ]
    days = [Tick(x(n), label) for n, label in enumerate(date_labels([r.as_of for r in rows_of]))]
    return Metric(champions, challengers, _lines(champions), few(days), values)


def _values(row: DecisionRecord) -> Iterable[float | None]:
    yield from (row.champion_metric, row.champion_lower, row.champion_upper)
    yield from (row.challenger_metric, row.challenger_lower, row.challenger_upper)


def _point(
    x: float,
    y: Callable[[float], float],
    value: float | None,
    low: float | None,
    high: float | None,
    row: DecisionRecord,
) -> Point:
    at, bottom, top = (None if v is None else y(v) for v in (value, low, high))
    return Point(round(x, 1), at, bottom, top, row)


def _lines(points: Sequence[Point]) -> list[str]:
    """One line for each stretch of as-of dates that were judged against the same version."""
    lines: list[list[Point]] = []
    for point in points:
        if point.y is None:
            continue
        if lines and lines[-1][-1].decision.judged_against == point.decision.judged_against:
            lines[-1].append(point)
        else:
            lines.append([point])
    return [_path((p.x, p.y) for p in line) for line in lines if len(line) > 1]


def _path(points: Iterable[tuple[float, float | None]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
