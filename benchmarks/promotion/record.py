"""Rules built on the record: the metrics of all versions on all cohorts that matured after they were fitted.

The metric of version v on cohort c, l months after v's last row of training, is

    a_c + beta * curve(l) + u_v + w_vc + e_vc,

a_c free; beta, u_v and w_vc normal with mean zero and the standard deviations of CURVES, of the expert's `spread`, and
INTERACTION; e with DeLong's covariance within the cohort. An `Expert` fixes the curve, the spread and the half-life
with which old cohorts lose weight (their information is multiplied by 1/2 for each). Its posterior is that of a linear
model with normal errors. Experts are averaged by how well they predicted each newly matured cohort's contrasts between
versions before it was known, older predictions forgotten by a factor a month: dynamic model averaging, Raftery, Karny &
Ettler (2010), Online prediction under model uncertainty via dynamic model averaging, Technometrics 52(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from scipy import special, stats

from promotion.rules import TOLERATED_LOSS, Situation
from promotion.worlds import CONFIDENCE, HOLDOUT, MONTHS, WINDOW, Array, History

INTERACTION = 0.004
CURVES = {"none": 0.0, "log": 0.03, "linear": 0.02}
"""Ageing curves, and the standard deviation of beta: a loss of ROC AUC a year, about."""
HALF_LIVES = (np.inf, 12.0, 4.0)
SPREADS = (0.003, 0.01, 0.03)


@dataclass(frozen=True)
class Expert:
    """A form of the record's model."""

    curve: str
    half_life: float
    spread: float

    def age(self, months: Array) -> Array:
        """The ageing curve at ages in months."""
        if self.curve == "linear":
            return months / 12
        return np.log1p(months / 12) if self.curve == "log" else np.zeros_like(months)

    def prior(self, versions: int) -> Array:
        """Prior precisions of beta and of the versions' u, shape (1 + versions,)."""
        return 1 / np.append(max(CURVES[self.curve], 1e-6), np.full(versions, self.spread)) ** 2


EXPERTS = tuple(Expert(*form) for form in product(CURVES, HALF_LIVES, SPREADS))


@dataclass(frozen=True)
class Posterior:
    """What every expert expects of versions 0 to n - 1 in use: means (experts, n), covariances (experts, n, n)."""

    means: Array
    covariances: Array


@dataclass(frozen=True)
class Record:
    """Posteriors by month, and how likely each expert held the month's new cohort to be, shape (months, experts)."""

    posteriors: list[Posterior]
    log_likelihoods: Array

    def weights(self, month: int, experts: Array, forgetting: float) -> Array:
        """Weights of the chosen experts, by their predictions so far; zero for the others."""
        ages = np.arange(month, -1, -1)
        score = forgetting**ages @ self.log_likelihoods[: month + 1]
        return special.softmax(np.where(experts, score, -np.inf))


@lru_cache(maxsize=1)
def read(history: History) -> Record:
    """The record of one portfolio, month by month; a month's entry reads nothing that matures later."""
    size = MONTHS + 1
    precision, vector = np.zeros((len(EXPERTS), size, size)), np.zeros((len(EXPERTS), size))
    posteriors, scores = [], np.zeros((MONTHS, len(EXPERTS)))
    before: tuple[Array, Array] | None = None
    kept = np.array([0.5 ** (1 / e.half_life) for e in EXPERTS])
    for month in range(MONTHS):
        matured = month + WINDOW + HOLDOUT
        if before and month > 1:
            scores[month] = _predicted(history, matured - 1, month, *before)
        precision *= kept[:, None, None]
        vector *= kept[:, None]
        _add(history, month + WINDOW, month + 1, precision, vector)
        full, sums = precision.copy(), vector.copy()
        for cohort in range(month + WINDOW + 1, matured):
            _add(history, cohort, month + 1, full, sums)
        before = _solve(full, sums, month + 1)
        posteriors.append(_in_use(history, month, *before))
    return Record(posteriors, scores)


def _ages(versions: int, cohort: int) -> Array:
    """Months between the end of each version's training and the middle of a cohort."""
    return cohort + 0.5 - (np.arange(versions) + WINDOW)


def _add(history: History, cohort: int, versions: int, precision: Array, vector: Array) -> None:
    """Add what a cohort says of the first versions, its own level a_c projected out."""
    if versions < 2:
        return
    areas, covariance = history.compare(cohort, versions)
    contrast = _projected(np.linalg.inv(covariance + INTERACTION**2 * np.eye(versions)))
    at = slice(1, versions + 1)
    for k, expert in enumerate(EXPERTS):
        age = expert.age(_ages(versions, cohort))
        of_age = contrast @ age
        precision[k, at, at] += contrast
        precision[k, 0, 0] += age @ of_age
        precision[k, 0, at] += of_age
        precision[k, at, 0] += of_age
        vector[k, 0] += of_age @ areas
        vector[k, at] += contrast @ areas


def _projected(inverse: Array) -> Array:
    """A precision matrix without the direction in which all versions move together."""
    sums = inverse.sum(axis=-1)
    return inverse - sums[..., :, None] * sums[..., None, :] / sums.sum(axis=-1)[..., None, None]


def _solve(precision: Array, vector: Array, versions: int) -> tuple[Array, Array]:
    """Posterior means and covariances of beta and u, for each expert."""
    size = versions + 1
    priors = np.stack([np.diag(expert.prior(versions)) for expert in EXPERTS])
    covariance = np.linalg.inv(precision[:, :size, :size] + priors)
    return np.einsum("kij,kj->ki", covariance, vector[:, :size]), covariance


def _values(ages: Array, means: Array, covariances: Array) -> tuple[Array, Array]:
    """Means and covariances of the versions' metrics at their ages, less the cohort's level."""
    curves = np.stack([expert.age(ages) for expert in EXPERTS])
    with_u = covariances[:, 0, 1:]
    cross = curves[:, :, None] * with_u[:, None, :]
    squares = curves[:, :, None] * curves[:, None, :] * covariances[:, 0, 0, None, None]
    covariance = covariances[:, 1:, 1:] + cross + cross.transpose(0, 2, 1) + squares
    return means[:, 1:] + curves * means[:, :1], covariance


def _in_use(history: History, month: int, means: Array, covariances: Array) -> Posterior:
    cohort = month + WINDOW + HOLDOUT + history.world.maturity
    return Posterior(*_values(_ages(month + 1, cohort), means, covariances))


def _predicted(history: History, cohort: int, versions: int, means: Array, covariances: Array) -> Array:
    """Log density of the contrasts between versions on a cohort under each expert's prediction."""
    areas, noise = history.compare(cohort, versions)
    expected, covariance = _values(_ages(versions, cohort), means, covariances)
    total = covariance + noise + INTERACTION**2 * np.eye(versions)
    inverse = np.linalg.inv(total)
    residual = areas - expected
    square = np.einsum("ki,kij,kj->k", residual, _projected(inverse), residual)
    return -(np.linalg.slogdet(total)[1] + np.log(inverse.sum(axis=(1, 2))) + square) / 2


def _choose(now: Situation, experts: Array, forgetting: float, candidates: Array, minimum: float = 0.0) -> int:
    """The candidate with the best posterior mean in use, if its mean gain over the champion is above the minimum and it
    is shown not to be worse than tolerated; else the champion."""
    record = read(now.history)
    posterior = record.posteriors[now.month]
    weights = record.weights(now.month, experts, forgetting)
    best = int(candidates[np.argmax((weights @ posterior.means)[candidates])])
    if best == now.champion:
        return best
    gains = posterior.means[:, best] - posterior.means[:, now.champion]
    c = posterior.covariances
    variances = c[:, best, best] + c[:, now.champion, now.champion] - 2 * c[:, best, now.champion]
    too_bad = weights @ stats.norm.cdf((-TOLERATED_LOSS - gains) / np.sqrt(variances))
    return best if weights @ gains > minimum and too_bad <= 1 - CONFIDENCE else now.champion


PLAIN = np.array([e.curve == "log" and e.half_life == np.inf for e in EXPERTS])
ALL = np.ones(len(EXPERTS), dtype=bool)
LINEAR = np.array([e.curve == "linear" for e in EXPERTS])
FORGETTING, MINIMUM_GAIN = 0.95, 0.001


def record(now: Situation) -> int:
    """The best of all versions, former ones too, by a logarithmic ageing curve that forgets nothing."""
    return _choose(now, PLAIN, 1.0, np.arange(now.month + 1))


def record_forward(now: Situation) -> int:
    """As `record`, the challenger only."""
    return _choose(now, PLAIN, 1.0, np.array([now.challenger]))


def averaged(now: Situation) -> int:
    """The best of all versions, former ones too, by the average of all experts."""
    return _choose(now, ALL, FORGETTING, np.arange(now.month + 1))


def averaged_forward(now: Situation) -> int:
    """As `averaged`, the challenger only."""
    return _choose(now, ALL, FORGETTING, np.array([now.challenger]))


def sparing(now: Situation) -> int:
    """As `averaged`, experts with a linear ageing curve only, and a change must gain MINIMUM_GAIN in the mean."""
    return _choose(now, LINEAR, FORGETTING, np.arange(now.month + 1), MINIMUM_GAIN)
