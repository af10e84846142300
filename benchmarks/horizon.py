"""The evidence that a horizon asks for, by simulation: the table of `titleholder.validation.horizon`, and its promise.

    python benchmarks/horizon.py             the table of the package, and how often a line that is no better wins
    python benchmarks/horizon.py --quick     few repetitions

Paths are drawn with the challengers being better, as the mixture weighs it, and weighed back by 1 / evidence. So every
path counts, and rare errors have small standard errors (importance sampling by the likelihood ratio).
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from titleholder.validation.horizon import ALPHAS, HORIZONS, THRESHOLDS, threshold
from titleholder.validation.sequential import beginnings, mixing_variance

Array = np.ndarray
BEYOND = ((0.05, 30), (0.03, 9), (0.07, 100), (0.15, 15))
"""Errors and horizons between those of the table."""


class Bound(NamedTuple):
    """An upper bound of the probability that a line that is no better ever wins, and its standard error."""

    value: float
    error: float


def evidence(rng: np.random.Generator, alpha: float, looks: int, paths: int) -> Array:
    """The evidence after each look, shape (paths, looks), the challengers being better; infinite from 1 / alpha on.

    The first look at which they are and by how much are drawn from the mixture's weights.
    """
    k, weights = mixing_variance(1 - alpha), beginnings(looks)
    first = rng.choice(looks + 1, size=paths, p=np.append(weights, 1 - weights.sum()))
    better = np.abs(rng.standard_normal(paths)) * np.sqrt(k)
    z = rng.standard_normal((paths, looks)) + better[:, None] * (np.arange(looks) >= first[:, None])
    return np.concatenate([_accumulated(part, k, 1 / alpha) for part in np.array_split(z, max(1, paths // 2_000))])


def _accumulated(z: Array, k: float, most: float) -> Array:
    """The evidence after each look of many reigns; it is not followed any further once it has reached `most`."""
    looks = z.shape[1]
    weights, going, sums = beginnings(looks), np.arange(len(z)), np.zeros(z.shape)
    found = np.full(z.shape, np.inf)
    for n in range(1, looks + 1):
        sums[:, :n] += z[going, n - 1, None]
        width = 1 + k * np.arange(n, 0, -1)
        scores = sums[:, :n] * np.sqrt(k / width)
        now = special.erfcx(-np.minimum(scores, 36) / np.sqrt(2)) @ (weights[:n] / np.sqrt(width))
        found[going, n - 1] = now = now + 1 - weights[:n].sum()
        going, sums = going[now < most], sums[now < most]
    return found


def bound(paths: Array, needed: float, alpha: float) -> Bound:
    """That a line that is no better wins within these looks, or ever after by the always-valid threshold.

    A path that reaches `needed` counts 1 / its evidence there; of one that does not, Ville's inequality bounds what
    comes later by alpha.
    """
    reached = paths >= needed
    first = reached.argmax(axis=1)
    weights = np.where(reached.any(axis=1), 1 / paths[np.arange(len(paths)), first], alpha)
    return Bound(float(weights.mean()), float(weights.std() / np.sqrt(len(weights))))


def smallest(paths: Array, alpha: float) -> float:
    """The smallest threshold whose bound, three standard errors up, stays within alpha."""

    def excess(needed: float) -> float:
        found = bound(paths, needed, alpha)
        return found.value + 3 * found.error - alpha

    if excess(1 / alpha) > 0:
        return 1 / alpha
    return float(np.ceil(1000 * optimize.brentq(excess, 1.0, 1 / alpha, xtol=1e-4)) / 1000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--paths", type=int, help="simulated reigns of each error; default 40,000")
    given = parser.parse_args()
    count = given.paths or (4_000 if given.quick else 40_000)
    print(f"### The evidence needed, {count:,} paths, seed 1\n\n| alpha | {' | '.join(map(str, HORIZONS))} |")
    print(f"|---|{'---|' * len(HORIZONS)}")
    for a, stored in zip(ALPHAS, THRESHOLDS, strict=True):
        paths = evidence(np.random.default_rng(1), a, HORIZONS[-1], count)
        cells = [f"{smallest(paths[:, :h], a):.3f} ({t:.3f})" for h, t in zip(HORIZONS, stored, strict=True)]
        print(f"| {a:g} | {' | '.join(cells)} |", flush=True)
    print("\n### The bound at errors and horizons between these, seed 2")
    print("\n| alpha | looks | evidence | bound |\n|---|---|---|---|")
    for a, h in ((0.05, 12), (0.05, 36), *BEYOND):
        found = bound(evidence(np.random.default_rng(2), a, h, count), threshold(a, h), a)
        print(f"| {a:g} | {h} | {threshold(a, h):.2f} | {found.value:.2%} ± {100 * found.error:.2f} |", flush=True)
