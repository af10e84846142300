"""What one feature alone says of the outcome."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from titleholder import metrics, training
from titleholder.checks.base import Array, Evidence
from titleholder.checks.groups import as_text


def alone(evidence: Evidence) -> Iterator[tuple[str, Array]]:
    """Each feature with scores of the judged rows made of it alone, shape (n,), higher where outcomes are.

    A number stands for itself, a category for the mean outcome of its training rows (all of them, where it has none):
    without training rows categories are left out. Missing numbers are the lowest, of a regression a value of their own.
    """
    X = training.design_matrix(evidence.frame, evidence.spec)
    for feature in evidence.spec.columns.numeric:
        yield feature, _oriented(evidence, X[feature].to_numpy(dtype=np.float64))
    if evidence.seen is None:
        return
    known = training.design_matrix(evidence.seen.frame, evidence.spec)
    for feature in evidence.spec.columns.categorical:
        yield feature, _oriented(evidence, _rates(evidence, known[feature], X[feature]))


def _rates(evidence: Evidence, known: pd.Series, values: pd.Series) -> Array:
    """The mean outcome of the training rows of each row's category."""
    seen = evidence.seen
    if seen is None:
        raise ValueError("rates of categories need training rows.")
    given = training.weights(seen.frame, evidence.spec)
    w = np.ones(len(seen.y)) if given is None else given
    sums = pd.DataFrame({"value": as_text(known), "w": w, "wy": w * seen.y}).groupby("value").sum()
    overall = sums["wy"].sum() / sums["w"].sum()
    return as_text(values).map(sums["wy"] / sums["w"]).fillna(overall).to_numpy(dtype=np.float64)


def _oriented(evidence: Evidence, x: Array) -> Array:
    """Ranks in the better direction, or the straight line through the outcomes."""
    if not evidence.classification:
        return _line(x, evidence.y, evidence.weights)
    ranks = np.asarray(stats.rankdata(np.where(np.isnan(x), -np.inf, x)) / len(x))
    return ranks if metrics.compute("roc_auc", evidence.y, ranks, weights=evidence.weights) >= 0.5 else 1 - ranks


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
