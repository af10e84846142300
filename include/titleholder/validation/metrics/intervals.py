"""One model's metrics, and the gain of one model over another on the same rows, with their intervals.

Names and directions are in `titleholder.spec.criteria.METRICS`. `y` are outcomes, `p` scores: the probability of
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
from titleholder.validation.metrics.inputs import Array, Estimation, Interval, Sample, check, cluster_codes
from titleholder.validation.metrics.weighted import prepare


@dataclass(frozen=True)
class Gain(Interval):
    """Challenger minus champion, oriented so that more is better, with a two-sided confidence interval.

    >>> sample = Sample(np.array([0.0, 0.0, 1.0, 1.0]))
    >>> challenger, champion = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.1, 0.3, 0.2, 0.4])
    >>> found = gain("roc_auc", sample, challenger, champion, Estimation(confidence=0.95, resamples=100, seed=1))
    >>> found.estimate, found.method
    (0.25, 'DeLong')
    """

    method: str
    error: float = math.nan
    """Standard error of the estimate."""

    def lower_bound(self, confidence: float) -> float:
        """The one-sided lower bound: the true gain is above it with this confidence."""
        return self.estimate - float(stats.norm.ppf(confidence)) * self.error


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


def gain(name: str, sample: Sample, challenger: Array, champion: Array, how: Estimation) -> Gain:
    """How much better the challenger is on these rows, with its interval.

    ROC AUC and Gini use DeLong's paired variance; every other metric a paired bootstrap, stratified by class unless
    there are clusters. Bounds and error are infinite where the variance cannot be known: with fewer than two rows of a
    class, or fewer than two clusters that have any.

    Raises:
        ValueError: as `compute`.
    """
    sign = 1.0 if METRICS[name].greater_is_better else -1.0
    found, error = _contrast(name, sample, [challenger, champion], np.array([sign, -sign]), how)
    method = "DeLong" if name in AREAS else "paired bootstrap"
    return Gain(*found.values, method if sample.clusters is None else f"{method}, clustered", error)


def interval(name: str, sample: Sample, p: Array, how: Estimation) -> Interval:
    """One model's metric, in its own direction, with its interval; everything else as in `gain`."""
    found, error = _contrast(name, sample, [p], np.array([1.0]), how)
    if name not in AREAS or math.isinf(error):
        return found
    return Interval(found.estimate, max(found.lower, 1 - AREAS[name]), min(found.upper, 1.0))


AREAS = {"roc_auc": 1.0, "gini": 2.0}
"""The metrics that grow with the area under the ROC curve, and how many times as fast."""


def _contrast(
    name: str, sample: Sample, scores: Sequence[Array], signs: Array, how: Estimation
) -> tuple[Interval, float]:
    """The signed sum of the models' metrics, its interval and its standard error."""
    check(sample.y, *scores, weights=sample.weights)
    if name in AREAS:
        return _by_delong(AREAS[name], sample, scores, signs, how.confidence)
    estimate = float(signs @ [compute(name, sample.y, p, how.judgement, sample.weights) for p in scores])
    classes = METRICS[name].task == "classification"
    if _independent(sample, classes) < 2:
        return Interval(estimate, -math.inf, math.inf), math.inf
    draws = signs @ resample(name, sample, scores, how, stratify=classes and sample.clusters is None)
    draws = draws[np.isfinite(draws)]
    if len(draws) < 2:
        return Interval(estimate, -math.inf, math.inf), math.inf
    lower, upper = np.quantile(draws, [0.5 - how.confidence / 2, 0.5 + how.confidence / 2])
    return Interval(estimate, float(lower), float(upper)), float(draws.std(ddof=1))


def _by_delong(
    scale: float, sample: Sample, scores: Sequence[Array], signs: Array, confidence: float
) -> tuple[Interval, float]:
    areas, covariance = delong(sample.y, np.vstack(scores), sample.weights, sample.clusters)
    estimate = float(signs @ (scale * areas + 1 - scale))
    if not np.isfinite(covariance).all():
        return Interval(estimate, -math.inf, math.inf), math.inf
    error = scale * math.sqrt(max(float(signs @ covariance @ signs), 0.0))
    reach = float(stats.norm.ppf(0.5 + confidence / 2)) * error
    return Interval(estimate, estimate - reach, estimate + reach), error


def _independent(sample: Sample, classes: bool) -> int:
    """How many rows, or clusters with any, the smaller class has; without classes, how many there are."""
    y, clusters = sample.y, sample.clusters
    units = np.arange(len(y)) if clusters is None else cluster_codes(clusters)
    parts = [y == 1, y != 1] if classes else [np.ones(len(y), dtype=bool)]
    return min(len(np.unique(units[part])) for part in parts)
