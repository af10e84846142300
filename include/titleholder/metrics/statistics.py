"""Every metric of the catalogue as a weighted statistic: prepared once, then evaluated for many weight vectors.

`y` are outcomes, `p` scores: the probability of class 1 for classification, the predicted value for regression;
one-dimensional float arrays of equal length n. A statistic takes weights of shape (B, n) and returns shape (B,):
weights of one give the metric, sample weights the weighted metric, the counts of a resample a bootstrap's draw.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from titleholder.judgement import Judgement
from titleholder.metrics import profit
from titleholder.metrics.curves import Counts, Curve
from titleholder.metrics.inputs import Array

Statistic = Callable[[Array], Array]


def prepare(name: str, y: Array, p: Array, judgement: Judgement | None = None) -> Statistic:
    """The metric `name` of these scores.

    Raises:
        ValueError: when the metric is unknown, needs a key that `judgement` lacks, or needs probabilities.
    """
    if name in _RANKING:
        curve, of_counts = Curve(y, p), _RANKING[name]
        return lambda weights: of_counts(curve.count(weights))
    if name == "emp":
        curve, terms = Curve(y, p), _needed(judgement, "emp")
        return lambda weights: profit.expected_maximum(terms, curve.count(weights))
    if name == "profit":
        terms, cut_off = _needed(judgement, "profit"), _needed(judgement, "cut_off")
        return _mean(profit.amounts(terms, cut_off, y, p))
    if name == "pinball":
        return _mean(_pinball(y, p, _needed(judgement, "quantile")))
    if name in ("brier", "log_loss"):
        _refuse_non_probabilities(name, p)
    if name == "r2":
        return _r2(y, p)
    if name == "rmse":
        squared = _mean((y - p) ** 2)
        return lambda weights: np.sqrt(squared(weights))
    if name in _LOSSES:
        return _mean(_LOSSES[name](y, p))
    raise ValueError(f"{name!r} is no metric; valid: {', '.join(['profit', 'emp', 'pinball', *_RANKING, *_LOSSES])}")


def _needed(judgement: Judgement | None, key: str):
    found = getattr(judgement, key, None)
    if found is None:
        raise ValueError(f"this metric needs judgement.{key}")
    return found


def _mean(values: Array) -> Statistic:
    return lambda weights: (weights @ values) / weights.sum(axis=1)


def _pinball(y: Array, p: Array, quantile: float) -> Array:
    return np.maximum(quantile * (y - p), (quantile - 1) * (y - p))


def _log_loss(y: Array, p: Array) -> Array:
    inside = np.clip(p, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    return -np.where(y == 1, np.log(inside), np.log1p(-inside))


_LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "brier": lambda y, p: (y - p) ** 2,
    "log_loss": _log_loss,
    "mae": lambda y, p: np.abs(y - p),
}


def _r2(y: Array, p: Array) -> Statistic:
    centred = y - y.mean()
    squares = np.stack([(y - p) ** 2, centred, centred**2], axis=1)

    def statistic(weights: Array) -> Array:
        residual, first, second = (weights @ squares).T
        total = second - first**2 / weights.sum(axis=1)
        flat = total <= 1e-14 * second
        return np.where(flat, np.where(residual > 0, 0.0, 1.0), 1 - residual / np.where(flat, 1.0, total))

    return statistic


def _roc_auc(counts: Counts) -> Array:
    won = (counts.events * (counts.below + counts.through)).sum(axis=1) / 2
    with np.errstate(invalid="ignore"):
        return won / (counts.events.sum(axis=1) * counts.others)


def _gini(counts: Counts) -> Array:
    return 2 * _roc_auc(counts) - 1


def _ks(counts: Counts) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        passed = np.cumsum(counts.events, axis=1) / counts.events.sum(axis=1, keepdims=True)
        share = counts.events / counts.events.sum(axis=1, keepdims=True)
        after = np.abs(counts.through / counts.others[:, None] - passed).max(axis=1, initial=0.0)
        before = np.abs(counts.below / counts.others[:, None] - (passed - share)).max(axis=1, initial=0.0)
    return np.maximum(after, before)


def _pr_auc(counts: Counts) -> Array:
    total = counts.events.sum(axis=1, keepdims=True)
    caught = total - np.cumsum(counts.events, axis=1) + counts.events
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = caught / (caught + counts.others[:, None] - counts.below)
        return (np.where(counts.events > 0, precision, 0.0) * counts.events).sum(axis=1) / total[:, 0]


_RANKING: dict[str, Callable[[Counts], Array]] = {"roc_auc": _roc_auc, "gini": _gini, "ks": _ks, "pr_auc": _pr_auc}


def _refuse_non_probabilities(name: str, p: Array) -> None:
    if bad := int(((p < 0) | (p > 1)).sum()):
        raise ValueError(f"{name} needs probabilities; {bad} of {len(p)} scores are outside [0, 1]")
