"""Two groups' event rates compared; events and rows are counts, or sums of weights taken for counts."""

from __future__ import annotations

import math

from scipy import stats

from titleholder.validation.metrics.inputs import Interval


def difference_of_rates(
    events_a: float, rows_a: float, events_b: float, rows_b: float, *, confidence: float
) -> Interval:
    """Rate a minus rate b; NaN between -1 and 1 where a group has no rows.

    Source: Newcombe (1998), Interval estimation for the difference between independent proportions: comparison of
    eleven methods, Statistics in Medicine 17(8), method 10: the hybrid of two Wilson score intervals.
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

    Where a group has no event, or neither has anything else, half a row is added to each of the four counts for the
    bounds (Haldane, Anscombe); a bound that is 0 or inf by itself stays so. Without rows or events at all: 0 to inf.

    Source: Katz, Baptista, Azen & Pike (1978), Obtaining confidence intervals for the risk ratio in cohort studies,
    Biometrics 34(3): the logarithm's normal interval.
    """
    if not rows_a or not rows_b or not (events_a or events_b):
        return Interval(math.nan, 0.0, math.inf)
    estimate = (events_a / rows_a) / (events_b / rows_b) if events_b else math.inf
    extreme = not events_a or not events_b or (events_a == rows_a and events_b == rows_b)
    half = 0.5 if extreme else 0.0
    a, n, b, m = events_a + half, rows_a + 2 * half, events_b + half, rows_b + 2 * half
    middle = math.log((a / n) / (b / m))
    reach = float(stats.norm.ppf(0.5 + confidence / 2)) * math.sqrt(1 / a - 1 / n + 1 / b - 1 / m)
    lower = math.exp(middle - reach) if events_a else 0.0
    return Interval(estimate, lower, math.exp(middle + reach) if events_b else math.inf)
