"""One model's metrics, and how sure one can be that one model's is better than another's on the same rows.

Names and directions stand in `titleholder.judgement.METRICS`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from titleholder.judgement import METRICS, Judgement
from titleholder.metrics.areas import delong
from titleholder.metrics.bootstrap import draw
from titleholder.metrics.inputs import Array, Interval, Labels, checked
from titleholder.metrics.statistics import prepare


class Gain(NamedTuple):
    """Challenger minus champion, oriented so that more is better, with a two-sided confidence interval."""

    estimate: float
    lower: float
    upper: float
    method: str
    error: float = math.nan
    """Standard error of the estimate."""


def compute(
    name: str, y: Array, p: Array, judgement: Judgement | None = None, weights: Array | None = None
) -> float:
    """One metric of one model. Raises ValueError when scores or weights are unfit."""
    checked(y, p, weights=weights)
    w = np.ones(len(y)) if weights is None else weights
    return float(prepare(name, y, p, judgement)(w[None, :])[0])


def compute_all(
    task: str, y: Array, p: Array, judgement: Judgement | None = None, weights: Array | None = None
) -> dict[str, float]:
    """Every metric of the task, in the catalogue's order; those that need a key only if `judgement` has it."""
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
    """How much better the challenger is on these rows, and within which bounds."""
    sign = 1.0 if METRICS[name].greater_is_better else -1.0
    return _estimated(
        name, y, [challenger, champion], sign * np.array([1.0, -1.0]), confidence, resamples, seed, judgement, weights,
        clusters, "paired bootstrap",
    )  # fmt: skip


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
    """One model's metric in its own direction, and within which bounds it lies."""
    found = _estimated(
        name, y, [p], np.array([1.0]), confidence, resamples, seed, judgement, weights, clusters, "bootstrap"
    )
    return Interval(*found[:3])


def _estimated(name, y, scores, signs, confidence, resamples, seed, judgement, weights, clusters, method) -> Gain:
    checked(y, *scores, weights=weights)
    suffix = ", clustered" if clusters is not None else ""
    if name in ("roc_auc", "gini"):
        scale = 2.0 if name == "gini" else 1.0
        areas, covariance = delong(y, np.vstack(scores), weights, clusters)
        values = scale * areas - (scale - 1)
        estimate = float(signs @ values)
        known = np.isfinite(covariance).all()
        error = scale * math.sqrt(max(float(signs @ covariance @ signs), 0.0)) if known else math.inf
        reach = float(stats.norm.ppf(0.5 + confidence / 2)) * error
        return Gain(estimate, estimate - reach, estimate + reach, "DeLong" + suffix, error)
    w = (np.ones(len(y)) if weights is None else weights)[None, :]
    statistics = [prepare(name, y, p, judgement) for p in scores]
    estimate = float(signs @ np.array([s(w)[0] for s in statistics]))
    stratify = METRICS[name].task == "classification"
    sizes = [len(np.unique(clusters))] if clusters is not None else np.unique(y, return_counts=True)[1] if stratify else [len(y)]
    if min(sizes) < 2:
        return Gain(estimate, -math.inf, math.inf, method + suffix, math.inf)
    draws = signs @ draw(
        statistics, y, resamples=resamples, seed=seed, stratify=stratify, weights=weights, clusters=clusters
    )
    draws = draws[np.isfinite(draws)]
    lower, upper = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Gain(estimate, float(lower), float(upper), method + suffix, float(draws.std(ddof=1)))
