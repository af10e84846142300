"""Two groups' rates compared."""

from __future__ import annotations

import math

from scipy import stats

from titleholder.metrics.inputs import Interval


def difference_of_rates(
    events_a: float, rows_a: float, events_b: float, rows_b: float, *, confidence: float
) -> Interval:
    """Rate a minus rate b.

    Source: Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17, method 10: the hybrid of two Wilson score intervals.
    """
    if not rows_a or not rows_b:
        return Interval(math.nan, -1.0, 1.0)
    a, a_low, a_high = _wilson(events_a, rows_a, confidence)
    b, b_low, b_high = _wilson(events_b, rows_b, confidence)
    below = math.sqrt((a - a_low) ** 2 + (b_high - b) ** 2)
    above = math.sqrt((a_high - a) ** 2 + (b - b_low) ** 2)
    return Interval(a - b, a - b - below, a - b + above)


def _wilson(events: float, rows: float, confidence: float) -> tuple[float, float, float]:
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    rate = events / rows
    middle = (events + z**2 / 2) / (rows + z**2)
    reach = z / (rows + z**2) * math.sqrt(events * (1 - rate) + z**2 / 4)
    return rate, max(middle - reach, 0.0), min(middle + reach, 1.0)


def ratio_of_rates(events_a: float, rows_a: float, events_b: float, rows_b: float, *, confidence: float) -> Interval:
    """Rate a over rate b.

    Source: Katz, Baptista, Azen & Pike (1978), Obtaining confidence intervals for the risk ratio in cohort studies,
    Biometrics 34(3): the logarithm's normal interval; half an event is added to each group where one has none.
    """
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    if not rows_a or not rows_b or (not events_a and not events_b):
        return Interval(math.nan, 0.0, math.inf)
    estimate = math.inf if not events_b else (events_a / rows_a) / (events_b / rows_b)
    degenerate = not events_a or not events_b or (events_a == rows_a and events_b == rows_b)
    extra = 0.5 if degenerate else 0.0
    ea, na, eb, nb = events_a + extra, rows_a + extra, events_b + extra, rows_b + extra
    centre = math.log((ea / na) / (eb / nb))
    reach = z * math.sqrt(1 / ea - 1 / na + 1 / eb - 1 / nb)
    lower = 0.0 if not events_a else math.exp(centre - reach)
    upper = math.inf if not events_b else math.exp(centre + reach)
    return Interval(estimate, lower, upper)
