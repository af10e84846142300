"""What a walk through a lane comes to: means, differences between policies, what other rules would have done (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, Self

import numpy as np
from pydantic import Field
from scipy import stats

from titleholder import formatting
from titleholder.ledger.decision import Decision
from titleholder.spec.cadence import Cadence, cadence
from titleholder.spec.criteria import Judgement
from titleholder.spec.metrics import METRICS
from titleholder.workflow.backtest.ageing import Ageing
from titleholder.workflow.backtest.periods import CONTRASTS, POLICIES, BacktestPart, Policy
from titleholder.workflow.backtest.policies import Contrast, PeriodResult, PolicyGain, contrast_name


class PolicySummary(BacktestPart):
    """A policy over the periods compared: its mean metric, its profit, and how often another version came into use.

    `regret` is how far the mean lies behind hindsight's, so at least zero. `changes` are those of the whole lane,
    `changes_compared` those that the compared periods saw. `coverage` is the share of the outcomes of all compared rows
    at or below a predicted quantile; None where the metric judges none.
    """

    mean: float
    regret: float
    changes: int
    changes_compared: int
    profit: float | None = None
    profit_a_row: float | None = None
    coverage: float | None = None


class Overall(BacktestPart):
    """The answer: each policy's summary and the differences between them, over `periods` periods compared of `of`.

    `together` says that clusters reach over several periods: errors are then added as if wholly dependent.
    """

    periods: int
    of: int
    rows: int
    together: bool
    policies: dict[Policy, PolicySummary] = Field(default={})
    contrasts: dict[str, Contrast] = Field(default={})


def overall(found: Sequence[PeriodResult], *, confidence: float, together: bool = False) -> Overall:
    """Means over the periods compared and the differences between policies; empty where no period is."""
    compared = [m for m in found if m.compared]
    bare = Overall(periods=len(compared), of=len(found), rows=sum(m.rows for m in compared), together=together)
    if not compared:
        return bare
    pairs = [contrast_name(pair) for pair in CONTRASTS]
    return bare.model_copy(
        update={
            "policies": {p: _summary(p, compared, found) for p in POLICIES},
            "contrasts": {name: combined(name, compared, confidence, together=together) for name in pairs},
        }
    )


def combined(name: str, compared: Sequence[PeriodResult], confidence: float, *, together: bool = False) -> Contrast:
    """A difference over these periods: the mean of the metric's, the sum of the profits', with normal intervals.

    The interval tells how sure the figure is for *these* periods and *these* models: periods are not taken for a sample
    of other periods. No row is in two periods, so the errors are taken for independent and their squares add up; the
    normal bound rests on the central limit theorem over all periods' rows. Where clusters have rows in several periods
    (`together`) the errors themselves add up: the standard deviation of a sum is never more than the sum of standard
    deviations, whatever the dependence (Minkowski), so the interval is then too wide rather than too narrow.
    """
    n, contrasts = len(compared), [m.contrasts[name] for m in compared]
    profits = [c.profit for c in contrasts if c.profit is not None]
    return Contrast(
        metric=_sum([c.metric for c in contrasts], 1 / n, confidence, together),
        profit=_sum(profits, 1.0, confidence, together) if profits else None,
    )


def _sum(found: Sequence[PolicyGain], factor: float, confidence: float, together: bool) -> PolicyGain:
    errors = np.array([d.error for d in found])
    error = factor * float(errors.sum() if together else np.sqrt((errors**2).sum()))
    estimate, reach = factor * math.fsum(d.estimate for d in found), float(stats.norm.ppf(0.5 + confidence / 2)) * error
    return PolicyGain(estimate=estimate, lower=estimate - reach, upper=estimate + reach, error=error)


def running(
    name: str, found: Sequence[PeriodResult], confidence: float, *, together: bool
) -> list[tuple[date, Contrast]]:
    """The difference over the periods compared up to each of them."""
    compared = [m for m in found if m.compared]
    return [
        (m.period.as_of, combined(name, compared[:n], confidence, together=together))
        for n, m in enumerate(compared, start=1)
    ]


def _summary(policy: Policy, compared: Sequence[PeriodResult], found: Sequence[PeriodResult]) -> PolicySummary:
    figures, best = [m.figures[policy] for m in compared], [m.figures["hindsight"] for m in compared]
    profits = [f.profit for f in figures if f.profit is not None]
    profit, weight = math.fsum(profits) if profits else None, math.fsum(m.weight for m in compared)
    covered = [m.weight * f.coverage for m, f in zip(compared, figures, strict=True) if f.coverage is not None]
    return PolicySummary(
        mean=math.fsum(f.metric for f in figures) / len(figures),
        regret=math.fsum(abs(b.metric - f.metric) for b, f in zip(best, figures, strict=True)) / len(figures),
        changes=changes(_versions(policy, found)),
        changes_compared=changes(f.version for f in figures),
        profit=profit,
        profit_a_row=None if profit is None else profit / weight,
        coverage=math.fsum(covered) / weight if covered else None,
    )


def _versions(policy: Policy, found: Sequence[PeriodResult]) -> list[int | None]:
    if policy == "hindsight":
        return [m.figures[policy].version for m in found if policy in m.figures]
    return [m.period.used(policy) for m in found]


def changes(versions: Iterable[int | None]) -> int:
    """How often another version came into use; the first one is no change."""
    had = [v for v in versions if v is not None]
    return sum(a != b for a, b in pairwise(had))


def mean_of(versions: Sequence[int | None], found: Sequence[PeriodResult]) -> tuple[float | None, int]:
    """The mean metric of whoever was champion over the periods compared in which somebody was; and their number.

    Periods of a version that could not be asked are left out too.
    """
    pairs = zip(versions, found, strict=True)
    values = [m.estimates[v] for v, m in pairs if m.compared and v is not None and v in m.estimates]
    return (math.fsum(values) / len(values) if values else None), len(values)


class Setting(BacktestPart):
    """Values of the judgement that a lane is replayed with.

    >>> Setting.of(Judgement(metric="brier"))
    Setting(rule='record', tolerated_loss=0.005, minimum_gain=0.0, confidence=0.95, horizon=None)
    """

    rule: str
    tolerated_loss: float
    minimum_gain: float
    confidence: float
    horizon: int | None = None

    def tolerated(self, metric: str) -> str:
        """The tolerated loss as text, in percent where that of the metric is a share; a dash under `sequential`.

        >>> setting = Setting.of(Judgement(metric="rmse"))
        >>> setting.tolerated("rmse"), setting.tolerated("roc_auc")
        ('1%', '0.01')
        """
        if self.rule == "sequential":
            return formatting.NOTHING
        share = METRICS[metric].share_of is not None
        return f"{formatting.exact(100 * self.tolerated_loss)}%" if share else formatting.exact(self.tolerated_loss)

    @classmethod
    def of(cls, judgement: Judgement) -> Self:
        """The values of a spec; of its horizon only under the rule that has one."""
        return cls(
            rule=judgement.rule,
            tolerated_loss=judgement.tolerance,
            minimum_gain=judgement.minimum_gain,
            confidence=judgement.confidence,
            horizon=judgement.horizon if judgement.rule == "sequential" else None,
        )


class WhatIf(BacktestPart):
    """What a lane would have been under other values.

    `first` is the as-of date of the first champion, `changed` are those of which another version took over, `champions`
    the versions that came in with these. `mean` is the mean metric of whoever was champion, over `periods` of the
    periods compared. `own` marks the spec's own values.
    """

    setting: Setting
    own: bool
    first: date | None
    changed: tuple[date, ...]
    champions: tuple[int, ...]
    mean: float | None
    periods: int


def what_if(setting: Setting, replayed: Sequence[Decision], found: Sequence[PeriodResult], *, own: bool) -> WhatIf:
    """The figures of one replayed line."""
    reigning = [next((r.champion_after for r in reversed(replayed) if r.as_of <= m.period.as_of), None) for m in found]
    mean, count = mean_of(reigning, found)
    crowned = [(row.as_of, row.champion_after) for row in replayed if row.changed and row.champion_after is not None]
    return WhatIf(
        setting=setting,
        own=own,
        first=crowned[0][0] if crowned else None,
        changed=tuple(as_of for as_of, _ in crowned[1:]),
        champions=tuple(version for _, version in crowned),
        mean=mean,
        periods=count,
    )


def same_line(replayed: Sequence[Decision], decided: Sequence[Decision]) -> bool:
    """Whether a replayed line has the decisions of the ledger."""

    def of(rows: Sequence[Decision]) -> list[Any]:
        return [(r.as_of, r.kind, r.challenger_version, r.champion_before, r.champion_after) for r in rows]

    return of(replayed) == of(decided)


class Backtest(BacktestPart):
    """A lane walked through: what was looked at, what came of it, and the answer.

    `labels_as_of` is the date as of which outcomes are known, `matured` the event time from which on they are not yet.
    `quantile` is the one that is predicted, None where it is none.
    `reproduced` says whether the replay under the spec's own values gave the ledger's decisions, `ageing` what
    age costs.
    """

    model: str
    description: str
    owner: str
    lane: str
    schedule: str | None
    task: str
    metric: str
    greater_is_better: bool
    rule: str
    confidence: float
    with_profit: bool
    quantile: float | None
    labels_as_of: date
    matured: date
    snapshot_uri: str
    snapshot_sha256: str
    head_hash: str
    code_version: str
    actor: str
    run_id: str
    periods: tuple[PeriodResult, ...]
    overall: Overall
    what_if: tuple[WhatIf, ...]
    reproduced: bool
    ageing: Ageing

    @property
    def cadence(self) -> Cadence:
        """What its periods are called."""
        return cadence(self.schedule)
