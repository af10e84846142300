"""What age costs the versions of a lane, and what retraining more often is worth (pure).

The cells are those of a backtest: every version on every period that followed its decision, outcomes final. Where these
are too few they are those of the ledger's record (rule `record`): the versions that were compared on the cohorts on
which challengers were judged. Older versions are compared there because they were good, so the cost is then rather
understated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple

import numpy as np

from titleholder.spec.metrics import METRICS
from titleholder.validation.ageing import (
    COHORTS,
    MONTH,
    YEAR,
    AgeCost,
    Cell,
    Loss,
    age_cost,
    comparable,
    losses_between,
)
from titleholder.validation.cohort_record import CohortRecord, newest
from titleholder.workflow.backtest.periods import BacktestPart
from titleholder.workflow.backtest.policies import PeriodResult


class Frequency(NamedTuple):
    """How often a model could be retrained: its adverb, and the months from one time to the next."""

    name: str
    months: float


FREQUENCIES = (
    Frequency("daily", 1 / MONTH),
    Frequency("weekly", 7 / MONTH),
    Frequency("monthly", 1.0),
    Frequency("quarterly", 3.0),
    Frequency("yearly", YEAR),
)
SLACK = 0.9
"""A frequency is spoken of where ages differ by so much of what it makes them differ by."""


class FrequencyWorth(BacktestPart):
    """What retraining so often is expected to cost, on average over its use, against the most and the least often.

    `loss` is against the first of the frequencies compared, `gain` over the last; `profit` is a row's, over the last
    too, None where the spec does not say what a row is worth.
    """

    name: str
    loss: Loss
    gain: Loss
    profit: Loss | None = None


class Ageing(BacktestPart):
    """What is known of the cost of age.

    `source` says whether this is by final outcomes, or by the ledger's record, where those are too few.
    `metric` and `profit` are losses with each month of age, None where there is too little to say; `cohorts` is how
    many periods have two versions or more, `more` how many further ones are needed, `tolerated` the tolerated loss in
    the metric's unit. `worth` begins with the most frequent; empty where no two frequencies can be compared.
    """

    source: Literal["outcomes", "record"]
    metric: AgeCost | None
    profit: AgeCost | None
    cohorts: int
    more: int
    tolerated: float
    worth: tuple[FrequencyWorth, ...]


def ageing(
    found: Sequence[PeriodResult],
    trained: Mapping[int, date],
    *,
    metric: str,
    confidence: float,
    record: Sequence[Cell] = (),
    tolerated: float = 0.0,
) -> Ageing:
    """What the versions of a lane say about age.

    Args:
        found: the periods of a backtest.
        trained: the end of each version's training rows.
        metric: the one that decides.
        confidence: of the intervals.
        record: what to go by where final outcomes are too few, see `recorded`.
        tolerated: the tolerated loss in the metric's unit where no period tells.
    """
    sign = 1.0 if METRICS[metric].greater_is_better else -1.0
    cells = comparable(_cells(found, [{v: sign * e for v, e in m.estimates.items()} for m in found], trained))
    by_outcomes = age_cost(cells, confidence)
    of_profit = _cells(found, [m.profits for m in found], trained) if by_outcomes else []
    cost = by_outcomes or age_cost(record, confidence)
    used = cells if by_outcomes else record
    cohorts, known = len({cell.start for cell in cells}), [m.tolerated for m in found if m.estimates]
    return Ageing(
        source="outcomes" if by_outcomes or not cost else "record",
        metric=cost,
        profit=age_cost(of_profit, confidence),
        cohorts=cohorts,
        more=max(COHORTS - cohorts, 0),
        tolerated=math.fsum(known) / len(known) if known else tolerated,
        worth=tuple(_worth(used, of_profit, cost.reach, _period(found), confidence)) if cost else (),
    )


def recorded(cohorts: Sequence[CohortRecord], metric: str, basis: str) -> list[Cell]:
    """The cells of the ledger's record by one metric with one meaning; of cohorts that overlap, the last one's."""
    known = [cohort for cohort in cohorts if (cohort.metric, cohort.basis) == (metric, basis) and cohort.events]
    return [
        Cell(member.version, member.trained_through, cohort.start, cohort.end, value, cohort.events)
        for cohort in newest(known)
        for member, value in zip(cohort.members, cohort.values, strict=True)
    ]


def _cells(
    found: Sequence[PeriodResult], values: Sequence[Mapping[int, float]], trained: Mapping[int, date]
) -> list[Cell]:
    return [
        Cell(version, trained[version], m.period.as_of, m.end, value, m.informative)
        for m, of_versions in zip(found, values, strict=True)
        for version, value in of_versions.items()
        if version in trained and m.informative and math.isfinite(value)
    ]


def _period(found: Sequence[PeriodResult]) -> float:
    """The usual months between two decisions."""
    return float(np.median([(m.period.end - m.period.as_of).days for m in found])) / MONTH


def _worth(
    cells: Sequence[Cell], of_profit: Sequence[Cell], reach: float, period: float, confidence: float
) -> list[FrequencyWorth]:
    """From the schedule's own frequency to the least frequent that the curve reaches, a year at most."""
    possible = [f for f in FREQUENCIES if f.months >= SLACK * period]
    known = [f for n, f in enumerate(possible) if n == 0 or reach >= SLACK * (f.months - period)]
    if len(known) < 2:
        return []
    first, last = known[0].months, known[-1].months
    gains = [(f.months, last) for f in known]
    losses = losses_between(cells, confidence, period, [*((first, f.months) for f in known), *gains])
    profits = losses_between(of_profit, confidence, period, gains)
    count = len(known) if losses else 0
    return [
        FrequencyWorth(name=f.name, loss=losses[n], gain=losses[count + n], profit=profits[n] if profits else None)
        for n, f in enumerate(known[:count])
    ]
