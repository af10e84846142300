"""What moves everybody: shocks that pass, and unemployment as it is published. Seasons are `calendar.wave`."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from demo.lender import drift
from demo.lender.calendar import DAY, Array, seconds, start_of


def stress(month: Any) -> Any:
    """How deep the economy is in a shock, 0 to 1: eight months out of every forty, one of them around May 2025.

    A shock passes. While it lasts, models of the time before are wrong; afterwards they may be right again, and those
    trained in it are not.
    """
    into = (np.asarray(month) - 24_300) % 40
    return np.where(into < 8, np.sin(np.pi * (into + 0.5) / 8) ** 2, 0.0)


def level(month: Any, seed: int) -> Any:
    """The log-odds of default that all loans have in common in a month: slow change and shocks.

    On the public loans the half-years' rates of charge-off (2008 to 2011: 10.5, 8.2, 6.4, 6.6, 5.9, 4.9, 5.3, 5.8 %)
    have a standard deviation of 0.25 in log-odds. Here it is 0.12 for the slow change and 0.12 for shocks.
    """
    return 0.12 * drift.path(seed, "level", month) + 0.5 * stress(month)


def regional(month: int, count: int, seed: int) -> Array:
    """How far each region's economy is from the country's, shape (count,), standard deviation 1."""
    paths = np.array([drift.path(seed, f"region {n}", month) for n in range(count)])
    return np.asarray(paths - paths.mean())


def unemployment(end: date, months: range, regions: list[str], seed: int) -> pd.DataFrame:
    """A first estimate some weeks after each month, and its revision two months later."""
    table = pd.concat([part for month in months for part in _published(month, regions, seed)], ignore_index=True)
    now = pd.Timestamp(end, tz="UTC").timestamp()
    known = table[table["recorded_from"] < now].sort_values("recorded_from", kind="stable", ignore_index=True)
    until = known["recorded_to"].where(known["recorded_to"] < now)
    return known.assign(
        recorded_from=pd.to_datetime(known["recorded_from"], unit="s", utc=True).astype("datetime64[us, UTC]"),
        recorded_to=pd.to_datetime(until, unit="s", utc=True).astype("datetime64[us, UTC]"),
    )


def _published(month: int, regions: list[str], seed: int) -> list[pd.DataFrame]:
    """The month's estimate and its revision, a row for each region."""
    rng, count = np.random.default_rng([seed, month, 1]), len(regions)
    rate = 5.0 + 3.0 * stress(month) + 0.8 * regional(month, count, seed) + rng.normal(0, 0.1, count)
    starts, ends = (start_of(m).astype("M8[s]") for m in (month, month + 1))
    first = int(seconds(ends)) + 20 * DAY + rng.integers(0, 5 * DAY)
    revised = first + 60 * DAY + rng.integers(0, 5 * DAY)
    names = pd.Categorical(regions, categories=pd.Index(regions))
    of = {"region": names, "valid_from": starts, "valid_to": ends}
    versions = ((first, revised, rate + rng.normal(0, 0.4, count)), (revised, np.nan, rate))
    return [
        pd.DataFrame({**of, "rate": value.clip(0.5).round(1), "recorded_from": known, "recorded_to": until})
        for known, until, value in versions
    ]
