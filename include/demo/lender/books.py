"""The lender's books: the tables of facts of the months before a date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from demo.lender import drift, economy, outcomes, population, records
from titleholder.errors import UsageError

VERSION = 3  # raise it when the same arguments would give other rows
LAG = 4  # months of unemployment rates before the first loan: they come out late


@dataclass(frozen=True)
class Lender:
    """Tables of facts; nothing in them was recorded at `end` or later.

    Append-only and ordered by `recorded_at`: `applications`, one row per loan granted, as it looked that day;
    `instalments` and `outcomes`, what the lender believed from `recorded_at` until the next row of the same instalment
    or loan. `unemployment` has versions: a region's rate of one month, as it was published from `recorded_from` until
    it was revised at `recorded_to` (empty as long as it stands).
    """

    applications: pd.DataFrame
    instalments: pd.DataFrame
    outcomes: pd.DataFrame
    unemployment: pd.DataFrame
    fingerprint: str

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name, each after those that it refers to."""
        names = ("applications", "instalments", "outcomes", "unemployment")
        return {name: getattr(self, name) for name in names}


def simulate(end: date, months: int = 48, per_month: int = 2000, seed: int = 10) -> Lender:
    """The books of the `months` before `end` (a first of the month), at least `per_month` applications in each.

    Two calls that differ in `end` or `months` agree on every fact that both contain.

    >>> simulate(date(2026, 12, 1), months=1, per_month=10).applications.shape
    (13, 14)
    """
    _check_arguments(end, months, per_month)
    last = end.year * 12 + end.month - 1
    cohorts = [_cohort(month, per_month, seed) for month in range(last - months, last)]
    applications, instalments, endings = (_known_before(end, tables) for tables in zip(*cohorts, strict=True))
    rates = economy.unemployment(end, range(last - months - LAG, last), population.REGIONS, seed)
    return Lender(applications, instalments, endings, rates, fingerprint(end, months, per_month, seed))


def fingerprint(end: date, months: int, per_month: int, seed: int) -> str:
    """The identity of a simulated lender: equal fingerprints, equal rows."""
    return f"lender v{VERSION} end={end.isoformat()} months={months} per_month={per_month} seed={seed}"


def _check_arguments(end: date, months: int, per_month: int) -> None:
    if end.day != 1:
        raise UsageError(f"the simulated lender's end is {end}; expected the first day of a month")
    if months < 1:
        raise UsageError(f"the simulated lender got months={months}; expected at least 1")
    if not 1 <= per_month <= 500_000:
        raise UsageError(f"the simulated lender got per_month={per_month}; expected 1 to 500000")
    first = end.year * 12 + end.month - 1 - months - LAG
    if not drift.FIRST <= first < end.year * 12 + 12 <= drift.LAST:
        known = f"{drift.FIRST // 12} to {drift.LAST // 12 - 1}"
        raise UsageError(f"the simulated lender got end={end} and months={months}; expected a time within {known}")


def _known_before(end: date, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(tables, ignore_index=True)
    known = table[table["recorded_at"] < pd.Timestamp(end, tz="UTC")]
    return known.sort_values(["recorded_at", "application_id"], kind="stable", ignore_index=True)


def _cohort(month: int, per_month: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng([seed, month])
    applications = population.applications(rng, month, population.volume(rng, month, per_month))
    loans = outcomes.lend(rng, month, applications, seed)
    hidden = population.hide_missing(rng, applications)
    return hidden, records.instalments(rng, loans), records.endings(rng, loans)
