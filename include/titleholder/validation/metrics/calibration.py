"""Whether predicted probabilities are as high as the shares of events.

`y` are outcomes 0 or 1, `p` the predicted probabilities of 1, `weights` sample weights; all of shape (n,). Weights
count for their effective number of rows (see `effective_size`), so that equal weights, of any size, are no weights.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from titleholder.validation.metrics.inputs import Array, Interval, check, check_probabilities, effective_size


class Calibration(NamedTuple):
    """How predicted probabilities compare with what happened; perfect is 1, 0 and 1."""

    observed_expected: Interval
    intercept: Interval
    """Of the log odds, the slope being 1: above 0 where more happens than predicted (calibration-in-the-large)."""
    slope: Interval
    """Of the log odds: below 1 where predictions are too extreme, above 1 where they are too timid."""


UNKNOWN = Interval(math.nan, -math.inf, math.inf)
NEAREST = 1e-6
"""A probability closer to 0 or 1 than this is taken as this far away, for its log odds."""


def observed_expected(y: Array, p: Array, *, confidence: float, weights: Array | None = None) -> Interval:
    """Events over the sum of predicted probabilities.

    Where there are no events, or nothing else, one bound is the ratio itself and the other exact (Clopper & Pearson).
    Where nothing is expected the ratio is infinite or NaN and its bounds are 0 and inf.

    Raises:
        ValueError: when lengths differ, or scores or weights are unfit.

    Source: Debray et al. (2017), A guide to systematic review and meta-analysis of prediction model performance, BMJ
    356:i6460: the logarithm's normal interval, with variance (1 - rate) / events.
    """
    check(y, p, weights=weights)
    w = np.ones(len(y)) if weights is None else weights
    observed, expected, total = float(w @ y), float(w @ p), float(w.sum())
    if expected <= 0:
        return Interval(math.inf if observed > 0 else math.nan, 0.0, math.inf)
    ratio, size, tail = observed / expected, effective_size(w), 0.5 - confidence / 2
    if not np.any(y):
        return Interval(0.0, 0.0, total / expected * -math.expm1(math.log(tail) / size))
    if np.all(y == 1):
        return Interval(ratio, ratio * tail ** (1 / size), ratio)
    rate = observed / total
    reach = float(stats.norm.isf(tail)) * math.sqrt((1 - rate) / (size * rate))
    return Interval(ratio, ratio * math.exp(-reach), ratio * math.exp(reach))


def calibration(y: Array, p: Array, *, confidence: float, weights: Array | None = None) -> Calibration:
    """Observed over expected, and the logistic recalibration of the predictions with its Wald intervals.

    Intercept and slope are NaN with infinite bounds where they cannot be fitted: with one class only, and the slope
    also where all predictions are equal or separate the classes.

    Raises:
        ValueError: when lengths differ, or scores or weights are unfit, or scores are no probabilities.

    Source: Cox (1958), Two further applications of a model for binary regression, Biometrika 45; Van Calster et al.
    (2016), A calibration hierarchy for risk models was defined, Journal of Clinical Epidemiology 74.
    """
    check_probabilities("calibration", p)
    ratio = observed_expected(y, p, confidence=confidence, weights=weights)
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    w = np.ones(len(y)) if weights is None else weights * (effective_size(weights) / weights.sum())
    log_odds = special.logit(np.clip(p, NEAREST, 1 - NEAREST))
    low, high = log_odds[y != 1], log_odds[y == 1]
    if not len(low) or not len(high):
        return Calibration(ratio, UNKNOWN, UNKNOWN)
    one = np.ones((len(y), 1))
    intercept = _fit(one, log_odds, y, w, z)[0]
    if high.min() >= low.max() or low.min() >= high.max():
        return Calibration(ratio, intercept, UNKNOWN)
    return Calibration(ratio, intercept, _fit(np.column_stack([one, log_odds]), np.zeros(len(y)), y, w, z)[1])


def _fit(x: Array, offset: Array, y: Array, w: Array, z: float) -> list[Interval]:
    """Coefficients of a logistic regression by Newton's method, each step halved until the likelihood does not fall."""

    def likelihood(beta: Array) -> float:
        eta = offset + x @ beta
        return float(w @ (y * eta - np.logaddexp(0.0, eta)))

    beta, reached = np.zeros(x.shape[1]), -math.inf
    information = np.eye(x.shape[1])
    for _ in range(100):
        fitted = special.expit(offset + x @ beta)
        information = x.T @ (x * (w * fitted * (1 - fitted))[:, None])
        step = np.linalg.solve(information, x.T @ (w * (y - fitted)))
        reached = likelihood(beta)
        while likelihood(beta + step) < reached - 1e-12 * abs(reached):
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    return [Interval(float(b), float(b - z * e), float(b + z * e)) for b, e in zip(beta, errors, strict=True)]
