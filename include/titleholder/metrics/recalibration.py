"""Whether predicted probabilities mean what they say."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from titleholder.metrics.inputs import Array, Interval, checked


class Calibration(NamedTuple):
    """How predicted probabilities compare with what happened; perfect is 1, 0 and 1."""

    observed_expected: Interval
    intercept: Interval
    slope: Interval


UNKNOWN = Interval(math.nan, -math.inf, math.inf)


def observed_expected(y: Array, p: Array, *, confidence: float, weights: Array | None = None) -> Interval:
    """Events over the sum of predicted probabilities."""
    checked(y, p, weights=weights)
    w = np.ones(len(y)) if weights is None else weights
    observed, expected = float(w @ y), float(w @ p)
    if not expected:
        return Interval(math.inf if observed else math.nan, 0.0, math.inf)
    size = float(w.sum() ** 2 / (w @ w))
    rate, ratio, tail = observed / float(w.sum()), observed / expected, 0.5 - confidence / 2
    scale = float(w.sum()) / expected
    if rate <= 0:
        return Interval(0.0, 0.0, scale * (1 - tail ** (1 / size)))
    if rate >= 1:
        return Interval(ratio, scale * tail ** (1 / size), ratio)
    reach = float(stats.norm.isf(tail)) * math.sqrt((1 - rate) / (size * rate))
    return Interval(ratio, ratio * math.exp(-reach), ratio * math.exp(reach))


def calibration(y: Array, p: Array, *, confidence: float, weights: Array | None = None) -> Calibration:
    """Cox's recalibration."""
    ratio = observed_expected(y, p, confidence=confidence, weights=weights)
    w = np.ones(len(y)) if weights is None else weights * weights.sum() / (weights @ weights)
    inside = np.clip(p, 1e-6, 1 - 1e-6)
    logit = np.log(inside / (1 - inside))
    if len(np.unique(y)) < 2:
        return Calibration(ratio, UNKNOWN, UNKNOWN)
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    one = np.ones((len(y), 1))
    intercept = _fit(one, logit, y, w, z)[0]
    low, high = logit[y == 0], logit[y == 1]
    if high.min() >= low.max() or low.min() >= high.max():
        return Calibration(ratio, intercept, UNKNOWN)
    slope = _fit(np.column_stack([one, logit]), 0 * logit, y, w, z)[1]
    return Calibration(ratio, intercept, slope)


def _fit(x: Array, offset: Array, y: Array, w: Array, z: float) -> list[Interval]:
    beta = np.zeros(x.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-(offset + x @ beta)))
        information = x.T @ (x * (w * p * (1 - p))[:, None])
        step = np.linalg.solve(information, x.T @ (w * (y - p)))
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            break
    error = np.sqrt(np.diag(np.linalg.inv(information)))
    return [Interval(float(b), float(b - z * e), float(b + z * e)) for b, e in zip(beta, error, strict=True)]
