"""Means of outcomes with their intervals, where rows may be weighted or clustered.

Without weights and clusters their variances are the usual ones. `p` are predictions, shape (n,).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from titleholder.validation.metrics.inputs import Array, Interval, Sample, degrees_of_freedom, student
from titleholder.validation.metrics.linearised import Linearised, variance

Mask = NDArray[np.bool_]


def difference_of_means(sample: Sample, of: Mask, minus: Mask, confidence: float) -> Interval:
    """Mean outcome of the rows `of` minus that of the rows `minus`, two or more each; a row may be in one of them only.

    Source: Welch (1947), The generalization of Student's problem, Biometrika 34 (degrees of freedom).
    """
    y, w, clusters = sample.y, weights_of(sample), sample.clusters
    influences = [
        np.where(rows, w * (y - np.average(y[rows], weights=w[rows])), 0.0) / w[rows].sum() for rows in (of, minus)
    ]
    estimate = float(np.average(y[of], weights=w[of]) - np.average(y[minus], weights=w[minus]))
    if clusters is not None:
        total, freedom = variance((influences[0] - influences[1])[of | minus], clusters[of | minus])
        return student(estimate, math.sqrt(total), freedom, confidence)
    parts = [variance(influence[rows]) for influence, rows in zip(influences, (of, minus), strict=True)]
    total = sum(v for v, _ in parts)
    weighed = sum(v**2 / n for v, n in parts)
    return student(estimate, math.sqrt(total), total**2 / weighed if weighed else np.inf, confidence)


def ratio_of_means(sample: Sample, p: Array) -> Linearised:
    """Mean outcome over mean prediction; NaN where the mean prediction is zero.

    Source: Cochran (1977), Sampling Techniques, section 6.3 (the variance of a ratio).
    """
    w, freedom = weights_of(sample), degrees_of_freedom(sample, classes=False)
    expected = float(w @ p)
    if expected == 0:
        return Linearised(np.nan, np.zeros(len(p)), freedom, sample.clusters)
    ratio = float(w @ sample.y) / expected
    return Linearised(ratio, w * (sample.y - ratio * p) / expected, freedom, sample.clusters)


def slope(sample: Sample, p: Array) -> Linearised:
    """Slope of the outcomes on the predictions by least squares; 1 where they are as wide as they should be.

    NaN where all predictions are the same.

    Source: Mincer & Zarnowitz (1969), The evaluation of economic forecasts; robust to unequal variance.
    """
    y, w, freedom = sample.y, weights_of(sample), degrees_of_freedom(sample, classes=False)
    x, z = p - np.average(p, weights=w), y - np.average(y, weights=w)
    spread = (w * x**2).sum()
    if spread == 0:
        return Linearised(np.nan, np.zeros(len(p)), freedom, sample.clusters)
    estimate = float((w * x * z).sum() / spread)
    return Linearised(estimate, w * x * (z - estimate * x) / spread, freedom, sample.clusters)


def weights_of(sample: Sample) -> Array:
    """The weights; ones where there are none."""
    return np.ones(len(sample.y)) if sample.weights is None else sample.weights
