"""Simulated portfolios whose models are really refitted on moving windows, and whose true ROC AUC is known.

Features are standard normal, an outcome is 1 with probability 1 / (1 + exp(-(a + b_t x))). The direction of b_t moves
over the months, its length and a do not. The ROC AUC of a linear score w x in month t therefore depends only on the
correlation of w x and b_t x, and `true_auc` gives it by numerical integration.

Months count from 0. Version t is fitted on cohorts [t, t + WINDOW), judged on the next HOLDOUT cohorts, which have
matured when it is judged, and in use from cohort t + WINDOW + HOLDOUT + maturity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from titleholder.validation.metrics import Gain
from titleholder.validation.metrics.inputs import student

Array = NDArray[np.float64]
MONTHS, WINDOW, HOLDOUT = 60, 6, 3
CONFIDENCE = 0.95
FEATURES, LENGTH, EVENT_RATE = 24, 0.85, 0.06
PENALTY = 10.0
SHOCK = 20
"""The month of use in which the outcomes of the world `shock` change."""


@dataclass(frozen=True)
class World:
    """How a portfolio moves and what its challengers are like.

    `kept` is the correlation of the true score with that of 12 months before, `kept_by_shock` with that of the month
    before the shock. Challengers of the months in `broken` are fitted on rows half of whose features are shuffled.
    Every challenger after the first version loses `worse`, and a half-normal amount with the standard deviation
    `spread`, both in ROC AUC. `maturity` is in months. A shock of `passes` months ends with the coefficients from
    before it.
    """

    name: str
    kept: float = 1.0
    kept_by_shock: float = 1.0
    passes: int = 0
    broken: tuple[int, ...] = ()
    worse: float = 0.0
    spread: float = 0.0
    maturity: int = 6


WORLDS = (
    World("stationary"),
    World("slow drift", kept=0.93),
    World("fast drift", kept=0.80),
    World("shock", kept_by_shock=0.75),
    World("one broken", broken=(30,)),
    World("six broken", broken=tuple(range(30, 36))),
    World("always worse", worse=0.01),
)
FURTHER = (
    World("shock that passes", kept_by_shock=0.75, passes=12),
    World("matures in 48, slow drift", kept=0.93, maturity=48),
    World("matures in 48, fast drift", kept=0.80, maturity=48),
    World("noisy versions", spread=0.04),
    World("noisy versions, slow drift", kept=0.93, spread=0.04),
    World("noisy, matures in 48, slow drift", kept=0.93, spread=0.04, maturity=48),
)


@dataclass(frozen=True)
class Placements:
    """A version's ROC AUC on some cohorts, and the placement of each event, shape (m,), and of each other row, (n,)."""

    area: float
    events: Array
    others: Array


@dataclass(frozen=True, eq=False)
class History:
    """One simulated portfolio: rows, versions, and the true metric of each version in each month of use.

    `x` has shape (cohorts, rows, features), `y` (cohorts, rows), `weights` (versions, features). `truth` is the true
    metric of each version in each month of use, `on_holdout` that on the month's holdout, both (versions, months).
    """

    world: World
    x: Array
    y: Array
    weights: Array
    truth: Array
    on_holdout: Array
    _placed: dict[tuple[int, int, int], Placements] = field(default_factory=dict, repr=False)

    def placements(self, version: int, start: int, end: int) -> Placements:
        """The version on cohorts [start, end). It is fitted on earlier ones only where version <= start - WINDOW."""
        key = (version, start, end)
        if key not in self._placed:
            scores = self.x[start:end].reshape(-1, FEATURES) @ self.weights[version]
            self._placed[key] = _place(scores, self.y[start:end].ravel() == 1)
        return self._placed[key]

    def gain(self, challenger: int, champion: int, start: int, end: int) -> Gain:
        """The gain on cohorts [start, end), with DeLong's error: as `titleholder.validation.metrics.gain` gives it."""
        a, b = (self.placements(version, start, end) for version in (challenger, champion))
        parts = [a.events - b.events, a.others - b.others]
        variances = np.array([part.var(ddof=1) / len(part) for part in parts])
        error = float(np.sqrt(variances.sum()))
        weighed = sum(v**2 / (len(part) - 1) for v, part in zip(variances, parts, strict=True))
        freedom = float(error**4 / weighed) if weighed else 1.0
        bounds = student(a.area - b.area, error, freedom, CONFIDENCE)
        return Gain(*bounds.values, "DeLong", error, freedom)

    def compare(self, cohort: int, versions: Sequence[int]) -> tuple[Array, Array]:
        """ROC AUC of some versions on one cohort, shape (versions,), and DeLong's covariance."""
        placed = [self.placements(version, cohort, cohort + 1) for version in versions]
        parts = [np.stack([p.events for p in placed]), np.stack([p.others for p in placed])]
        covariance = sum(np.atleast_2d(np.cov(part)) / part.shape[1] for part in parts)
        return np.array([p.area for p in placed]), covariance


def _place(scores: Array, event: NDArray[np.bool_]) -> Placements:
    """As `titleholder.validation.metrics.delong`, for scores without ties and few events: only those are sorted."""
    events, others = scores[event], scores[~event]
    order = np.argsort(events)
    below = np.searchsorted(events[order], others)
    placed = np.empty(len(events))
    placed[order] = np.cumsum(np.bincount(below, minlength=len(events) + 1))[:-1] / len(others)
    return Placements(float(placed.mean()), placed, 1.0 - below / len(events))


@cache
def intercept() -> float:
    """The a with which the share of events is EVENT_RATE."""
    z, mass = _normal()
    return float(optimize.brentq(lambda a: mass @ special.expit(a + LENGTH * z) - EVENT_RATE, -10, 0))


@cache
def _normal() -> tuple[Array, Array]:
    """Points of a standard normal variable and their probabilities."""
    z = np.linspace(-8, 8, 801)
    mass = stats.norm.pdf(z)
    return z, mass / mass.sum()


@cache
def _auc_by_correlation() -> tuple[Array, Array]:
    """ROC AUC of a score by its correlation with the true score: probability that an event's score is higher."""
    z, mass = _normal()
    correlations = np.linspace(-1, 1, 401)
    areas = []
    for r in correlations:
        noise = np.sqrt(1 - r**2) * z
        event = special.expit(intercept() + LENGTH * (r * z[:, None] + noise[None, :])) @ mass
        events, others = mass * event, mass * (1 - event)
        below = np.cumsum(others) - others / 2
        areas.append(events @ below / (events.sum() * others.sum()))
    return correlations, np.array(areas)


def true_auc(correlation: Array | float) -> Array:
    """The true ROC AUC of a linear score whose correlation with the true one is given."""
    return np.interp(correlation, *_auc_by_correlation())


def simulate(world: World, rows: int, rng: np.random.Generator) -> History:
    """One portfolio with `rows` rows a month and one version each month."""
    b = coefficients(world, rng)
    cohorts = MONTHS + WINDOW + HOLDOUT - 1
    x = rng.standard_normal((cohorts, rows, FEATURES))
    p = special.expit(intercept() + np.einsum("cnf,cf->cn", x, b[:cohorts]))
    y = (rng.random((cohorts, rows)) < p).astype(float)
    weights = _versions(world, x, y, rng)
    by_cohort = true_auc(weights @ unit(b).T)
    holdouts = [by_cohort[:, t + WINDOW : t + WINDOW + HOLDOUT].mean(axis=1) for t in range(MONTHS)]
    in_use = by_cohort[:, WINDOW + HOLDOUT + world.maturity :]
    return History(world, x, y, weights, in_use, np.array(holdouts).T)


def coefficients(world: World, rng: np.random.Generator) -> Array:
    """b for each cohort, shape (cohorts, features): its direction is a random walk, with a jump at the shock."""
    lag = WINDOW + HOLDOUT + world.maturity
    steps = rng.standard_normal((MONTHS + lag, FEATURES))
    turn = rng.standard_normal(FEATURES)
    b = [unit(steps[0])]
    monthly = world.kept ** (1 / 12)
    for step in steps[1:]:
        b.append(_turned(b[-1], step, monthly))
    path = np.array(b)
    start = lag + SHOCK
    end = start + world.passes if world.passes else len(path)
    path[start:end] = [_turned(row, turn, world.kept_by_shock) for row in path[start:end]]
    return LENGTH * path


def fit(history: History, start: int, end: int) -> Array:
    """The fitted weights of a version on cohorts [start, end), shape (features,), scaled to the length 1."""
    rows, y = history.x[start:end].reshape(-1, FEATURES), history.y[start:end].ravel()
    return unit(_fit(rows, y, np.zeros(FEATURES + 1))[1:])


def _versions(world: World, x: Array, y: Array, rng: np.random.Generator) -> Array:
    """The fitted weights of each month's version, shape (months, features), scaled to the length 1."""
    noise = rng.standard_normal((MONTHS, FEATURES))
    loss = world.worse + np.abs(rng.standard_normal(MONTHS)) * world.spread / np.sqrt(1 - 2 / np.pi)
    loss[0] = loss[0] - world.worse
    shuffles = np.random.default_rng(rng.integers(2**32))
    weights, start = [], np.zeros(FEATURES + 1)
    for t in range(MONTHS):
        rows = x[t : t + WINDOW].reshape(-1, FEATURES)
        if t in world.broken:
            rows = rows.copy()
            rows[:, ::2] = shuffles.permutation(rows[:, ::2])
        fitted = _fit(rows, y[t : t + WINDOW].ravel(), start)
        start = start if t in world.broken else fitted
        found = unit(fitted[1:])
        weights.append(_turned(found, noise[t], _correlation_after(loss[t])) if loss[t] > 0 else found)
    return np.array(weights)


def _correlation_after(loss: float) -> float:
    """By how much a score's correlation with the true one must shrink for its ROC AUC to fall by `loss`, about."""
    return float(np.clip(1 - loss / (true_auc(1.0) - 0.5), 0.0, 1.0))


def _fit(x: Array, y: Array, start: Array) -> Array:
    """Intercept and coefficients of a logistic regression with a ridge penalty.

    By Newton's method from `start`, last month's; the Hessian is renewed every fifth step only.
    """
    beta = start.copy() if start.any() else np.append(special.logit(y.mean()), start[1:])
    penalty = np.append(0.0, np.full(x.shape[1], PENALTY))
    for step in range(50):
        p = special.expit(beta[0] + x @ beta[1:])
        if step % 5 == 0:
            hessian = _hessian(x, p * (1 - p)) + np.diag(penalty)
        error = y - p
        change = np.linalg.solve(hessian, np.append(error.sum(), error @ x) - penalty * beta)
        beta += change
        if np.abs(change).max() < 1e-3:
            break
    return beta


def _hessian(x: Array, weight: Array) -> Array:
    weighted = x * weight[:, None]
    edge = weighted.sum(axis=0)
    return np.block([[weight.sum(), edge[None, :]], [edge[:, None], x.T @ weighted]])


def unit(vectors: Array) -> Array:
    """The vectors along the last axis, scaled to the length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _turned(start: Array, noise: Array, correlation: float) -> Array:
    """A unit vector with this correlation to the unit vector `start`, in the direction of `noise`."""
    other = unit(noise - (noise @ start) * start)
    return correlation * start + np.sqrt(1 - correlation**2) * other
