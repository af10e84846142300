"""Estimates that know by how much each row moved them, from which their errors and those of their differences follow.

Every variance is that of the linearised statistic, with the influences of a cluster's rows added up first: Binder
(1983), On the variances of asymptotically normal estimators from complex surveys, Int. Stat. Rev. 51(3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from titleholder.validation.metrics.inputs import Array, Interval, Labels, cluster_codes, student


@dataclass(frozen=True, eq=False)
class Linearised:
    """An estimate, by how much each of n rows moved it, and the degrees of freedom of Student's t for its error.

    The influences, shape (n,), add up to zero. `clusters` says which rows belong together, shape (n,).

    >>> Linearised(2.0, np.array([0.3, -0.3]), freedom=1).log().influence
    array([ 0.15, -0.15])
    """

    estimate: float
    influence: Array
    freedom: float
    clusters: Labels | None = None

    @property
    def error(self) -> float:
        """The standard error; infinite with fewer than two rows, or clusters."""
        return math.sqrt(variance(self.influence, self.clusters)[0])

    def interval(self, confidence: float) -> Interval:
        """The estimate with bounds by Student's t; infinite ones where there is no estimate."""
        return student(self.estimate, self.error, self.freedom, confidence)

    def log(self) -> Linearised:
        """The logarithm of a positive estimate, by the delta method."""
        return replace(self, estimate=math.log(self.estimate), influence=self.influence / self.estimate)

    def times(self, factor: float) -> Linearised:
        """The estimate times a number."""
        return replace(self, estimate=factor * self.estimate, influence=factor * self.influence)

    def plus(self, other: Linearised) -> Linearised:
        """The sum of this estimate and another one from the same rows."""
        return replace(self, estimate=self.estimate + other.estimate, influence=self.influence + other.influence)


def covariance(influences: Array, clusters: Labels | None = None) -> Array:
    """Covariance of the sums of k estimates' influences, shape (k, n), each of which adds up to zero; shape (k, k)."""
    codes = None if clusters is None else cluster_codes(clusters)
    sums = influences if codes is None else np.stack([np.bincount(codes, weights=row) for row in influences])
    n = sums.shape[1]
    return np.asarray(sums @ sums.T * n / (n - 1)) if n > 1 else np.full((len(sums),) * 2, np.inf)


def variance(influence: Array, clusters: Labels | None = None) -> tuple[float, float]:
    """Variance of the sum of the influences, which add up to zero, and its degrees of freedom."""
    sums = influence if clusters is None else np.bincount(cluster_codes(clusters), weights=influence)
    n = len(sums)
    return (float((sums**2).sum()) * n / (n - 1), n - 1) if n > 1 else (math.inf, 1)


def further_from_one(one: Linearised, other: Linearised, confidence: float) -> Interval:
    """How much further from 1 the first estimate is than the second, |log one| - |log other|, from the same rows.

    The bounds are those of a pair: what moves both estimates alike hardly moves the difference. The sign of log other
    may be uncertain, so the difference is the smaller of the two that it may be, and each bound the smaller of theirs.
    An estimate that is not above 0 is infinitely far from 1; two of these are equally far.

    Source: Berger (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics 24(4), for the lower
    bound (intersection-union test).
    """
    if one.estimate <= 0 or other.estimate <= 0:
        further = math.inf if other.estimate > 0 else 0.0 if one.estimate <= 0 else -math.inf
        return Interval(further, further, further)
    away = one.log()
    away = away.times(math.copysign(1.0, away.estimate))
    both = [away.plus(other.log().times(sign)).interval(confidence) for sign in (-1.0, 1.0)]
    return Interval(*(min(pair) for pair in zip(*(found.values for found in both), strict=True)))
