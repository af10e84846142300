"""How often TH501 to TH503 stop a leaking feature, and how often an honest challenger, by simulation.

`python benchmarks/leaks.py [loans.parquet]`. Models are fitted on moving windows (12 months, then a holdout of 3) of
the simulated lender of `make demo`. With the file of loans of docs/add-a-model.md, honest challengers are counted there
too. A leaking feature is d * y + noise; its true ROC AUC is Phi(d / sqrt 2). Any gain counts as shown and no other
check runs, as a worst case: a challenger is crowned unless TH501 to TH503 stop it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from dateutil.relativedelta import relativedelta
from loan_models import (
    CODES,
    LAST,
    PARAMS,
    STEP,
    Champion,
    Split,
    World,
    evidence,
    fitted,
    loans,
    simulated,
    split,
)
from scipy import stats
from sklearn.pipeline import Pipeline
from tables import between_worlds, share, table

from titleholder.data import features
from titleholder.spec.model import ModelSpec
from titleholder.validation.checks import CHECKS
from titleholder.validation.checks.base import Result
from titleholder.validation.evidence import Evidence
from titleholder.validation.judging import judge
from titleholder.validation.verdict import Reign, Verdict
from titleholder.workflow import decision_policy

STRENGTHS = (0.75, 0.80, 0.88)
DRAWS = 20
AGES = (3, 12, 24)  # months between the training of the champion and of the challenger


class Challenge(NamedTuple):
    """What the three checks found about an honest challenger: in which world, and the champion's age in months."""

    world: int
    age: int
    results: list[Result]


class Leak(NamedTuple):
    """A way in which a feature leaks: from which share of the training rows on, and what the champion knows of it.

    Before the share `delivered` of the training rows the column is missing.
    """

    name: str
    since: float
    champion: str
    delivered: float = 0.0


LEAKS = (
    Leak("a new column, which the champion does not have", 0.0, "without"),
    Leak("a column that leaks since the middle of training", 0.5, "with"),
    Leak("a column that leaks in the holdout only", 1.0, "with"),
    Leak("a column that always leaked, no champion yet", 0.0, "none"),
    Leak("a column that is delivered since the middle of training, and leaks", 0.5, "with", 0.5),
    Leak("a column that is delivered since then, and leaks some months later", 0.8, "with", 0.5),
)


def verdict(found: Evidence, as_of: date) -> Verdict:
    before = as_of - relativedelta(months=12)
    reign = None if found.champion is None else Reign(version=1, as_of=before, trained_through=before)
    return judge(found, as_of=as_of, reign=reign, holdout=(as_of - relativedelta(months=3), as_of))


def crowned(found: Verdict, spec: ModelSpec, as_of: date) -> bool:
    return decision_policy.rule(spec, found, as_of=as_of, lane="backtest", newest=None).kind == "promote"


def with_leak(spec: ModelSpec) -> ModelSpec:
    numeric = (*spec.columns.numeric, "leak")
    return spec.model_copy(update={"columns": spec.columns.model_copy(update={"numeric": numeric})})


def leaking(
    rows: pd.DataFrame, y: np.ndarray, auc: float, rng: np.random.Generator, since: float = 0, delivered: float = 0
) -> pd.DataFrame:
    """The rows with a column `leak`: noise, to which d * y is added from the share `since` of the rows on.

    It is missing before the share `delivered`.
    """
    d = np.sqrt(2) * stats.norm.ppf(auc)
    leaks = np.arange(len(rows)) >= since * len(rows)
    values = d * y * leaks + rng.standard_normal(len(rows))
    return rows.assign(leak=np.where(np.arange(len(rows)) >= delivered * len(rows), values, np.nan))


def attempt(world: World, leak: Leak, auc: float, name: str, as_of: date, rng: np.random.Generator) -> Evidence:
    """One challenger with a leaking feature; the champion was trained six months earlier, before it leaked."""
    spec, wide, (training, holdout) = world.spec, with_leak(world.spec), split(world, as_of)
    rows = Split(
        leaking(training, features.target(training, spec), auc, rng, leak.since, leak.delivered),
        leaking(holdout, features.target(holdout, spec), auc, rng),
    )
    past = split(world, as_of - relativedelta(months=6)).training
    champion = None
    if leak.champion == "without":
        champion = Champion(spec, fitted(spec, name, past))
    elif leak.champion == "with":
        champion = Champion(wide, fitted(wide, name, leaking(past, features.target(past, spec), 0.5, rng)))
    return evidence(wide, rows, fitted(wide, name, rows.training), name, champion)


def leaks(per_month: int) -> Iterator[list[object]]:
    """How many were crowned, of the first twenty draws and of all, and which checks failed."""
    worlds = [simulated(per_month, seed) for seed in range(4)]
    for leak in LEAKS:
        for auc in STRENGTHS:
            won, found = [], []
            for draw in range(DRAWS):
                rng = np.random.default_rng([draw, int(100 * auc), per_month])
                as_of = date(2022, 10, 1) + relativedelta(months=draw % 32)
                name = ("scorecard", "boosting")[draw // 2 % 2]
                found.append(verdict(attempt(worlds[draw % 4], leak, auc, name, as_of, rng), as_of))
                won.append(crowned(found[-1], worlds[0].spec, as_of))
            failed = failing(v.failed() for v in found)
            yield [f"{per_month:,}", leak.name, f"{auc:.2f}", f"{sum(won[:20])} of 20", share(won), *failed]


def honest(worlds: list[World], first: date, last: date, train: int) -> Iterator[Challenge]:
    """The challengers of every quarter without a champion and against champions of every age.

    The candidates take turns, one for each world.
    """
    for number, world in enumerate(worlds):
        name, models, as_of = list(PARAMS)[number % len(PARAMS)], dict[date, Pipeline](), first
        while as_of <= last:
            rows = split(world, as_of, train)
            models[as_of] = fitted(world.spec, name, rows.training)
            for age in (0, *AGES):
                old = models.get(as_of - relativedelta(months=age)) if age else None
                if old is not None or age == 0:
                    champion = None if old is None else Champion(world.spec, old)
                    found = evidence(world.spec, rows, models[as_of], name, champion)
                    yield Challenge(number, age, [CHECKS[code](found) for code in CODES])
            as_of += relativedelta(months=STEP)


def false_alarms(worlds: list[World], what: str, first: date, last: date, train: int) -> Iterator[list[object]]:
    """Honest challengers that were stopped, by the champion's age; standard errors are those between worlds."""
    found = list(honest(worlds, first, last, train))
    for age in (0, *AGES):
        of_age = [c for c in found if c.age == age]
        stopped = pd.Series([any(r.blocks for r in c.results) for c in of_age], index=[c.world for c in of_age])
        largest = [
            np.max([c.results[2].numbers.get(name, np.nan) for c in of_age])
            for name in ("gain", "largest_rise", "new_largest")
        ]
        failed = failing(c.results for c in of_age)
        shown = ["" if np.isnan(value) else f"{value:.3f}" for value in largest]
        yield [what, age or "no champion yet", len(of_age), between_worlds(stopped), *failed, *shown]


BEGUN = (1, 3, 5, 7, 9, 11)
"""Months of the training window, of twelve, before which an honest column was not delivered."""


def newly_delivered(worlds: list[World], per_month: int, auc: float) -> Iterator[list[object]]:
    """Honest challengers that were stopped because a column began to be delivered within their training window.

    The column is honest and as strong as `auc`; the champion, from before it was delivered, has it as a missing one.
    """
    stopped: dict[int, list[list[Result]]] = {months: [] for months in BEGUN}
    for number, world in enumerate(worlds):
        for quarter in range(DRAWS // 2):
            as_of = date(2022, 10, 1) + relativedelta(months=3 * quarter)
            for months in BEGUN:
                rng = np.random.default_rng([number, quarter, months, int(100 * auc), per_month])
                column = Leak("honest", 0.0, "with", months / 12)
                found = attempt(world, column, auc, list(PARAMS)[number % len(PARAMS)], as_of, rng)
                stopped[months].append([CHECKS[code](found) for code in CODES])
    for months, results in stopped.items():
        yield [
            f"{per_month:,}",
            f"{auc:.2f}",
            months,
            share([any(r.blocks for r in each) for each in results]),
            *failing(results),
        ]


def failing(found: Iterable[Sequence[Result]]) -> list[str]:
    """How often each of the three checks failed."""
    codes = [{r.code for r in results if r.failed} for results in found]
    return [f"{np.mean([code in failed for failed in codes]):.1%}" for code in CODES]


def honest_lenders() -> Iterator[list[object]]:
    for size, count in ((300, 8), (1_000, 6), (3_000, 2)):
        worlds = [simulated(size, 100 + seed) for seed in range(count)]
        yield from false_alarms(worlds, f"{size:,}", date(2022, 4, 1), LAST, 12)


if __name__ == "__main__":
    table(
        f"Leaking features, {DRAWS} draws each: crowned (± one standard error), and the checks that failed",
        ["rows a month", "the feature", "ROC AUC alone", "crowned, first 20", "crowned", *CODES],
        (line for size in (300, 1_000) for line in leaks(size)),
    )
    table(
        "Honest challengers with a column that began to be delivered: stopped (± one standard error)",
        ["rows a month", "ROC AUC alone", "missing months of 12", "stopped", *CODES],
        (
            line
            for size in (300, 1_000)
            for auc in (0.60, 0.65)
            for line in newly_delivered([simulated(size, 100 + seed) for seed in range(4)], size, auc)
        ),
    )
    largest = ["largest gain", "largest rise", "strongest new feature"]
    alarms = ["rows a month", "champion older by (months)", "challenges", "stopped", *CODES, *largest]
    table("Honest challengers that were stopped (± one standard error, between lenders)", alarms, honest_lenders())
    if len(sys.argv) > 1:
        public = [loans(Path(sys.argv[1]))] * len(PARAMS)
        table(
            "Honest challengers on the public loans that were stopped",
            alarms,
            false_alarms(public, "all", date(2009, 10, 1), date(2011, 12, 1), 24),
        )
