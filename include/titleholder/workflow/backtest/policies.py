"""Four policies side by side on the rows of one period (pure).

Outcomes are those finally known, and so are the features, so everything here is hindsight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.evidence import Array, events, informative, informative_rows
from titleholder.validation.fresh import in_unit
from titleholder.validation.metrics import Estimation, Gain, Sample
from titleholder.validation.metrics.coverage import Beyond
from titleholder.validation.metrics.inputs import Labels
from titleholder.workflow.backtest.periods import COMPARED, CONTRASTS, POLICIES, BacktestPart, Period, Policy

IMMATURE = "outcomes are not final yet"
"""Why a period is not compared of which no event has matured."""
TOO_FEW = "too few"
"""How the reason begins of one with fewer outcomes than a comparison needs."""


class ScoredRows(NamedTuple):
    """A period's outcomes, shape (n,), each version's scores of them, and what the metric needs to know of them."""

    y: Array
    scores: Mapping[int, Array]
    weights: Array | None = None
    clusters: Labels | None = None


class VersionMetric(BacktestPart):
    """A version's metric on a period's rows with its interval, and the profit of all of them where it is known.

    `coverage` is the share of outcomes at or below a predicted quantile; None where the metric judges none.
    """

    version: int
    metric: float
    lower: float
    upper: float
    profit: float | None = None
    coverage: float | None = None


class PolicyGain(BacktestPart):
    """One policy minus another, oriented so that more is better, with a two-sided interval and standard error."""

    estimate: float
    lower: float
    upper: float
    error: float


class Contrast(BacktestPart):
    """Two policies on the same rows: by the metric, and by the sum of profits where it is known."""

    metric: PolicyGain
    profit: PolicyGain | None = None


class PeriodResult(BacktestPart):
    """A period and what came of it. `why` says why it is not compared; empty where it is.

    `end` is that of the rows whose outcome is known; `weight` is their total weight, or their number, `informative`
    their number that tells one class from the other. `estimates` has the metric of every version, `profits` what it
    earns a row where that is known, `tolerated` the tolerated loss in the metric's unit; `contrasts` are named by
    `contrast_name`.
    """

    period: Period
    end: date
    rows: int
    events: int
    weight: float
    informative: int = 0
    estimates: dict[int, float] = Field(default={})
    profits: dict[int, float] = Field(default={})
    tolerated: float = 0.0
    figures: dict[Policy, VersionMetric] = Field(default={})
    contrasts: dict[str, Contrast] = Field(default={})
    why: str = ""

    @property
    def compared(self) -> bool:
        """Whether it counts in the means."""
        return not self.why


def contrast_name(pair: tuple[Policy, Policy]) -> str:
    """The name of a difference: `gate-never`."""
    return "-".join(pair)


def measure(period: Period, rows: ScoredRows, spec: ModelSpec, end: date) -> PeriodResult:
    """Each policy's metric on a period's rows, and the paired differences; `end` is where known outcomes end."""
    bare = PeriodResult(
        period=period, end=end, rows=len(rows.y), events=events(spec, rows.y),
        weight=_weight(rows), informative=informative(spec, rows.y),
        why=_unmeasurable(spec, rows.y) if end > period.as_of else IMMATURE,
    )  # fmt: skip
    if bare.why:
        return bare
    judgement = spec.judgement
    estimates = _every(judgement.metric, rows, spec)
    best = (max if judgement.greater_is_better else min)(estimates, key=lambda v: estimates[v], default=None)
    used = {**{p: period.used(p) for p in COMPARED}, "hindsight": best}
    figures = {
        p: _figure(v, estimates[v], rows, spec) for p in POLICIES if (v := used[p]) is not None and v in estimates
    }
    contrasts = {
        contrast_name((a, b)): _contrast(figures[a].version, figures[b].version, rows, spec)
        for a, b in CONTRASTS
        if a in figures and b in figures
    }
    return bare.model_copy(
        update={
            "estimates": estimates,
            "profits": _every("profit", rows, spec) if with_profit(spec) else {},
            "tolerated": _tolerated(estimates, rows, spec),
            "figures": figures,
            "contrasts": contrasts,
            "why": _why(used, figures, contrasts),
        }
    )


def _every(metric: str, rows: ScoredRows, spec: ModelSpec) -> dict[int, float]:
    """One metric of every version."""
    return {v: metrics.compute(metric, rows.y, p, spec.judgement, rows.weights) for v, p in rows.scores.items()}


def _tolerated(estimates: Mapping[int, float], rows: ScoredRows, spec: ModelSpec) -> float:
    """The tolerated loss in the metric's unit; where it is a share of a metric, of the newest version's."""
    judgement = spec.judgement
    newest = estimates[max(estimates)] if estimates else 0.0
    return in_unit(judgement, judgement.tolerance, newest, _sample(rows))


def _unmeasurable(spec: ModelSpec, y: Array) -> str:
    if not len(y):
        return "no rows with a known outcome"
    found, enough = informative(spec, y), spec.judgement.minimum_new_events
    if found >= enough:
        return ""
    return f"{TOO_FEW} {informative_rows(spec)}: {found} of {enough} (minimum_new_events)"


def _why(
    used: Mapping[Policy, int | None], figures: Mapping[Policy, VersionMetric], contrasts: Mapping[str, Contrast]
) -> str:
    if any(used[policy] is None for policy in COMPARED):
        return "no champion yet"
    if silent := sorted({str(used[policy]) for policy in COMPARED if policy not in figures}):
        who = f"version {silent[0]} needs" if len(silent) == 1 else f"versions {' and '.join(silent)} need"
        return f"{who} columns that these rows do not have"
    return "" if all(map(_known, contrasts.values())) else "the variance cannot be known on these rows"


def _known(contrast: Contrast) -> bool:
    """Whether a difference has a variance: one of zero is no certainty, unless both scored alike."""
    found = contrast.metric
    return math.isfinite(found.error) and (found.error > 0 or found.estimate == 0)


def _sample(rows: ScoredRows) -> Sample:
    return Sample(rows.y, rows.weights, rows.clusters)


def _figure(version: int, estimate: float, rows: ScoredRows, spec: ModelSpec) -> VersionMetric:
    scores, judgement = rows.scores[version], spec.judgement
    found = metrics.interval(judgement.metric, _sample(rows), scores, Estimation.of(spec))
    profit = coverage = None
    if with_profit(spec):
        a_row = metrics.compute("profit", rows.y, scores, judgement, rows.weights)
        profit = a_row * _weight(rows)
    if (quantile := judgement.predicted_quantile) is not None:
        coverage = Beyond.of(_sample(rows), scores, quantile).coverage(judgement.confidence).estimate
    return VersionMetric(
        version=version, metric=estimate, lower=found.lower, upper=found.upper, profit=profit, coverage=coverage
    )


def _contrast(a: int, b: int, rows: ScoredRows, spec: ModelSpec) -> Contrast:
    def gain(metric: str) -> Gain:
        return metrics.gain(metric, _sample(rows), rows.scores[a], rows.scores[b], Estimation.of(spec))

    profit = _times(gain("profit"), _weight(rows)) if with_profit(spec) else None
    return Contrast(metric=_times(gain(spec.judgement.metric), 1.0), profit=profit)


def with_profit(spec: ModelSpec) -> bool:
    """Whether the spec says what a row is worth."""
    return "profit" in spec.judgement.metrics(spec.task)


def _weight(rows: ScoredRows) -> float:
    return float(len(rows.y) if rows.weights is None else rows.weights.sum())


def _times(gain: Gain, factor: float) -> PolicyGain:
    return PolicyGain(
        estimate=factor * gain.estimate, lower=factor * gain.lower, upper=factor * gain.upper, error=factor * gain.error
    )


def shared(clusters: Iterable[Labels]) -> bool:
    """Whether a cluster has rows in more than one period."""
    seen: set[Any] = set()
    for labels in clusters:
        own = set(np.unique(labels).tolist())
        if seen & own:
            return True
        seen |= own
    return False
