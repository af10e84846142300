"""Does the rule `record` serve a daily model as it serves a monthly one, at the same speed per period?

    python benchmarks/cadence_record.py     some five minutes on one core

Each period brings a version, judged on the three periods before it. A version loses `drift` of ROC AUC with each period
of age, and versions differ by 0.005 beside that. Estimates are normal, correlated 0.9 within a cohort; the error of a
gain on one cohort is 0.017. The priors of the rule are in years: of periods of one day a year has 365.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

from titleholder.validation.cohort_record import CohortRecord, Member
from titleholder.validation.outlook import Rule
from titleholder.validation.record import outlook

PERIODS, HOLDOUT, WORLDS, SEED = 60, 3, 12, 15
LENGTHS, DRIFTS = {"day": 1, "week": 7, "month": 30}, (0.0, 0.001, 0.003)
ERROR, CORRELATION, SPREAD, NEWEST = 0.017, 0.9, 0.005, 3
RULE = Rule(unit=0.01, tolerated_loss=0.01, minimum_gain=0.0, confidence=0.95)


class Portfolio(NamedTuple):
    """True and estimated ROC AUC, shape (versions, periods); version v is trained on the periods before v."""

    true: np.ndarray
    found: np.ndarray
    length: int

    def day(self, number: int) -> date:
        """The first day of a period."""
        return date(2015, 1, 1) + timedelta(days=self.length * number)

    def cohort(self, period: int, versions: list[int]) -> CohortRecord:
        """What these versions did on a period."""
        n, variance = len(versions), ERROR**2 / (2 * (1 - CORRELATION))
        covariance = variance * (CORRELATION + (1 - CORRELATION) * np.eye(n))
        members = (
            Member(version=v, trained_through=self.day(v), judged_through=self.day(v + HOLDOUT)) for v in versions
        )
        return CohortRecord(
            start=self.day(period), end=self.day(period + 1), events=60, metric="roc_auc", members=tuple(members),
            values=tuple(self.found[versions, period]), covariance=tuple(covariance[np.tril_indices(n)]),
        )  # fmt: skip


def portfolio(drift: float, length: int, seed: int) -> Portfolio:
    rng = np.random.default_rng((SEED, seed))
    shape = (PERIODS, PERIODS + HOLDOUT)
    age = np.arange(shape[1]) - np.arange(PERIODS)[:, None]
    true = 0.7 - drift * age + rng.normal(scale=SPREAD, size=PERIODS)[:, None]
    scale = ERROR / np.sqrt(2 * (1 - CORRELATION))
    common, own = rng.normal(size=shape[1]), rng.normal(size=shape)
    return Portfolio(true, true + scale * (np.sqrt(CORRELATION) * common + np.sqrt(1 - CORRELATION) * own), length)


def played(of: Portfolio) -> tuple[float, float, int]:
    """The regret of the record and of always the newest, mean over the periods in use, and how often it changed."""
    champion, changes, cohorts, regrets = 0, 0, list[CohortRecord](), []
    for newest in range(1, PERIODS):
        now = newest + HOLDOUT
        versions = sorted({champion, *range(max(0, newest - NEWEST), newest), newest})
        holdout = range(newest, now)
        cohorts += [of.cohort(period, versions) for period in holdout]
        terms = {"challenger": newest, "champion": champion, "former": (), "as_of": of.day(now), "rule": RULE}
        said = outlook(cohorts, **terms)
        gain = (of.found[newest, list(holdout)] - of.found[champion, list(holdout)]).mean()
        if said is not None and said.passed and gain > 0:
            champion, changes = newest, changes + 1
        best = of.true[: newest + 1, now].max()
        regrets.append((best - of.true[champion, now], best - of.true[newest, now]))
    of_record, of_newest = np.mean(regrets, axis=0)
    return float(of_record), float(of_newest), changes


def main() -> None:
    """The mean regret over worlds, with its standard error."""
    table = Table("drift a period", "period", "regret of the record", "of always the newest", "changes in 59")
    cases = [(drift, name) for drift in DRIFTS for name in LENGTHS]
    for drift, name in track(cases, console=Console(stderr=True)):
        found = np.array([played(portfolio(drift, LENGTHS[name], seed)) for seed in range(WORLDS)])
        mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(WORLDS)
        table.add_row(
            f"{drift:g}", name, f"{mean[0]:.4f} ± {error[0]:.4f}", f"{mean[1]:.4f} ± {error[1]:.4f}", f"{mean[2]:.1f}"
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
