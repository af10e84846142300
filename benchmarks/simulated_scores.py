"""Outcomes and the scores of two models, by simulation, with a known truth.

y is 1 with a given rate, each score is d * y + noise, the noises correlated 0.9, as between a model and its retrained
successor. The true ROC AUC of such a score is Phi(d / sqrt 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special, stats
from sklearn.linear_model import LogisticRegression

from titleholder.validation.metrics import Sample

AUC = 0.70
ALIKE = 0.9
KEPT = 0.8  # of what sets a challenger apart from the champion, so much is shared with the next challenger
LEVEL, RATE = -3.2, 0.06  # log odds of the average row, and the share of events that they give
EFFECTS = np.array([0.7, 0.5, 0.4, 0.3, 0.2])  # of five features on the log odds


class Rows(NamedTuple):
    """Outcomes, the champion's scores, and the challengers' (one row each)."""

    y: np.ndarray
    champion: np.ndarray
    challengers: np.ndarray


def simulate(rng: np.random.Generator, n: int, rate: float, gains: np.ndarray) -> Rows:
    """`n` rows and as many challengers as `gains`, whose true AUC is the champion's plus the gain."""
    return scored(rng, (rng.random(n) < rate).astype(float), gains)


def scored(rng: np.random.Generator, y: np.ndarray, gains: np.ndarray) -> Rows:
    """The same for given outcomes."""
    noise, shared = rng.standard_normal((2, len(y)))
    own = np.sqrt(KEPT) * shared + np.sqrt(1 - KEPT) * rng.standard_normal((len(gains), len(y)))
    d = np.sqrt(2) * stats.norm.ppf(AUC + gains)
    others = d[:, None] * y + ALIKE * noise + np.sqrt(1 - ALIKE**2) * own
    return Rows(y, np.sqrt(2) * stats.norm.ppf(AUC) * y + noise, others)


def probability(score: np.ndarray, rate: float) -> np.ndarray:
    """The score as a calibrated probability, for metrics that want one."""
    d = np.sqrt(2) * stats.norm.ppf(AUC)
    return 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + d * score - d**2 / 2)))


def thinned(rng: np.random.Generator, kept: tuple[float, float], events: int) -> tuple[Sample, np.ndarray]:
    """About so many events and a calibrated score; rows of class 1 and 0 are kept with these probabilities.

    Each row's weight is one over its probability: weights that depend on the outcome.
    """
    n = int(events / RATE / kept[0])
    log_odds = rng.normal(LEVEL, 1.0, n)
    y = (rng.random(n) < special.expit(log_odds)).astype(float)
    chance = np.where(y == 1, *kept)
    rows = rng.random(n) < chance
    return Sample(y[rows], 1 / chance[rows]), special.expit(log_odds[rows])


def quantile_sample(rng: np.random.Generator, n: int, kind: str, learned: float) -> tuple[Sample, np.ndarray]:
    """Outcomes around a known level, and the predictions of a model that has learned the quantile `learned`.

    `in clusters`: five rows each, which share half of the variance. `weighted`: every tenth of the rows above the 0.8
    quantile is kept and counts ten times, so that the weights depend on the outcome.
    """
    middle, noise = rng.normal(100.0, 10.0, n), rng.standard_normal(n)
    p = middle + stats.norm.ppf(learned)
    if kind == "in clusters":
        groups = np.arange(n) // 5
        y = middle + (noise + rng.standard_normal(groups[-1] + 1)[groups]) / np.sqrt(2)
        return Sample(y, clusters=groups), p
    if kind == "weighted":
        chance = np.where(noise > stats.norm.ppf(0.8), 0.1, 1.0)
        rows = rng.random(n) < chance
        return Sample((middle + noise)[rows], 1 / chance[rows]), p[rows]
    return Sample(middle + noise), p


def refitted(rng: np.random.Generator, n: int = 12_000) -> np.ndarray:
    """Intercept and coefficients of a logistic regression on rows of its own: a model like any other of its line."""
    x = rng.standard_normal((n, len(EFFECTS)))
    y = rng.random(n) < special.expit(LEVEL + x @ EFFECTS)
    fitted = LogisticRegression(C=np.inf).fit(x, y)
    return np.append(fitted.intercept_, fitted.coef_)
