"""How often the interval of the cost of age covers the truth, and how wide it is: simulated lanes of several kinds.

    python benchmarks/age_cost.py                  # 1,000 lanes of each kind and length
    python benchmarks/age_cost.py --lanes 200

A lane has one version a month, each measured on its own and every later month. All is in units of the tolerated loss;
a month of age costs 0.1, so yearly retraining loses 0.55 of it against monthly. What varies besides, by world:

- `cells`: each version on each month, by 0.5.
- `versions`: also the versions, by 0.6 on all months alike.
- `neighbours`: the same, but a version has 0.8 of its predecessor's luck: they share most of their training rows.
- `months`: also the cost of age, from month to month, by 0.1.
- `all three`: versions by 0.6 with 0.8 of their predecessor's luck, and the cost of age by 0.05.
- `random walk`: what is learned walks away from what was true, in five directions; a version loses the square of the
  distance. The cost of age is then 0.1 only in the long run: each history has its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from titleholder.validation.ageing import Cell, Loss, age_cost, losses_between

Array = NDArray[np.float64]
COST, CONFIDENCE = 0.1, 0.95
REACH = 9.9
"""Of the curve, in months, for `titleholder advise` to speak of yearly retraining."""
LENGTHS = (11, 13, 18, 24, 36)
NOISE, LUCK, KEPT = 0.5, 0.6, 0.8
World = Callable[[np.random.Generator, int, Array, Array], Array]
"""Values without the noise of each cell, shape (n,), of versions and months at these places, shape (n,)."""


def _neighbours(rng: np.random.Generator, months: int) -> Array:
    """The luck of versions that share training rows, shape (months,): a stationary autoregression."""
    shocks = rng.normal(size=months) * np.sqrt(1 - KEPT**2)
    shocks[0] = rng.normal()
    return LUCK * np.asarray(signal.lfilter([1.0], [1.0, -KEPT], shocks))


def cells(_rng: np.random.Generator, _months: int, version: Array, month: Array) -> Array:
    """Nothing but age and noise."""
    return -COST * (month - version)


def versions(rng: np.random.Generator, months: int, version: Array, month: Array) -> Array:
    """Versions that differ, each on its own."""
    return cells(rng, months, version, month) + LUCK * rng.normal(size=months)[version.astype(int)]


def neighbours(rng: np.random.Generator, months: int, version: Array, month: Array) -> Array:
    """Versions that differ, neighbours less."""
    return cells(rng, months, version, month) + _neighbours(rng, months)[version.astype(int)]


def months_differ(rng: np.random.Generator, months: int, version: Array, month: Array) -> Array:
    """A cost of age of each month's own."""
    return -(COST + 0.1 * rng.normal(size=months)[month.astype(int)]) * (month - version)


def all_three(rng: np.random.Generator, months: int, version: Array, month: Array) -> Array:
    """Versions that differ, neighbours less, and a cost of age of each month's own."""
    own = COST + 0.05 * rng.normal(size=months)[month.astype(int)]
    return _neighbours(rng, months)[version.astype(int)] - own * (month - version)


def random_walk(rng: np.random.Generator, months: int, version: Array, month: Array) -> Array:
    """A truth that walks away."""
    truth = np.cumsum(rng.normal(size=(months, 5)), axis=0)
    return -COST / 5 * ((truth[month.astype(int)] - truth[version.astype(int)]) ** 2).sum(axis=1)


WORLDS: dict[str, World] = {
    "cells": cells,
    "versions": versions,
    "neighbours": neighbours,
    "months": months_differ,
    "all three": all_three,
    "random walk": random_walk,
}


def lane(world: World, months: int, rng: np.random.Generator) -> list[Cell]:
    """One simulated lane."""
    month, version = (places.astype(float) for places in np.tril_indices(months))
    values = world(rng, months, version, month) + NOISE * rng.normal(size=len(month))
    days = [date(2020 + n // 12, n % 12 + 1, 1) for n in range(months + 1)]
    return [
        Cell(v, days[v], days[m], days[m + 1], float(value), 1.0)
        for v, m, value in zip(version.astype(int).tolist(), month.astype(int).tolist(), values, strict=True)
    ]


def measured(losses: list[Loss], truth: float) -> str:
    """The share of intervals with the truth in them, and of those above zero; the median half width; the bias."""
    if not losses:
        return "none | none | none | none"
    low, middle, high = (np.array([getattr(loss, name) for loss in losses]) for name in ("lower", "estimate", "upper"))
    covered = float(((low <= truth) & (high >= truth)).mean())
    error = np.sqrt(covered * (1 - covered) / len(losses))
    half, bias = float(np.median(high - low)) / 2, float(middle.mean() - truth)
    return f"{covered:.1%} ± {error:.1%} | {(low > 0).mean():.0%} | {half:.3f} | {bias:+.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=19)
    asked = parser.parse_args()
    each = "covered | shown | half width | bias"
    print(f"| world | months | a month of age: {each} | yearly against monthly: {each} |\n|---|---:{8 * '|---:'}|")
    for name, world in WORLDS.items():
        for months in LENGTHS:
            rng = np.random.default_rng(asked.seed)
            lanes = [lane(world, months, rng) for _ in range(asked.lanes)]
            costs = [age_cost(of, CONFIDENCE) for of in lanes]
            year = [
                losses_between(of, CONFIDENCE, 1.0, [(1.0, 12.0)])[0]
                for of, cost in zip(lanes, costs, strict=True)
                if cost and cost.reach >= REACH
            ]
            both = f"{measured([c.month for c in costs if c], COST)} | {measured(year, 5.5 * COST)}"
            print(f"| {name} | {months} | {both} |", flush=True)


if __name__ == "__main__":
    main()
