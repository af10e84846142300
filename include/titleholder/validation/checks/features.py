"""What one feature alone says of the outcome."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from titleholder.data import features
from titleholder.validation.checks.groups import as_text
from titleholder.validation.evidence import Array, Evidence


def alone(evidence: Evidence) -> Iterator[tuple[str, Array]]:
    """Each feature with scores of the judged rows made of it alone, shape (n,).

    A number stands for itself, a category for the mean outcome of its training rows (all of them, where it has none):
    without training rows categories are left out. Missing numbers are the lowest, of a regression a value of their own.
    """
    X = features.design_matrix(evidence.frame, evidence.spec)
    for feature in evidence.spec.columns.numeric:
        yield feature, _scores(evidence, X[feature].to_numpy(dtype=np.float64))
    seen = evidence.training
    if seen is None or not len(seen.y):
        return
    known, weights = features.design_matrix(seen.frame, evidence.spec), features.weights(seen.frame, evidence.spec)
    for feature in evidence.spec.columns.categorical:
        yield feature, _scores(evidence, _rates(known[feature], seen.y, weights, X[feature]))


def _rates(known: pd.Series, y: Array, weights: Array | None, values: pd.Series) -> Array:
    """The mean outcome of the training rows, `known` and `y`, that have each row's category."""
    w = np.ones(len(y)) if weights is None else weights
    sums = pd.DataFrame({"value": as_text(known), "w": w, "wy": w * y}).groupby("value").sum()
    overall = sums["wy"].sum() / sums["w"].sum()
    return as_text(values).map(sums["wy"] / sums["w"]).fillna(overall).to_numpy(dtype=np.float64)


def _scores(evidence: Evidence, x: Array) -> Array:
    """Ranks over their number, or the straight line through the outcomes."""
    if not evidence.classification:
        return _line(x, evidence.y, evidence.weights)
    return np.asarray(stats.rankdata(np.where(np.isnan(x), -np.inf, x)) / len(x))


def _line(x: Array, y: Array, weights: Array | None) -> Array:
    """Least squares of `y` on `x`, with a mean of its own where `x` is not a finite number.

    The share of variance that it explains is the squared correlation where all are.
    """
    w = np.ones(len(y)) if weights is None else weights
    fitted, known = np.empty(len(y)), np.isfinite(x)
    for rows in (known, ~known):
        if rows.any():
            fitted[rows] = np.average(y[rows], weights=w[rows])
    if known.any() and np.ptp(x[known]) > 0:
        centred = x[known] - np.average(x[known], weights=w[known])
        fitted[known] += centred * (w[known] * centred * y[known]).sum() / (w[known] * centred**2).sum()
    return fitted
