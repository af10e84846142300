"""What becomes of one month's loans: when each instalment falls due, is paid, or never is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demo.lender import economy, risk
from demo.lender.calendar import Array, add_months, month_of, wave
from demo.lender.population import TERMS, Random

NEVER = 99  # the number of an instalment that no loan reaches


@dataclass(frozen=True)
class Loans:
    """The true course of one month's loans. Rows are loans; the columns of the matrices are instalments 1 to 6."""

    ids: Array
    due: Array  # days
    cents: Array  # zero after the term
    paid: Array  # days; NaT where it never is
    missed: Array  # number of the first instalment never paid, or NEVER


def lend(rng: Random, month: int, a: pd.DataFrame, seed: int) -> Loans:
    """Draw each loan's first unpaid instalment from a hazard over its life, its due month's season and the economy."""
    number = np.arange(1, TERMS.max() + 1)
    active = number <= a["term"].to_numpy()[:, None]
    days = a["applied_at"].dt.tz_localize(None).to_numpy().astype("M8[D]")
    due = add_months(days[:, None], number)
    due_month = month_of(due)
    seasoning = np.array([-0.55, 0.15, 0.25, 0.0, -0.2, -0.4]) + 0.18 * wave(due_month, 12, 0)
    hazard = -4.2 + risk.log_odds(month, a, seed)[:, None] + seasoning + economy.level(due_month, seed)
    fails = active & (rng.random(due.shape) < 1 / (1 + np.exp(-hazard)))
    missed = np.where(fails.any(axis=1), fails.argmax(axis=1) + 1, NEVER)
    late = rng.random(due.shape) < 0.05 + 0.03 * economy.stress(due_month)
    slip = np.where(late, rng.integers(9, 41, due.shape), rng.integers(-3, 4, due.shape))
    paid = np.where(active & (number < missed[:, None]), due + slip, np.datetime64("NaT", "D"))
    return Loans(a["application_id"].to_numpy(), due, _split(a, active), paid, missed)


def _split(a: pd.DataFrame, active: Array) -> Array:
    """Equal instalments in cents; the first includes the remainder."""
    cents, term = (a["amount"].to_numpy() * 100).round().astype(int), a["term"].to_numpy()
    parts = active * (cents // term)[:, None]
    parts[:, 0] += cents % term
    return np.asarray(parts)
