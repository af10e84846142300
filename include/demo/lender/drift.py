"""Slow change: what makes a loan risky gains or loses strength over the years, and nothing brings it back on purpose.

**Form.** Each driver of risk has a path: an autoregression of order one in monthly steps, standard normal in any single
month, of which `HALF_LIFE` months keep one half on average. Lenders know such change as population drift (Kelly, Hand
and Adams 1999, "The impact of changing populations on classifier performance", KDD, 367-371) and as the degradation of
scorecards (Crook, Hamilton and Thomas 1992, IMA J. of Mathematics Applied in Business and Industry 4, 111-123).

**Size.** Measured on the public loans of docs/add-a-model.md by `benchmarks/drift.py` (logistic regressions on the four
years of issue 2008 to 2011; between-year variance of each coefficient by the method of moments of DerSimonian and
Laird 1986): numeric drivers vary by 0.057 where their strength is 0.19 (root mean square, per standard deviation of the
driver), categories by 0.138 where theirs is 0.44: about three tenths of the strength, `STRENGTH`.

**Speed.** There is no measurement of the half-life itself. It is set so that a model loses as much in a year as on
those loans: see docs/demo.md.
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
STRENGTH, EFFECT = 0.6, 0.27


def path(seed: int, driver: str, month: Any) -> Any:
    """The driver's standard normal deviation in a month, or in each of several.

    >>> path(7, "score", 2025 * 12) == path(7, "score", 2025 * 12)
    True
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

    The paths' standard deviation is `STRENGTH` times the root mean square of the usual effects.
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
