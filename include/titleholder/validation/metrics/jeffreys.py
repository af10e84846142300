"""An event rate judged by Jeffreys' posterior distribution, and many p-values at once by Holm's.

Sources: Brown, Cai & DasGupta (2001), Interval estimation for a binomial proportion, Statistical Science 16(2), for the
interval; European Central Bank (2019), Instructions for reporting the validation results of internal models, section
2.5.3, for the test; Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of
Statistics 6(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from titleholder.validation.metrics.calibration import effective_units
from titleholder.validation.metrics.inputs import Interval, Sample
from titleholder.validation.metrics.linearised import variance
from titleholder.validation.metrics.means import weights_of


class Rate(NamedTuple):
    """Events among rows that count as independent and equally weighted; neither need be whole.

    Given both, the true rate has Jeffreys' posterior distribution Beta(events + 1/2, rows - events + 1/2).

    >>> rate = Rate(events=2, rows=100)
    >>> rate.interval(0.95).text("+.4f"), round(rate.chance_up_to(0.01), 3)
    ('+0.0200 [+0.0042, +0.0626]', 0.15)
    """

    events: float
    rows: float

    def chance_up_to(self, rate: float) -> float:
        """The posterior probability that the true rate is no higher than this: the p-value of the ECB's Jeffreys test.

        A small one shows that a predicted `rate` is too low.
        """
        return float(special.betainc(self.events + 0.5, self.rows - self.events + 0.5, rate))

    def beyond(self, lowest: float, highest: float) -> float:
        """The two-sided p-value of the hypothesis that the true rate lies between these."""
        return min(1.0, 2 * min(self.chance_up_to(min(highest, 1.0)), 1 - self.chance_up_to(lowest)))

    def interval(self, confidence: float) -> Interval:
        """The rate with its equal-tailed interval; without events the lower bound is 0, without others the upper 1."""
        a, b = self.events + 0.5, self.rows - self.events + 0.5
        lower, upper = special.betaincinv(a, b, [0.5 - confidence / 2, 0.5 + confidence / 2]).tolist()
        estimate = self.events / self.rows if self.rows else np.nan
        return Interval(estimate, lower if self.events > 0 else 0.0, upper if self.events < self.rows else 1.0)


def effective_rates(parts: Sequence[Sample]) -> list[Rate]:
    """Events and rows of each part as they are, or of weighted or clustered rows their effective numbers.

    An effective number of rows is that of independent ones from which a weighted rate would have the variance that it
    has, robust to weights that depend on the outcome and to clusters. One design effect, rows over effective rows, is
    estimated from all parts together: in a part with few events it would be noise, in one without any it is unknown.
    Where no part has a variance it follows from Kish's effective number of all rows, or clusters.

    Source: Korn & Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data, Survey Methodology 24(2), without their factor for the degrees of freedom.
    """
    rows = [len(part.y) for part in parts]
    if all(part.weights is None and part.clusters is None for part in parts):
        return [Rate(float(part.y.sum()), float(n)) for part, n in zip(parts, rows, strict=True)]
    rates = [float(np.average(part.y, weights=weights_of(part))) for part in parts]
    effect = _design_effect(parts, rates)
    return [Rate(rate * n / effect, n / effect) for rate, n in zip(rates, rows, strict=True)]


def _design_effect(parts: Sequence[Sample], rates: Sequence[float]) -> float:
    """How many times the variance of independent, equally weighted rows these have, on average over the parts."""
    found = independent = 0.0
    for part, rate in zip(parts, rates, strict=True):
        w, n = weights_of(part), len(part.y)
        squared_error = variance(w * (part.y - rate) / w.sum(), part.clusters)[0]
        if np.isfinite(squared_error):
            found += n**2 * squared_error
            independent += n * rate * (1 - rate)
    if found and independent:
        return found / independent
    return sum(len(part.y) for part in parts) / sum(effective_units(part) for part in parts)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in the same order, so that any is below 0.05 with a chance of 5 %."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1.0)
    return adjusted.tolist()
