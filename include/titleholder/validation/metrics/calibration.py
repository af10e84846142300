"""Whether predicted probabilities are as high as the shares of events.

Outcomes are 0 or 1, `p` the predicted probabilities of 1, shape (n,). Variances are robust: they hold whatever weights
depend on, the outcome itself too, and for rows in clusters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from titleholder.validation.metrics.inputs import (
    Array,
    Interval,
    Sample,
    check,
    check_probabilities,
    cluster_codes,
    degrees_of_freedom,
    effective_size,
)
from titleholder.validation.metrics.linearised import Linearised
from titleholder.validation.metrics.means import ratio_of_means, weights_of


class Calibration(NamedTuple):
    """How predicted probabilities compare with what happened; perfect is 1, 0 and 1.

    >>> y, p = np.repeat([1.0, 0.0, 1.0, 0.0], [30, 70, 70, 30]), np.repeat([0.1, 0.9], 100)  # too extreme
    >>> found = calibration(Sample(y), p, confidence=0.95)
    >>> round(found.observed_expected.estimate, 2), round(found.slope.estimate, 2)
    (1.0, 0.39)
    """

    observed_expected: Interval
    intercept: Interval
    """Of the log odds, the slope being 1: above 0 where more happens than predicted (calibration-in-the-large)."""
    slope: Interval
    """Of the log odds: below 1 where predictions are too extreme, above 1 where they are too timid."""


NEAREST = 1e-6
"""A probability closer to 0 or 1 than this is taken as this far away, for its log odds."""


def observed_expected(sample: Sample, p: Array, *, confidence: float) -> Interval:
    """Events over the sum of predicted probabilities, both weighted; the bounds are Student's for its logarithm.

    Where there are no events, or nothing else, one bound is the ratio itself and the other exact (Clopper & Pearson),
    weighted rows and clusters counting for their effective number. Where nothing is expected the ratio is infinite or
    NaN and its bounds are 0 and inf.

    Raises:
        ValueError: when lengths differ, or scores or weights are unfit.

    Source: Zou (2004), A modified Poisson regression approach to prospective studies with binary data, American Journal
    of Epidemiology 159(7): the robust variance of the logarithm, here with the logarithm of `p` as the offset.
    """
    check(sample.y, p, weights=sample.weights)
    w = weights_of(sample)
    observed, expected, total = float(w @ sample.y), float(w @ p), float(w.sum())
    if expected <= 0:
        return Interval(math.inf if observed > 0 else math.nan, 0.0, math.inf)
    if np.all(sample.y == sample.y[0]):
        rate = (0.5 - confidence / 2) ** (1 / effective_units(sample))
        bounds = (observed * rate, observed) if observed else (0.0, total * (1 - rate))
        return Interval(observed / expected, bounds[0] / expected, bounds[1] / expected)
    return ratio_of_means(sample, p).log().interval(confidence).exp()


def effective_units(sample: Sample) -> float:
    """The effective number of rows, or of clusters, each with the weight of its rows."""
    w = weights_of(sample)
    if sample.clusters is not None:
        w = np.bincount(cluster_codes(sample.clusters), weights=w).astype(np.float64)
    return effective_size(w)


def calibration(sample: Sample, p: Array, *, confidence: float) -> Calibration:
    """Observed over expected, and the logistic recalibration of the predictions, with robust intervals.

    Intercept and slope are NaN with infinite bounds where they cannot be fitted: with one class only, and the slope
    also where all predictions are equal or separate the classes. Their degrees of freedom are the units of the smaller
    class (clusters, or the effective number of rows) less one.

    Raises:
        ValueError: when lengths differ, or scores or weights are unfit, or scores are no probabilities.

    Source: Cox (1958), Two further applications of a model for binary regression, Biometrika 45; Van Calster et al.
    (2016), A calibration hierarchy for risk models was defined, Journal of Clinical Epidemiology 74; Binder (1983), On
    the variances of asymptotically normal estimators from complex surveys, Int. Stat. Rev. 51(3), section 4.
    """
    check_probabilities("calibration", p)
    ratio = observed_expected(sample, p, confidence=confidence)
    return Calibration(ratio, intercept(sample, p).interval(confidence), slope(sample, p).interval(confidence))


def intercept(sample: Sample, p: Array) -> Linearised:
    """Of the log odds, the slope being 1; NaN with one class only."""
    log_odds = _log_odds(p)
    if np.all(sample.y == sample.y[:1]):
        return _unknown(sample)
    return _fit(np.ones((len(p), 1)), log_odds, sample)


def slope(sample: Sample, p: Array) -> Linearised:
    """Of the log odds; NaN with one class only, and where predictions are as good as equal or separate the classes."""
    log_odds = _log_odds(p)
    if len(p) and np.ptp(log_odds) < NEAREST:
        return _unknown(sample)
    log_odds -= log_odds.mean()  # which leaves the slope as it is, and the information well conditioned
    low, high = log_odds[sample.y != 1], log_odds[sample.y == 1]
    if not len(low) or not len(high) or high.min() >= low.max() or low.min() >= high.max():
        return _unknown(sample)
    return _fit(np.column_stack([np.ones(len(p)), log_odds]), np.zeros(len(p)), sample)


def _log_odds(p: Array) -> Array:
    return np.asarray(special.logit(np.clip(p, NEAREST, 1 - NEAREST)))


def _unknown(sample: Sample) -> Linearised:
    return Linearised(math.nan, np.zeros(len(sample.y)), 1.0, sample.clusters)


def _fit(x: Array, offset: Array, sample: Sample) -> Linearised:
    """The last coefficient of a logistic regression, by Newton's method.

    Each step is halved until the likelihood does not fall.
    """
    y, w = sample.y, weights_of(sample) / weights_of(sample).mean()

    def likelihood(beta: Array) -> float:
        eta = offset + x @ beta
        return float(w @ (y * eta - np.logaddexp(0.0, eta)))

    beta = np.zeros(x.shape[1])
    for _ in range(100):
        fitted = special.expit(offset + x @ beta)
        scores = x * (w * (y - fitted))[:, None]
        information = x.T @ (x * (w * fitted * (1 - fitted))[:, None])
        step, reached = np.linalg.solve(information, scores.sum(axis=0)), likelihood(beta)
        while likelihood(beta + step) < reached - 1e-12 * abs(reached):
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    influence = np.linalg.solve(information, scores.T)[-1]
    return Linearised(float(beta[-1]), influence, degrees_of_freedom(sample, classes=True), sample.clusters)
