"""Means of outcomes and how sure one can be of them, where rows may be weighted or clustered.

Every variance is that of the linearised statistic, with the pulls of a cluster's rows added up first: Binder (1983), On
the variances of asymptotically normal estimators from complex surveys, Int. Stat. Rev. 51(3). Without weights and
clusters these are the usual ones. `y`, `p` and `weights` are float arrays of shape (n,), `clusters` integers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from titleholder.validation.evidence import Array
from titleholder.validation.metrics import Interval

Clusters = NDArray[np.intp]
Mask = NDArray[np.bool_]


def mean(y: Array, weights: Array | None = None) -> float:
    """The mean outcome of one row or more."""
    return float(np.average(y, weights=weights))


def difference_of_means(
    y: Array, of: Mask, minus: Mask, *, confidence: float, weights: Array | None, clusters: Clusters | None
) -> Interval:
    """Mean outcome of the rows `of` minus that of the rows `minus`, two or more each; a row may be in one of them only.

    Source: Welch (1947), The generalization of Student's problem, Biometrika 34 (degrees of freedom).
    """
    w = _weights(y, weights)
    pulls = [
        np.where(rows, w * (y - np.average(y[rows], weights=w[rows])), 0.0) / w[rows].sum() for rows in (of, minus)
    ]
    estimate = float(np.average(y[of], weights=w[of]) - np.average(y[minus], weights=w[minus]))
    if clusters is not None:
        variance, freedom = _variance((pulls[0] - pulls[1])[of | minus], clusters[of | minus])
        return _interval(estimate, variance, freedom, confidence)
    parts = [_variance(pull[rows]) for pull, rows in zip(pulls, (of, minus), strict=True)]
    variance = sum(v for v, _ in parts)
    weighed = sum(v**2 / n for v, n in parts)
    return _interval(estimate, variance, variance**2 / weighed if weighed else np.inf, confidence)


def ratio_of_means(
    y: Array, p: Array, *, confidence: float, weights: Array | None, clusters: Clusters | None
) -> Interval:
    """Mean outcome over mean prediction, the predictions taken as given: 1 + mean(y - p) / mean(p).

    NaN where the mean prediction is nought.
    """
    w, residual = _weights(y, weights), y - p
    expected, excess = np.average(p, weights=w), np.average(residual, weights=w)
    if expected == 0:
        return Interval(np.nan, -np.inf, np.inf)
    pull = w * (residual - excess) / w.sum() / expected
    return _interval(float(1 + excess / expected), *_variance(pull, clusters), confidence)


def slope(y: Array, p: Array, *, confidence: float, weights: Array | None, clusters: Clusters | None) -> Interval:
    """Slope of the outcomes on the predictions by least squares; 1 where they are as wide as they should be.

    NaN where all predictions are the same.

    Source: Mincer & Zarnowitz (1969), The evaluation of economic forecasts; robust to unequal variance.
    """
    w = _weights(y, weights)
    x, z = p - np.average(p, weights=w), y - np.average(y, weights=w)
    spread = (w * x**2).sum()
    if spread == 0:
        return Interval(np.nan, -np.inf, np.inf)
    estimate = float((w * x * z).sum() / spread)
    return _interval(estimate, *_variance(w * x * (z - estimate * x) / spread, clusters), confidence)


def _weights(y: Array, weights: Array | None) -> Array:
    return np.ones(len(y)) if weights is None else weights


def _variance(pulls: Array, clusters: Clusters | None = None) -> tuple[float, float]:
    """Variance of the sum of the pulls, which add up to zero, and its degrees of freedom."""
    codes = np.arange(len(pulls)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    sums = np.bincount(codes, weights=pulls)
    n = len(sums)
    return (float((sums**2).sum()) * n / (n - 1), n - 1) if n > 1 else (np.inf, 1)


def _interval(estimate: float, variance: float, freedom: float, confidence: float) -> Interval:
    reach = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * float(np.sqrt(variance))
    return Interval(estimate, estimate - reach, estimate + reach)
