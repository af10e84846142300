"""Slow change: what makes a loan risky gains or loses strength over the years, and nothing brings it back on time.

**Form.** Each driver of risk has a path: an autoregression of order one in monthly steps, standard normal in any single
month, of which `HALF_LIFE` months keep one half on average. Lenders know such change as population drift (Hand 2006,
"Classifier technology and the illusion of progress", Statistical Science 21, 1-14; Kelly, Hand and Adams 1999, "The
impact of changing populations on classifier performance", KDD, 367-371).

**Size.** Measured on the public loans of docs/add-a-model.md by `benchmarks/drift.py`, between the years of issue 2008
to 2011: effects of numbers vary by 0.30 of their size, effects of categories by 0.31. Four years of a path with this
half-life vary less than the path does in the long run, by a factor of 0.65. `STRENGTH` and `EFFECT` give lenders that
vary between years by 0.24 (numbers) and 0.37 (categories) of the size.

**Speed.** The half-life itself is not measured. It is set so that a model loses some 0.010 of ROC AUC in a year: what
one loses on the public loans where the newer model learns from as many rows. docs/demo.md has both curves.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.signal import lfilter

from demo.lender.calendar import Array

FIRST, LAST = 1900 * 12, 2200 * 12
"""The months that have a path."""
HALF_LIFE = 24
STRENGTH = 0.6
"""Standard deviation of the logarithm of a number's strength."""
EFFECT = 0.27
"""Standard deviation of a category's log-odds."""


def path(seed: int, driver: str, month: Any) -> Any:
    """The driver's standard normal deviation in a month, or in each of several.

    >>> path(7, "score", np.arange(2025 * 12, 2026 * 12)).shape
    (12,)
    """
    return _path(seed, driver)[np.asarray(month) - FIRST]


def strengths(seed: int, drivers: Sequence[str], month: int) -> Array:
    """Positive factors on the drivers' effects, shape (k,): log-normal, so that signs never change.

    Their mean square is one: drivers gain and lose against each other, and risk stays about as predictable as it was.
    """
    factors = np.exp(STRENGTH * np.array([path(seed, driver, month) for driver in drivers]))
    return np.asarray(factors / np.sqrt(np.mean(factors**2)))


def effects(seed: int, driver: str, month: int, usual: Array) -> Array:
    """The log-odds of categories in a month, shape (k,): the usual ones, and a path for each; they sum to zero.

    Each path has the standard deviation `EFFECT`.
    """
    paths = np.array([path(seed, f"{driver} {n}", month) for n in range(len(usual))])
    now = usual + EFFECT * paths
    return np.asarray(now - now.mean())


@lru_cache(maxsize=1000)
def _path(seed: int, driver: str) -> Array:
    kept = 0.5 ** (1 / HALF_LIFE)
    noise = np.random.default_rng([seed, zlib.crc32(driver.encode()), 0]).normal(size=LAST - FIRST)
    noise[1:] *= np.sqrt(1 - kept**2)
    return np.asarray(lfilter([1], [1, -kept], noise))
