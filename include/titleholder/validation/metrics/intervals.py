"""One model's metrics, and how sure one can be that one model's is better than another's on the same rows.

Names and directions stand in `titleholder.spec.criteria.METRICS`. `y` are outcomes, `p` scores: the probability of
class 1 for classification, the predicted value for regression; one-dimensional float arrays of equal length n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from titleholder.spec.criteria import METRICS, Judgement
from titleholder.validation.metrics.auc import delong
from titleholder.validation.metrics.bootstrap import resample
from titleholder.validation.metrics.inputs import Array, Interval, Labels, check, cluster_codes
from titleholder.validation.metrics.weighted import prepare


@dataclass(frozen=True)
class Gain(Interval):
    """Challenger minus champion, oriented so that more is better, with a two-sided confidence interval."""

    method: str
    error: float = math.nan
    """Standard error of the estimate."""


def compute(name: str, y: Array, p: Array, judgement: Judgement | None = None, weights: Array | None = None) -> float:
    """One metric of one model; NaN where it has no value, such as an area under the curve of one class.

    Raises:
        ValueError: when scores are not finite, weights are not finite and positive, lengths differ, the metric is
            unknown, needs what `judgement` lacks, or needs probabilities.
    """
    check(y, p, weights=weights)
    if not len(y):
        return math.nan
    given = np.ones(len(y), dtype=np.int64) if weights is None else weights
    return float(prepare(name, y, p, judgement)(given[None, :])[0])


def compute_all(
    task: str, y: Array, p: Array, judgement: Judgement | None = None, weights: Array | None = None
) -> dict[str, float]:
    """Every metric of the task, in the catalogue's order; those that need a key of `judgement` only if it is there.

    Raises:
        ValueError: as `compute`.
    """
    return {
        name: compute(name, y, p, judgement, weights)
        for name, info in METRICS.items()
        if info.task == task and (info.needs is None or getattr(judgement, info.needs, None) is not None)
    }


def gain(
    name: str,
    y: Array,
    challenger: Array,
    champion: Array,
    *,
    confidence: float,
    resamples: int,
    seed: int,
    judgement: Judgement | None = None,
    weights: Array | None = None,
    clusters: Labels | None = None,
) -> Gain:
    """How much better the challenger is on these rows, and within which bounds.

    ROC AUC and Gini use DeLong's paired variance; every other metric a paired bootstrap, stratified by class. With
    `clusters`, shape (n,), rows of one cluster are never taken for independent. Bounds and error are infinite where
    the variance cannot be known: with fewer than two rows of a class, or fewer than two clusters that have any.

    Raises:
        ValueError: as `compute`.
    """
    how = _How(confidence, resamples, seed, judgement, weights, clusters)
    sign = 1.0 if METRICS[name].greater_is_better else -1.0
    found, error = _contrast(name, y, [challenger, champion], np.array([sign, -sign]), how)
    method = "DeLong" if name in AREAS else "paired bootstrap"
    return Gain(found.estimate, found.lower, found.upper, method if clusters is None else f"{method}, clustered", error)


def interval(
    name: str,
    y: Array,
    p: Array,
    *,
    confidence: float,
    resamples: int,
    seed: int,
    judgement: Judgement | None = None,
    weights: Array | None = None,
    clusters: Labels | None = None,
) -> Interval:
    """One model's metric, in its own direction, and within which bounds it lies; everything else as in `gain`."""
    how = _How(confidence, resamples, seed, judgement, weights, clusters)
    found, error = _contrast(name, y, [p], np.array([1.0]), how)
    if name not in AREAS or math.isinf(error):
        return found
    return Interval(found.estimate, max(found.lower, 1 - AREAS[name]), min(found.upper, 1.0))


AREAS = {"roc_auc": 1.0, "gini": 2.0}
"""The metrics that grow with the area under the ROC curve, and how many times as fast."""


@dataclass(frozen=True)
class _How:
    confidence: float
    resamples: int
    seed: int
    judgement: Judgement | None
    weights: Array | None
    clusters: Labels | None


def _contrast(name: str, y: Array, scores: Sequence[Array], signs: Array, how: _How) -> tuple[Interval, float]:
    """The signed sum of the models' metrics, its interval and its standard error."""
    check(y, *scores, weights=how.weights)
    if name in AREAS:
        return _by_delong(AREAS[name], y, scores, signs, how)
    estimate = float(signs @ [compute(name, y, p, how.judgement, how.weights) for p in scores])
    classes = METRICS[name].task == "classification"
    if _independent(y, classes, how.clusters) < 2:
        return Interval(estimate, -math.inf, math.inf), math.inf
    draws = signs @ resample(
        name, y, scores, resamples=how.resamples, seed=how.seed, stratify=classes and how.clusters is None,
        judgement=how.judgement, weights=how.weights, clusters=how.clusters,
    )  # fmt: skip
    draws = draws[np.isfinite(draws)]
    if len(draws) < 2:
        return Interval(estimate, -math.inf, math.inf), math.inf
    lower, upper = np.quantile(draws, [0.5 - how.confidence / 2, 0.5 + how.confidence / 2])
    return Interval(estimate, float(lower), float(upper)), float(draws.std(ddof=1))


def _by_delong(scale: float, y: Array, scores: Sequence[Array], signs: Array, how: _How) -> tuple[Interval, float]:
    areas, covariance = delong(y, np.vstack(scores), how.weights, how.clusters)
    estimate = float(signs @ (scale * areas + 1 - scale))
    if not np.isfinite(covariance).all():
        return Interval(estimate, -math.inf, math.inf), math.inf
    error = scale * math.sqrt(max(float(signs @ covariance @ signs), 0.0))
    reach = float(stats.norm.ppf(0.5 + how.confidence / 2)) * error
    return Interval(estimate, estimate - reach, estimate + reach), error


def _independent(y: Array, classes: bool, clusters: Labels | None) -> int:
    """How many rows, or clusters with any, the smaller class has; without classes, how many there are."""
    units = np.arange(len(y)) if clusters is None else cluster_codes(clusters)
    parts = [y == 1, y != 1] if classes else [np.ones(len(y), dtype=bool)]
    return min(len(np.unique(units[part])) for part in parts)
