"""Every metric of the catalogue as a weighted statistic: prepared once, then evaluated for many weight vectors.

Weights of one give the metric, sample weights the weighted metric, and how often each row came up in a resample that
resample's metric.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import numpy as np

from titleholder.spec.criteria import Judgement
from titleholder.spec.metrics import METRICS
from titleholder.validation.metrics import curves, profit
from titleholder.validation.metrics.curves import Counts, Curve, Weights
from titleholder.validation.metrics.inputs import Array, Rows, check_probabilities

T = TypeVar("T")
Statistic = Callable[[Weights], Array]
"""Takes weights of shape (B, n), gives shape (B,)."""

RANKING: dict[str, Callable[[Counts], Array]] = {
    "roc_auc": curves.roc_auc,
    "gini": curves.gini,
    "ks": curves.ks,
    "pr_auc": curves.pr_auc,
}


def prepare(
    name: str, y: Array, p: Array, judgement: Judgement | None = None, order: Rows | slice = slice(None)
) -> Statistic:
    """The metric `name` of these scores.

    Args:
        name: a key of `titleholder.spec.metrics.METRICS`.
        y: outcomes, shape (n,).
        p: scores, shape (n,): the probability of class 1, or the predicted value.
        judgement: has what `profit` (with a `cut_off`), `emp` and `pinball` (`quantile`) need. A share to accept is of
            the rows as they are: who is accepted does not change with the weights.
        order: the order of rows in which weights will come.

    Raises:
        ValueError: when the metric is unknown, needs what `judgement` lacks, or needs probabilities.
    """
    if name not in METRICS:
        raise ValueError(f"{name!r} is no metric; valid: {', '.join(METRICS)}")
    given = judgement or _plain(name)
    if name in RANKING:
        return _of_curve(RANKING[name], y[order], p[order])
    if name == "emp":
        terms = _needed(given.emp, name, "emp")
        return _of_curve(lambda counts: profit.expected_maximum(terms, counts), y[order], p[order])
    if name == "rmse":
        squared = _mean(((y - p) ** 2)[order])
        return lambda weights: np.sqrt(squared(weights))
    if name == "r2":
        return _r2(y[order], p[order])
    return _mean(_values(name, y, p, given)[order])


@lru_cache
def _plain(name: str) -> Judgement:
    return Judgement(metric=name)


def terms(name: str, y: Array, p: Array, judgement: Judgement) -> Array | None:
    """What a metric is the mean of, shape (n,); None for one that is no mean."""
    return None if name in RANKING or name in ("emp", "rmse", "r2") else _values(name, y, p, judgement)


def _of_curve(metric: Callable[[Counts], Array], y: Array, p: Array) -> Statistic:
    curve = Curve(y, p)
    return lambda weights: metric(curve.count(weights))


def _mean(values: Array) -> Statistic:
    return lambda weights: np.asarray(_sums(weights, values) / weights.sum(axis=1))


def _sums(weights: Weights, values: Array) -> Array:
    """As `weights @ values`, but in one thread and one order of summation: the same on every machine."""
    return np.asarray(np.einsum("bn,n->b", weights, values))


def _values(name: str, y: Array, p: Array, given: Judgement) -> Array:
    """What the metric is the mean of, shape (n,)."""
    if name == "profit":
        terms, cut_off = _needed(given.profit, name, "profit"), _needed(given.cut_off, name, "cut_off")
        return profit.amounts(terms, cut_off, y, p)
    if name == "pinball":
        quantile = _needed(given.quantile, name, "quantile")
        return np.maximum(quantile * (y - p), (quantile - 1) * (y - p))
    if name == "mae":
        return np.abs(y - p)
    check_probabilities(name, p)
    return (y - p) ** 2 if name == "brier" else _surprise(y, p)


def _surprise(y: Array, p: Array) -> Array:
    """Negative log likelihood; a probability of 0 or 1 counts as one rounding error off, as in scikit-learn."""
    off = np.finfo(np.float64).eps
    given = np.clip(np.where(y == 1, p, 1 - p), off, 1 - off)
    return np.asarray(-np.log(given))


def _r2(y: Array, p: Array) -> Statistic:
    """Share of variance explained; where outcomes do not vary 1 if every prediction is right and else 0."""
    centred = y - y.mean()
    parts = [(y - p) ** 2, centred, centred**2]

    def statistic(weights: Weights) -> Array:
        residual, first, second = (_sums(weights, part) for part in parts)
        total = second - first**2 / weights.sum(axis=1)
        flat = total <= 1e-12 * second
        explained = 1 - residual / np.where(flat, 1.0, total)
        return np.where(flat, np.where(residual > 0, 0.0, 1.0), explained)

    return statistic


def _needed(found: T | None, name: str, key: str) -> T:
    if found is None:
        raise ValueError(f"{name} needs judgement.{key}")
    return found
