"""Would retraining have been worth it? A lane walked through period by period, with four policies side by side (pure).

A period's rows are the events from its as-of date to the next decision's: those for which the model chosen then was in
use. A rollback begins a stretch of its own on the day it was made. Outcomes are those finally known, and so are the
features, so everything here is hindsight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from titleholder.ledger import reigns
from titleholder.ledger.decision import Decision
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import DECLINE, UNJUDGED
from titleholder.validation import metrics
from titleholder.validation.evidence import Array, events, informative, informative_rows
from titleholder.validation.metrics import Estimation, Gain, Sample
from titleholder.validation.metrics.inputs import Labels

Policy = Literal["gate", "newest", "never", "hindsight"]
POLICIES: tuple[Policy, ...] = ("gate", "newest", "never", "hindsight")
COMPARED: tuple[Policy, ...] = ("gate", "newest", "never")
"""Policies that one can follow without knowing the future; means are over the periods in which all have a model."""
CONTRASTS: tuple[tuple[Policy, Policy], ...] = (("gate", "never"), ("newest", "never"), ("gate", "newest"))


class BacktestPart(BaseModel):
    """What all parts of a backtest are: frozen."""

    model_config = ConfigDict(frozen=True)


class Period(BacktestPart):
    """A stretch [as_of, end) of event time, the versions there were when it began, and which each policy used.

    `as_of` is that of its decision; of a rollback, the day on which it was made.

    >>> dates = {"as_of": date(2024, 1, 1), "end": date(2024, 2, 1)}
    >>> period = Period(**dates, kind="keep", versions=(1, 2), gate=1, newest=2, never=1)
    >>> period.used("newest")
    2
    """

    as_of: date
    end: date
    kind: str
    versions: tuple[int, ...]
    gate: int | None
    newest: int | None
    never: int | None

    def used(self, policy: Policy) -> int | None:
        """The version that a policy without hindsight used; None where it had none."""
        return dict[str, int | None](gate=self.gate, newest=self.newest, never=self.never)[policy]


class ScoredRows(NamedTuple):
    """A period's outcomes, shape (n,), each version's scores of them, and what the metric needs to know of them."""

    y: Array
    scores: Mapping[int, Array]
    weights: Array | None = None
    clusters: Labels | None = None


class VersionMetric(BacktestPart):
    """A version's metric on a period's rows with its interval, and the profit of all of them where it is known."""

    version: int
    metric: float
    lower: float
    upper: float
    profit: float | None = None


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

    `end` is that of the rows whose outcome is known; `weight` is their total weight, or their number. `estimates` has
    the metric of every version; `contrasts` are named by `contrast_name`.
    """

    period: Period
    end: date
    rows: int
    events: int
    weight: float
    estimates: dict[int, float] = {}
    figures: dict[Policy, VersionMetric] = {}
    contrasts: dict[str, Contrast] = {}
    why: str = ""

    @property
    def compared(self) -> bool:
        """Whether it counts in the means."""
        return not self.why


def contrast_name(pair: tuple[Policy, Policy]) -> str:
    """The name of a difference: `gate-never`."""
    return "-".join(pair)


def decisions(rows: Sequence[Decision], lane: str, until: date | None = None) -> list[Decision]:
    """The decisions in force up to a date, in as-of order.

    In the live lane a run about the past changes nothing: a decision older than one before it is left out. So is a
    rollback that people declined.
    """
    decided: list[Decision] = []
    for row in reigns.in_force(rows, lane):
        if row.kind == DECLINE:
            continue
        if (until is None or row.as_of <= until) and (not decided or row.as_of >= decided[-1].as_of):
            decided.append(row)
    return decided


def periods(decided: Sequence[Decision], schedule: str | None) -> list[Period]:
    """One period for each as-of date of these decisions, and for each rollback; the last ends one tick later.

    `gate` is whoever was champion after the date's last decision, `newest` the newest challenger, `never` the first
    champion.
    """
    began = _beginnings(decided)
    days = sorted(set(began))
    ends = [*days[1:], *(windows.next_tick(schedule, day) for day in days[-1:])]
    found, versions, first = [], list[int](), None
    for day, end in zip(days, ends, strict=True):
        of_day = [row for row, since in zip(decided, began, strict=True) if since == day]
        versions += [row.challenger_version for row in of_day if row.challenger_version is not None]
        champion = of_day[-1].champion_after
        first = champion if first is None else first
        newest = versions[-1] if versions else None
        found.append(
            Period(
                as_of=day, end=end, kind=of_day[-1].kind, versions=tuple(versions), gate=champion, newest=newest,
                never=first,
            )
        )  # fmt: skip
    return found


def _beginnings(decided: Sequence[Decision]) -> list[date]:
    """Since when each decision counts: its as-of date; a rollback, which people made, the day they did.

    One that was made after the next decision's as-of date never came into use by this calendar.
    """
    days: list[date] = []
    for row in reversed(decided):
        day = max(row.as_of, row.created_at.date()) if row.kind in UNJUDGED else row.as_of
        days.append(min(day, days[-1]) if days else day)
    return days[::-1]


def measure(period: Period, rows: ScoredRows, spec: ModelSpec, end: date) -> PeriodResult:
    """Each policy's metric on a period's rows, and the paired differences; `end` is where known outcomes end."""
    bare = PeriodResult(
        period=period, end=end, rows=len(rows.y), events=events(spec, rows.y),
        weight=_weight(rows), why=_unmeasurable(spec, rows.y),
    )  # fmt: skip
    if bare.why:
        return bare
    judgement = spec.judgement
    estimates = {
        v: metrics.compute(judgement.metric, rows.y, p, judgement, rows.weights) for v, p in rows.scores.items()
    }
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
            "figures": figures,
            "contrasts": contrasts,
            "why": _why(used, figures, contrasts),
        }
    )


def _unmeasurable(spec: ModelSpec, y: Array) -> str:
    if not len(y):
        return "no rows with a known outcome"
    found, enough = informative(spec, y), spec.judgement.minimum_new_events
    if found >= enough:
        return ""
    return f"too few {informative_rows(spec)}: {found} of {enough} (minimum_new_events)"


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
    scores, metric = rows.scores[version], spec.judgement.metric
    found = metrics.interval(metric, _sample(rows), scores, Estimation.of(spec))
    profit = None
    if with_profit(spec):
        a_row = metrics.compute("profit", rows.y, scores, spec.judgement, rows.weights)
        profit = a_row * _weight(rows)
    return VersionMetric(version=version, metric=estimate, lower=found.lower, upper=found.upper, profit=profit)


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
