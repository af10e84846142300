"""Who is granted a loan: the mix of applicants by calendar month, and what the lender never learns of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from demo.lender.calendar import DAY, Array, seconds, start_of, utc, wave

AGE_BANDS = ["18-24", "25-34", "35-49", "50-64", "65+"]
CHANNELS = ["branch", "web", "app", "partner"]
EMPLOYMENTS = ["salaried", "self_employed", "student", "retired", "unemployed"]
PURPOSES = ["electronics", "furniture", "fashion", "travel", "health", "car_repair"]
REGIONS = ["north", "east", "south", "west", "centre", "islands"]
TERMS = np.array([3, 4, 5, 6])
Random = np.random.Generator


def volume(rng: Random, month: int, per_month: int) -> int:
    """How many loans a month has: more before Christmas, and slow growth and decline."""
    season, growth = wave(month, 12, 10.5), wave(month, 84, 24_330)
    return int(per_month * (1.20 + 0.08 * season + 0.06 * growth + rng.uniform(0, 0.04)))


def applications(rng: Random, month: int, size: int) -> pd.DataFrame:
    """One month's loans in order of application, nothing missing yet. `quality` is hidden from the lender."""
    quality = rng.normal(size=size)
    channel = _pick(rng, size, _channel_shares(month))
    age = _pick(rng, size, np.array([[1, 2, 4, 4, 3], [2, 4, 4, 2, 1], [5, 5, 3, 1, 0.3], [4, 4, 3, 2, 1]])[channel])
    jobs = np.array([[5, 1, 5, 0, 1.5], [9, 2, 0.7, 0, 1], [9, 3, 0, 0, 1], [8, 3, 0, 1, 1], [0.3, 0.3, 0, 9, 0.1]])
    employment = _pick(rng, size, jobs[age])
    earning = np.array([0.0, 0.05, -0.9, -0.35, -0.8])[employment] + 0.12 * np.minimum(age, 3)
    summer, gifts = wave(month, 12, 6), wave(month, 12, 10.5)
    purpose = _pick(rng, size, np.array([3 + 1.5 * gifts, 2, 2 + gifts, 1.5 + summer, 1, 1]))
    ticket = np.array([5.9, 6.3, 5.0, 6.5, 5.8, 6.1])[purpose] + 0.06 * gifts
    amount = np.clip(np.exp(ticket + 0.45 * rng.normal(size=size)), 60, 5000).round(2)
    applied = _moments(rng, month, size)
    nightly = np.isin(channel, [0, 3])
    return pd.DataFrame(
        {
            "application_id": (month // 12 * 100 + month % 12 + 1) * 1_000_000 + np.arange(1, size + 1),
            "applied_at": utc(applied),
            "amount": amount,
            "term": TERMS[_pick(rng, size, np.where(amount[:, None] > 400, [1, 2, 2, 5], [5, 2, 1, 1]))],
            "income": np.exp(7.6 + earning + 0.15 * quality + 0.35 * rng.normal(size=size)).round(2),
            "age_band": named(age, AGE_BANDS),
            "employment": named(employment, EMPLOYMENTS),
            "channel": named(channel, CHANNELS),
            "purpose": named(purpose, PURPOSES),
            "region": named(_pick(rng, size, [3, 2, 3, 2, 3, 1]), REGIONS),
            "prior_loans": rng.poisson(np.array([1.2, 1.0, 0.8, 0.3])[channel] * np.exp(0.2 * quality)),
            "bureau_score": np.clip(640 + 50 * quality + 50 * rng.normal(size=size), 300, 850).round(),
            "utilisation": (1 / (1 + np.exp(0.7 + 0.5 * quality + 0.9 * rng.normal(size=size)))).round(4),
            "recorded_at": utc(applied + np.where(nightly, rng.integers(1, DAY, size), rng.integers(1, 300, size))),
        }
    )


def hide_missing(rng: Random, complete: pd.DataFrame) -> pd.DataFrame:
    """Mask missing values: income and employment left out, and a bureau score that new and young customers lack."""
    young = (complete["age_band"].cat.codes == 0).to_numpy()
    chance = rng.random((3, len(complete)))
    return complete.assign(
        income=complete["income"].mask(chance[0] < 0.08),
        employment=complete["employment"].mask(chance[1] < 0.05),
        bureau_score=complete["bureau_score"].mask(chance[2] < np.where(young, 0.22, 0.07)),
    )


def named(codes: Array, names: list[str]) -> Any:
    """Categories by their codes."""
    return pd.Categorical.from_codes(codes, categories=pd.Index(names))


def _channel_shares(month: int) -> Array:
    """Partner shops grow from a twentieth to almost a half of the business over five years, at the branches' cost.

    Slower than on the public loans, where a new product (terms of 60 months) went from nothing to 37 % of the loans
    between the second half of 2009 and that of 2010.
    """
    partner = 0.24 + 0.20 * wave(month, 120, 24_325)
    return np.append(np.array([0.45, 0.35, 0.20]) * (1 - partner), partner)


def _pick(rng: Random, size: int, shares: Any) -> Array:
    """Codes 0..k-1 drawn by `shares`, of shape (k,) or (size, k); rows need not add up to one."""
    steps = np.cumsum(np.broadcast_to(shares, (size, np.shape(shares)[-1])), axis=1)
    return np.asarray((rng.random(size)[:, None] * steps[:, -1:] > steps).sum(axis=1))


def _moments(rng: Random, month: int, size: int) -> Array:
    """Seconds since 1970 within the month, ascending; most applications are in the afternoon."""
    first = start_of(month)
    days = (start_of(month + 1) - first).astype(int)
    hours = np.clip(rng.normal(15.5, 4.5, size), 0, 23.99)
    return np.sort(seconds(first) + rng.integers(0, days, size) * DAY + (hours * 3600).astype(int))
