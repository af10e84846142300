"""Whether predicted quantiles are as high as they should be: outcomes beyond them, against as many as there should be.

Outcomes and predictions have shape (n,). A quantile is right when the share of outcomes below it is no more, and that
of outcomes at or below it no less, than its level: where outcomes equal their prediction, no more of them count as
beyond it than make it right.

Sources: Kupiec (1995), Techniques for verifying the accuracy of risk measurement models, Journal of Derivatives 3(2):
the number of outcomes beyond a predicted quantile is binomial; Brown, Cai & DasGupta (2001), Interval estimation for a
binomial proportion, Statistical Science 16(2), for Jeffreys' interval.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from titleholder.validation.metrics.inputs import Array, Interval, Sample
from titleholder.validation.metrics.jeffreys import effective_rates
from titleholder.validation.metrics.linearised import Linearised
from titleholder.validation.metrics.means import ratio_of_means, weights_of


class Beyond(NamedTuple):
    """Outcomes on the rarer side of predicted quantiles: above them, or for a level below one half below them.

    >>> found = Beyond.of(Sample(np.array([1.0, 2.0, 3.0, 9.0])), np.full(4, 4.0), quantile=0.9)
    >>> found.rows, round(found.ratio.estimate, 3), found.coverage(0.95).text(".2f")
    (1.0, 2.5, '0.75 [0.28, 0.97]')
    """

    sample: Sample
    """1 for an outcome beyond its prediction, 0 for another one; between these where they are equal."""
    quantile: float

    @classmethod
    def of(cls, sample: Sample, p: Array, quantile: float) -> Beyond:
        """Those of the outcomes of a sample, one row or more, beyond the predictions `p`."""
        w, level = weights_of(sample), min(quantile, 1 - quantile)
        strictly = (sample.y > p if quantile >= 0.5 else sample.y < p).astype(np.float64)
        equal = (sample.y == p).astype(np.float64)
        ties = float(w @ equal)
        lacking = level * float(w.sum()) - float(w @ strictly)
        share = min(max(lacking / ties, 0.0), 1.0) if ties else 0.0
        return cls(replace(sample, y=strictly + share * equal), quantile)

    @property
    def expected(self) -> float:
        """The share of outcomes that should lie beyond."""
        return min(self.quantile, 1 - self.quantile)

    @property
    def rows(self) -> float:
        """The number of outcomes that lie beyond."""
        return float(self.sample.y.sum())

    @property
    def ratio(self) -> Linearised:
        """Their share over the expected one; what moves it is known row by row."""
        return ratio_of_means(self.sample, np.full(len(self.sample.y), self.expected))

    def interval(self, confidence: float) -> Interval:
        """That ratio with Jeffreys' interval; weighted and clustered rows count for their effective number."""
        found = effective_rates([self.sample])[0].interval(confidence)
        return Interval(*(value / self.expected for value in found.values))

    def coverage(self, confidence: float) -> Interval:
        """The share of outcomes at or below their prediction, which should be the level, with the same interval."""
        beyond = [self.expected * value for value in self.interval(confidence).values]
        if self.quantile < 0.5:
            return Interval(*beyond)
        return Interval(1 - beyond[0], 1 - beyond[2], 1 - beyond[1])
