"""Means of outcomes with their intervals, where rows may be weighted or clustered.

Every variance is that of the linearised statistic, with the influences of a cluster's rows added up first: Binder
(1983), On the variances of asymptotically normal estimators from complex surveys, Int. Stat. Rev. 51(3). Without
weights and clusters these are the usual ones. `p` are predictions, shape (n,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from titleholder.validation.metrics.inputs import Array, Interval, Labels, Sample

Mask = NDArray[np.bool_]


def difference_of_means(sample: Sample, of: Mask, minus: Mask, confidence: float) -> Interval:
    """Mean outcome of the rows `of` minus that of the rows `minus`, two or more each; a row may be in one of them only.

    Source: Welch (1947), The generalization of Student's problem, Biometrika 34 (degrees of freedom).
    """
    y, w, clusters = sample.y, _weights(sample), sample.clusters
    influences = [
        np.where(rows, w * (y - np.average(y[rows], weights=w[rows])), 0.0) / w[rows].sum() for rows in (of, minus)
    ]
    estimate = float(np.average(y[of], weights=w[of]) - np.average(y[minus], weights=w[minus]))
    if clusters is not None:
        variance, freedom = _variance((influences[0] - influences[1])[of | minus], clusters[of | minus])
        return _interval(estimate, variance, freedom, confidence)
    parts = [_variance(influence[rows]) for influence, rows in zip(influences, (of, minus), strict=True)]
    variance = sum(v for v, _ in parts)
    weighed = sum(v**2 / n for v, n in parts)
    return _interval(estimate, variance, variance**2 / weighed if weighed else np.inf, confidence)


def ratio_of_means(sample: Sample, p: Array, confidence: float) -> Interval:
    """Mean outcome over mean prediction, the predictions taken as given: 1 + mean(y - p) / mean(p).

    NaN where the mean prediction is zero.
    """
    w, residual = _weights(sample), sample.y - p
    expected, excess = np.average(p, weights=w), np.average(residual, weights=w)
    if expected == 0:
        return Interval(np.nan, -np.inf, np.inf)
    influence = w * (residual - excess) / w.sum() / expected
    return _interval(float(1 + excess / expected), *_variance(influence, sample.clusters), confidence)


def slope(sample: Sample, p: Array, confidence: float) -> Interval:
    """Slope of the outcomes on the predictions by least squares; 1 where they are as wide as they should be.

    NaN where all predictions are the same.

    Source: Mincer & Zarnowitz (1969), The evaluation of economic forecasts; robust to unequal variance.
    """
    y, w = sample.y, _weights(sample)
    x, z = p - np.average(p, weights=w), y - np.average(y, weights=w)
    spread = (w * x**2).sum()
    if spread == 0:
        return Interval(np.nan, -np.inf, np.inf)
    estimate = float((w * x * z).sum() / spread)
    return _interval(estimate, *_variance(w * x * (z - estimate * x) / spread, sample.clusters), confidence)


def _weights(sample: Sample) -> Array:
    return np.ones(len(sample.y)) if sample.weights is None else sample.weights


def _variance(influence: Array, clusters: Labels | None = None) -> tuple[float, float]:
    """Variance of the sum of the influences, which add up to zero, and its degrees of freedom."""
    codes = np.arange(len(influence)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    sums = np.bincount(codes, weights=influence)
    n = len(sums)
    return (float((sums**2).sum()) * n / (n - 1), n - 1) if n > 1 else (np.inf, 1)


def _interval(estimate: float, variance: float, freedom: float, confidence: float) -> Interval:
    reach = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * float(np.sqrt(variance))
    return Interval(estimate, estimate - reach, estimate + reach)
