"""How likely an applicant defaults: the drivers of risk, how strong each is in a month, and what shocks do to them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from demo.lender import drift, economy
from demo.lender.calendar import Array

CATEGORIES = {
    "employment": np.array([-0.20, 0.00, 0.10, -0.40, 0.60]),
    "channel": np.array([-0.20, 0.00, 0.20, 0.00]),
    "purpose": np.array([0.10, -0.30, 0.30, 0.50, -0.50, -0.10]),
    "region": np.array([-0.30, 0.20, 0.40, -0.20, -0.40, 0.30]),
}
"""Usual log-odds of the categories, in the order of `population`; their size is the simulation's own choice."""
NUMBERS = ("score", "utilisation", "burden", "prior")
TYPICAL = np.array([0.77, 0.10, 0.64, -0.90])
"""The mean of each driver: a change of its strength moves risk between applicants, not the level."""


def log_odds(month: int, a: pd.DataFrame, seed: int) -> Array:
    """Log-odds of each applicant's default, season and level of the economy apart. Strengths change, signs never do:

    risk rises with utilisation and with the instalment's share of income, falls with the score and with prior loans.
    Partner shops follow rules of their own: what is known of an applicant there says less, as where loans are passed on
    (Rajan, Seru and Vig 2015, "The failure of models that predict failure", J. of Financial Economics 115, 237-260).
    """
    categories = sum(_effects(name, month, a, seed) for name in CATEGORIES)
    return np.asarray(_numbers(month, a, seed) + categories)


def _numbers(month: int, a: pd.DataFrame, seed: int) -> Array:
    """What the numeric drivers add, by their strengths of the month."""
    partner, new, stress = a["channel"] == "partner", a["prior_loans"] == 0, economy.stress(month + 2)
    score = (a["bureau_score"] - 640) / 70
    burden = np.log(a["amount"] / a["term"] / a["income"]) + 3.5
    drivers = np.column_stack(
        [
            np.maximum(0.6 - score, 0),
            np.maximum(a["utilisation"] - 0.45, 0) * 2,
            np.clip(burden + 0.3, 0, 1.5),
            -np.minimum(a["prior_loans"], 4),
        ]
    )
    usual = np.column_stack(
        [
            np.where(partner, 0.25, np.where(new, 0.6, 0.4)),
            np.where(partner, 1.8, 1.2 + 0.4 * stress),
            np.where(new, 0.6, 0.3),
            np.full(len(a), 0.25),
        ]
    )
    return np.asarray(((drivers - TYPICAL) * usual) @ drift.strengths(seed, NUMBERS, month))


def _effects(name: str, month: int, a: pd.DataFrame, seed: int) -> Array:
    """The category's effect now; a shock hits the self-employed."""
    now = drift.effects(seed, name, month, CATEGORIES[name])
    if name == "employment":
        now = now + np.array([0, 0.5, 0, 0, 0]) * economy.stress(month + 2)
    return np.asarray(now[a[name].cat.codes.to_numpy()])
