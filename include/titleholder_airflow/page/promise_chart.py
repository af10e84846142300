"""What a champion promised, against what was estimated and what came true, by cohort (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from titleholder.formatting import date_labels
from titleholder.validation.monitoring.report import Promise, RealisedCohort, Span
from titleholder_airflow.page.axes import LEFT, RIGHT, WIDTH, Tick, few, scale, vertical
from titleholder_airflow.page.drift_charts import finite

HEIGHT, TOP, BOTTOM = 240.0, 14.0, 34.0
MOST, OFFSET = 120, 3.0
"""The newest cohorts that are drawn, and half the distance between the two points of one."""


class CohortPoint(NamedTuple):
    """A value of a cohort with its interval, whose ends are None where they are not known."""

    x: float
    y: float
    lower: float | None
    upper: float | None
    span: Span
    cohort: RealisedCohort


class PromiseChart(NamedTuple):
    """The promise as a line with its interval as a band (top and height), and points by cohort."""

    promised: float
    band: tuple[float, float] | None
    realised: list[CohortPoint]
    estimated: list[CohortPoint]
    line: str
    days: list[Tick]
    values: list[Tick]


def promise_chart(promise: Promise, cohorts: Sequence[RealisedCohort]) -> PromiseChart | None:
    """The chart; None before the first cohort, or where the promise is no number."""
    shown = [c for c in cohorts if finite(c.realised.estimate) is not None][-MOST:]
    promised = finite(promise.promised.estimate)
    if not shown or promised is None:
        return None
    spans = [promise.promised, *(c.realised for c in shown), *(c.estimated for c in shown if c.estimated)]
    known = [v for s in spans for v in (finite(s.estimate), finite(s.lower), finite(s.upper)) if v is not None]
    y, values = vertical(known, TOP, HEIGHT - BOTTOM)
    x = scale(-0.5, len(shown) - 0.5, LEFT, WIDTH - RIGHT)

    def point(n: int, span: Span, shift: float) -> CohortPoint:
        low, high = (None if end is None else y(end) for end in (finite(span.lower), finite(span.upper)))
        return CohortPoint(round(x(n) + shift, 1), y(span.estimate), low, high, span, shown[n])

    low, high = finite(promise.promised.lower), finite(promise.promised.upper)
    realised = [point(n, c.realised, -OFFSET) for n, c in enumerate(shown)]
    return PromiseChart(
        y(promised),
        None if low is None or high is None else (y(high), round(max(0.0, y(low) - y(high)), 1)),
        realised,
        [
            point(n, c.estimated, OFFSET)
            for n, c in enumerate(shown)
            if c.estimated and finite(c.estimated.estimate) is not None
        ],
        " ".join(f"{p.x:.1f},{p.y:.1f}" for p in realised),
        few([Tick(x(n), label) for n, label in enumerate(date_labels([c.start for c in shown]))]),
        values,
    )
