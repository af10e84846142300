"""The performance that scores would have if they were right: an estimate while outcomes are still unknown.

If each score p is the probability of its row's outcome, the outcomes' part of a metric can be replaced by its mean.
That assumes no concept drift: where the world changes so that equal features have other outcomes, the estimate stays
as it was and is wrong. It notices only that the rows have become easier or harder. So it is no evidence against harm,
and has to be held against what came true later.

Scores that were not calibrated are recalibrated first, by an intercept and a slope of the log odds fitted to rows with
outcomes; the interval allows for the error of both, and for the chance in the outcomes to come.

Sources: Kivimaki, Bialek, Kuberski & Nurminen (2025), Performance estimation in binary classification using calibrated
confidence, arXiv; NannyML's documentation of CBPE, for the expected area under the curve; Cox (1958), Two further
applications of a model for binary regression, Biometrika 45, for intercept and slope.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from titleholder.validation.metrics.inputs import Interval

Array = NDArray[np.float64]
METRICS = ("roc_auc", "brier", "log_loss")
NEAREST = 1e-9
"""Probabilities are kept this far from 0 and 1."""
STEP = 1e-4
"""Of the numerical derivative by intercept and slope."""


class Recalibration(NamedTuple):
    """Intercept and slope of the log odds, and the covariance of their estimates, shape (2, 2)."""

    intercept: float = 0.0
    slope: float = 1.0
    covariance: Array = np.zeros((2, 2))

    def probabilities(self, p: Array) -> Array:
        """Recalibrated probabilities, shape (n,).

        >>> Recalibration(0.0, 1.0).probabilities(np.array([0.1, 0.5])).round(3).tolist()
        [0.1, 0.5]
        """
        return np.asarray(special.expit(self.intercept + self.slope * _log_odds(p)))


def recalibration(y: Array, p: Array) -> Recalibration:
    """Intercept and slope by maximum likelihood, with a covariance that holds whatever the true form is.

    Args:
        y: outcomes, 0 or 1, both of them there, shape (n,).
        p: scores of rows that the model was not trained on, shape (n,).

    Raises:
        ValueError: with outcomes of one kind only.
    """
    if len(np.unique(y)) < 2:
        raise ValueError("a recalibration needs outcomes of both kinds")
    x = np.column_stack([np.ones(len(p)), _log_odds(p)])
    beta = np.array([0.0, 1.0])
    for _ in range(50):
        q = special.expit(x @ beta)
        information = (x * (q * (1 - q))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(information, x.T @ (y - q))
        beta = beta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    scores = x * (y - special.expit(x @ beta))[:, None]
    inverse = np.linalg.inv(information)
    return Recalibration(float(beta[0]), float(beta[1]), inverse @ (scores.T @ scores) @ inverse)


def estimated(metric: str, p: Array, *, confidence: float, calibration: Recalibration | None = None) -> Interval:
    """The metric that is to be expected of these scores, and where that of the outcomes to come will lie.

    Assumes no concept drift.

    Args:
        metric: roc_auc, brier or log_loss.
        p: the model's probabilities, shape (n,).
        confidence: of the two-sided interval, normal.
        calibration: of these scores; without it they are taken as they are.

    Raises:
        ValueError: for another metric, probabilities that are none, or fewer than two of them.
    """
    if metric not in METRICS:
        raise ValueError(f"{metric} cannot be estimated without outcomes; valid are {', '.join(METRICS)}")
    if len(p) < 2 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("two probabilities or more are needed, each from 0 to 1")
    known = calibration or Recalibration()
    q = np.clip(known.probabilities(p), NEAREST, 1 - NEAREST)
    value, slopes = _value(metric, p, q), _slopes(metric, p, q)
    variance = float((q * (1 - q) * slopes**2).sum())
    by_parameter = _by_parameter(metric, p, known)
    variance += float(by_parameter @ known.covariance @ by_parameter)
    reach = float(special.ndtri(0.5 + confidence / 2)) * np.sqrt(variance)
    return Interval(value, value - reach, value + reach)


def _value(metric: str, p: Array, q: Array) -> float:
    """The mean of the metric of scores p, the outcomes having the probabilities q."""
    if metric == "brier":
        return float((q * (1 - p) ** 2 + (1 - q) * p**2).mean())
    if metric == "log_loss":
        kept = np.clip(p, NEAREST, 1 - NEAREST)
        return float(-(q * np.log(kept) + (1 - q) * np.log1p(-kept)).mean())
    above, _ = _pairs(p, q)
    own = q * (1 - q)
    return float(((q * above).sum() - own.sum() / 2) / (q.sum() * (1 - q).sum() - own.sum()))


def _slopes(metric: str, p: Array, q: Array) -> Array:
    """By how much each row's outcome moves the metric, shape (n,)."""
    if metric == "brier":
        return np.asarray(((1 - p) ** 2 - p**2) / len(p))
    if metric == "log_loss":
        kept = np.clip(p, NEAREST, 1 - NEAREST)
        return np.asarray((np.log1p(-kept) - np.log(kept)) / len(p))
    above, below = _pairs(p, q)
    events, others = q.sum(), (1 - q).sum()
    value = (q * above).sum() / (events * others)
    return np.asarray((above - below) / (events * others) - value * (1 / events - 1 / others))


def _pairs(p: Array, q: Array) -> tuple[Array, Array]:
    """For each row the expected rows without the event at or below its score, and those with it at or above.

    Rows of equal score, itself too, count half. Shapes (n,).
    """
    levels, place = np.unique(p, return_inverse=True)
    events = np.bincount(place, q, minlength=len(levels))
    others = np.bincount(place, 1 - q, minlength=len(levels))
    lower = np.cumsum(others) - others / 2
    higher = events.sum() - np.cumsum(events) + events / 2
    return lower[place], higher[place]


def _by_parameter(metric: str, p: Array, known: Recalibration) -> Array:
    """The derivative of the value by intercept and slope, shape (2,)."""
    if not known.covariance.any():
        return np.zeros(2)

    def value(intercept: float, slope: float) -> float:
        moved = known._replace(intercept=intercept, slope=slope).probabilities(p)
        return _value(metric, p, np.clip(moved, NEAREST, 1 - NEAREST))

    a, b = known.intercept, known.slope
    by_intercept = value(a + STEP, b) - value(a - STEP, b)
    by_slope = value(a, b + STEP) - value(a, b - STEP)
    return np.array([by_intercept, by_slope]) / (2 * STEP)


def _log_odds(p: Array) -> Array:
    return np.asarray(special.logit(np.clip(p, NEAREST, 1 - NEAREST)))
