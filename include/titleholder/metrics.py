"""Metrics, and how sure one can be that one model's is better than another's on the same rows.

Names and directions stand in `titleholder.spec.METRICS`. `y` are outcomes, `p` scores: the probability of class 1 for
classification, the predicted value for regression; one-dimensional float arrays of equal length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as sk

from titleholder.spec import METRICS

Array = NDArray[np.float64]


def _ks(y: Array, p: Array) -> float:
    """Kolmogorov-Smirnov distance between the score distributions of the two classes, in [0, 1]."""
    return float(stats.ks_2samp(p[y == 1], p[y == 0], method="asymp").statistic)


FUNCTIONS: dict[str, Callable[[Array, Array], float]] = {
    "roc_auc": lambda y, p: float(sk.roc_auc_score(y, p)),
    "gini": lambda y, p: 2 * float(sk.roc_auc_score(y, p)) - 1,
    "ks": _ks,
    "pr_auc": lambda y, p: float(sk.average_precision_score(y, p)),
    "brier": lambda y, p: float(sk.brier_score_loss(y, p)),
    "log_loss": lambda y, p: float(sk.log_loss(y, p, labels=[0, 1])),
    "rmse": lambda y, p: float(sk.root_mean_squared_error(y, p)),
    "mae": lambda y, p: float(sk.mean_absolute_error(y, p)),
    "r2": lambda y, p: float(sk.r2_score(y, p)),
}


def compute(name: str, y: Array, p: Array) -> float:
    """One metric of one model. Raises ValueError when scores are not finite."""
    _refuse_bad_scores(p)
    return FUNCTIONS[name](y, p)


def compute_all(task: str, y: Array, p: Array) -> dict[str, float]:
    """Every metric of the task, in the catalogue's order."""
    return {name: compute(name, y, p) for name, info in METRICS.items() if info.task == task}


class Gain(NamedTuple):
    """Challenger minus champion, oriented so that more is better, with a two-sided confidence interval."""

    estimate: float
    lower: float
    upper: float
    method: str


def gain(
    name: str, y: Array, challenger: Array, champion: Array, *, confidence: float, resamples: int, seed: int
) -> Gain:
    """How much better the challenger is on these rows, and within which bounds.

    ROC AUC and Gini use DeLong's paired variance; every other metric a paired bootstrap, stratified by class.

    Raises:
        ValueError: when scores are not finite or the lengths differ.
    """
    if not len(y) == len(challenger) == len(champion):
        raise ValueError(f"unequal lengths: {len(y)} outcomes, {len(challenger)} and {len(champion)} scores")
    _refuse_bad_scores(challenger)
    _refuse_bad_scores(champion)
    if name in ("roc_auc", "gini"):
        scale = 2.0 if name == "gini" else 1.0
        auc, covariance = delong(y, np.vstack([challenger, champion]))
        difference = scale * (auc[0] - auc[1])
        known = np.isfinite(covariance).all()
        variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1] if known else np.inf
        deviation = scale * np.sqrt(max(variance, 0.0))
        reach = stats.norm.ppf(0.5 + confidence / 2) * deviation
        return Gain(float(difference), float(difference - reach), float(difference + reach), "DeLong")
    sign = 1.0 if METRICS[name].greater_is_better else -1.0
    draws = sign * paired_bootstrap(
        FUNCTIONS[name],
        y,
        challenger,
        champion,
        resamples=resamples,
        seed=seed,
        stratify=METRICS[name].task == "classification",
    )
    estimate = sign * (FUNCTIONS[name](y, challenger) - FUNCTIONS[name](y, champion))
    lower, upper = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Gain(float(estimate), float(lower), float(upper), "paired bootstrap")


def delong(y: Array, scores: Array) -> tuple[Array, Array]:
    """Areas under the ROC curve and their covariance, by midranks in O(n log n).

    Args:
        y: outcomes 0 or 1, shape (n,), both present.
        scores: one row per model, shape (k, n).

    Returns:
        areas of shape (k,) and covariance of shape (k, k).

    Source: Sun & Xu (2014), Fast implementation of DeLong's algorithm, IEEE Signal Processing Letters 21(11).
    """
    positive, negative = scores[:, y == 1], scores[:, y == 0]
    m, n = positive.shape[1], negative.shape[1]
    ranks_all = stats.rankdata(np.hstack([positive, negative]), axis=1)
    v10 = (ranks_all[:, :m] - stats.rankdata(positive, axis=1)) / n
    v01 = 1.0 - (ranks_all[:, m:] - stats.rankdata(negative, axis=1)) / m
    area = v10.mean(axis=1)
    if min(m, n) < 2:
        return area, np.full((len(scores), len(scores)), np.inf)
    covariance = np.atleast_2d(np.cov(v10)) / m + np.atleast_2d(np.cov(v01)) / n
    return area, covariance


def paired_bootstrap(
    metric: Callable[[Array, Array], float], y: Array, a: Array, b: Array, *, resamples: int, seed: int, stratify: bool
) -> Array:
    """Differences metric(a) - metric(b) over resampled rows, the same rows for both; shape (resamples,).

    With `stratify` each class is resampled by itself, so that no resample lacks one.
    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 13 (percentile interval).
    """
    rng = np.random.default_rng(seed)
    strata = [np.flatnonzero(y == c) for c in np.unique(y)] if stratify else [np.arange(len(y))]
    differences = np.empty(resamples)
    for r in range(resamples):
        rows = np.concatenate([s[rng.integers(0, len(s), len(s))] for s in strata])
        differences[r] = metric(y[rows], a[rows]) - metric(y[rows], b[rows])
    return differences


def _refuse_bad_scores(p: Array) -> None:
    if bad := int((~np.isfinite(p)).sum()):
        raise ValueError(f"{bad} of {len(p)} scores are not finite numbers; a model must score every row")
