"""Would retraining have been worth it? A lane walked through month by month, with four policies side by side (pure).

A month's rows are the events from its as-of date to the next decision's: those for which the model chosen then was in
use. Their outcomes are those finally known, so everything here is hindsight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from titleholder import lineage, metrics, windows
from titleholder.checks.base import Array, events
from titleholder.decision import Decision
from titleholder.metrics import Gain
from titleholder.metrics.inputs import Labels
from titleholder.spec import ModelSpec

Policy = Literal["gate", "newest", "never", "hindsight"]
POLICIES: tuple[Policy, ...] = ("gate", "newest", "never", "hindsight")
COMPARED: tuple[Policy, ...] = ("gate", "newest", "never")
"""Policies that one can follow without knowing the future; means are over the months in which all have a model."""
CONTRASTS: tuple[tuple[Policy, Policy], ...] = (("gate", "never"), ("newest", "never"), ("gate", "newest"))


class Part(BaseModel):
    """What all parts of a backtest are: frozen."""

    model_config = ConfigDict(frozen=True)


class Month(Part):
    """A stretch [as_of, end) of event time, the versions there were when it began, and which each policy used."""

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


class Rows(NamedTuple):
    """A month's outcomes, shape (n,), each version's scores of them, and what the metric needs to know of them."""

    y: Array
    scores: Mapping[int, Array]
    weights: Array | None = None
    clusters: Labels | None = None


class Figure(Part):
    """A version's metric on a month's rows with its interval, and the profit of all of them where it is known."""

    version: int
    metric: float
    lower: float
    upper: float
    profit: float | None = None


class Difference(Part):
    """One policy minus another, oriented so that more is better, with a two-sided interval and standard error."""

    estimate: float
    lower: float
    upper: float
    error: float


class Contrast(Part):
    """Two policies on the same rows: by the metric, and by the sum of profits where it is known."""

    metric: Difference
    profit: Difference | None = None


class Measured(Part):
    """A month and what came of it. `why` says why it is not compared; empty where it is.

    `end` is that of the rows whose outcome is known; `weight` is their total weight, or their number. `estimates` has
    the metric of every version; `contrasts` are named as in `named`.
    """

    month: Month
    end: date
    rows: int
    events: int
    weight: float
    estimates: dict[int, float] = {}
    figures: dict[Policy, Figure] = {}
    contrasts: dict[str, Contrast] = {}
    why: str = ""

    @property
    def compared(self) -> bool:
        """Whether it counts in the means."""
        return not self.why


class Summary(Part):
    """A policy over the months compared: its mean metric, its profit, and how often another version came into use.

    `changes` are those of the whole lane, `changes_compared` those that the compared months saw.
    """

    mean: float
    changes: int
    changes_compared: int
    profit: float | None = None
    profit_a_row: float | None = None


class Overall(Part):
    """The answer: each policy's summary and the differences between them, over `months` months compared of `of`.

    `together` says that clusters reach over several months: errors are then added as if wholly dependent.
    """

    months: int
    of: int
    rows: int
    together: bool
    policies: dict[Policy, Summary] = {}
    contrasts: dict[str, Contrast] = {}


def named(pair: tuple[Policy, Policy]) -> str:
    """How a difference is called: `gate-never`."""
    return "-".join(pair)


def decisions(rows: Sequence[Decision], lane: str, until: date | None = None) -> list[Decision]:
    """The standing decisions up to a date, in as-of order.

    In the live lane a run about the past changes nothing: a decision older than one before it is left out.
    """
    taken: list[Decision] = []
    for row in lineage.standing(rows, lane):
        if (until is None or row.as_of <= until) and (not taken or row.as_of >= taken[-1].as_of):
            taken.append(row)
    return taken


def months(taken: Sequence[Decision], schedule: str | None) -> list[Month]:
    """One month for each as-of date of these decisions; the last ends one tick of the schedule later.

    `gate` is whoever reigned after the date's last decision, `newest` the newest challenger, `never` the first champion.
    """
    days = sorted({row.as_of for row in taken})
    ends = [*days[1:], *(windows.next_tick(schedule, day) for day in days[-1:])]
    found, versions, first = [], list[int](), None
    for day, end in zip(days, ends, strict=True):
        of_day = [row for row in taken if row.as_of == day]
        versions += [row.challenger_version for row in of_day if row.challenger_version is not None]
        champion = of_day[-1].champion_after
        first = champion if first is None else first
        newest = versions[-1] if versions else None
        found.append(
            Month(
                as_of=day, end=end, kind=of_day[-1].kind, versions=tuple(versions), gate=champion, newest=newest,
                never=first,
            )
        )  # fmt: skip
    return found


def measure(month: Month, rows: Rows, spec: ModelSpec, end: date) -> Measured:
    """Each policy's metric on a month's rows, and the paired differences; `end` is where known outcomes end."""
    bare = Measured(
        month=month, end=end, rows=len(rows.y), events=events(spec, rows.y) if len(rows.y) else 0,
        weight=float(len(rows.y) if rows.weights is None else rows.weights.sum()), why=_unmeasurable(spec, rows.y),
    )  # fmt: skip
    if bare.why:
        return bare
    judgement = spec.judgement
    estimates = {
        v: metrics.compute(judgement.metric, rows.y, p, judgement, rows.weights) for v, p in rows.scores.items()
    }
    best = (max if judgement.greater_is_better else min)(estimates, key=lambda v: estimates[v])
    used = {**{p: month.used(p) for p in COMPARED}, "hindsight": best}
    figures = {p: _figure(v, rows, spec) for p in POLICIES if (v := used[p]) is not None}
    contrasts = {
        named((a, b)): _contrast(figures[a].version, figures[b].version, rows, spec)
        for a, b in CONTRASTS
        if a in figures and b in figures
    }
    return bare.model_copy(
        update={"estimates": estimates, "figures": figures, "contrasts": contrasts, "why": _why(figures, contrasts)}
    )


def _unmeasurable(spec: ModelSpec, y: Array) -> str:
    if not len(y):
        return "no rows with a known outcome"
    if events(spec, y) == 0:
        return "outcomes of one class only"
    return "fewer than two outcomes of the rarer class" if events(spec, y) < 2 else ""


def _why(figures: Mapping[Policy, Figure], contrasts: Mapping[str, Contrast]) -> str:
    if any(policy not in figures for policy in COMPARED):
        return "nobody reigned yet"
    known = all(math.isfinite(c.metric.error) for c in contrasts.values())
    return "" if known else "the variance cannot be known on these rows"


def _how(spec: ModelSpec, rows: Rows) -> dict[str, Any]:
    judgement = spec.judgement
    return {
        "confidence": judgement.confidence,
        "resamples": judgement.resamples,
        "seed": spec.training.seed,
        "judgement": judgement,
        "weights": rows.weights,
        "clusters": rows.clusters,
    }


def _figure(version: int, rows: Rows, spec: ModelSpec) -> Figure:
    scores, metric = rows.scores[version], spec.judgement.metric
    found = metrics.interval(metric, rows.y, scores, **_how(spec, rows))
    profit = None
    if with_profit(spec):
        a_row = metrics.compute("profit", rows.y, scores, spec.judgement, rows.weights)
        profit = a_row * _weight(rows)
    return Figure(version=version, metric=found.estimate, lower=found.lower, upper=found.upper, profit=profit)


def _contrast(a: int, b: int, rows: Rows, spec: ModelSpec) -> Contrast:
    def gain(metric: str) -> Gain:
        return metrics.gain(metric, rows.y, rows.scores[a], rows.scores[b], **_how(spec, rows))

    profit = _times(gain("profit"), _weight(rows)) if with_profit(spec) else None
    return Contrast(metric=_times(gain(spec.judgement.metric), 1.0), profit=profit)


def with_profit(spec: ModelSpec) -> bool:
    """Whether the spec says what a row is worth."""
    return "profit" in spec.judgement.metrics(spec.task)


def _weight(rows: Rows) -> float:
    return float(len(rows.y) if rows.weights is None else rows.weights.sum())


def _times(gain: Gain, factor: float) -> Difference:
    return Difference(
        estimate=factor * gain.estimate, lower=factor * gain.lower, upper=factor * gain.upper, error=factor * gain.error
    )


def shared(clusters: Iterable[Labels]) -> bool:
    """Whether a cluster has rows in more than one month."""
    seen: set[Any] = set()
    for labels in clusters:
        own = set(np.unique(labels).tolist())
        if seen & own:
            return True
        seen |= own
    return False


def overall(found: Sequence[Measured], *, confidence: float, together: bool = False) -> Overall:
    """Means over the months compared and the differences between policies; empty where no month is."""
    compared = [m for m in found if m.compared]
    bare = Overall(months=len(compared), of=len(found), rows=sum(m.rows for m in compared), together=together)
    if not compared:
        return bare
    pairs = [named(pair) for pair in CONTRASTS]
    return bare.model_copy(
        update={
            "policies": {p: _summary(p, compared, found) for p in POLICIES},
            "contrasts": {name: combined(name, compared, confidence, together=together) for name in pairs},
        }
    )


def combined(name: str, compared: Sequence[Measured], confidence: float, *, together: bool = False) -> Contrast:
    """A difference over these months: the mean of the metric's, the sum of the profits', with normal intervals.

    The interval tells how sure the figure is for *these* months and *these* models: months are not taken for a sample of
    other months. No row is in two months, so the errors are taken for independent and their squares add up; the normal
    bound rests on the central limit theorem over all months' rows. Where clusters have rows in several months
    (`together`) the errors themselves add up: the standard deviation of a sum is never more than the sum of standard
    deviations, whatever the dependence (Minkowski), so the interval is then too wide rather than too narrow.
    """
    n, contrasts = len(compared), [m.contrasts[name] for m in compared]
    profits = [c.profit for c in contrasts if c.profit is not None]
    return Contrast(
        metric=_sum([c.metric for c in contrasts], 1 / n, confidence, together),
        profit=_sum(profits, 1.0, confidence, together) if profits else None,
    )


def _sum(found: Sequence[Difference], factor: float, confidence: float, together: bool) -> Difference:
    errors = np.array([d.error for d in found])
    error = factor * float(errors.sum() if together else np.sqrt((errors**2).sum()))
    estimate, reach = factor * math.fsum(d.estimate for d in found), float(stats.norm.ppf(0.5 + confidence / 2)) * error
    return Difference(estimate=estimate, lower=estimate - reach, upper=estimate + reach, error=error)


def running(name: str, found: Sequence[Measured], confidence: float, *, together: bool) -> list[tuple[date, Contrast]]:
    """The difference over the months compared up to each of them."""
    compared = [m for m in found if m.compared]
    return [
        (m.month.as_of, combined(name, compared[:n], confidence, together=together))
        for n, m in enumerate(compared, start=1)
    ]


def _summary(policy: Policy, compared: Sequence[Measured], found: Sequence[Measured]) -> Summary:
    figures = [m.figures[policy] for m in compared]
    profits = [f.profit for f in figures if f.profit is not None]
    profit = math.fsum(profits) if profits else None
    return Summary(
        mean=math.fsum(f.metric for f in figures) / len(figures),
        changes=changes(_versions(policy, found)),
        changes_compared=changes(f.version for f in figures),
        profit=profit,
        profit_a_row=None if profit is None else profit / math.fsum(m.weight for m in compared),
    )


def _versions(policy: Policy, found: Sequence[Measured]) -> list[int | None]:
    if policy == "hindsight":
        return [m.figures[policy].version for m in found if policy in m.figures]
    return [m.month.used(policy) for m in found]


def changes(versions: Iterable[int | None]) -> int:
    """How often another version came into use; the first one is no change."""
    had = [v for v in versions if v is not None]
    return sum(a != b for a, b in zip(had, had[1:], strict=False))


def mean_of(versions: Sequence[int | None], found: Sequence[Measured]) -> tuple[float | None, int]:
    """The mean metric of whoever reigned, by month, over the months compared in which somebody did, and their number."""
    pairs = zip(versions, found, strict=True)
    values = [m.estimates[v] for v, m in pairs if m.compared and v is not None]
    return (math.fsum(values) / len(values) if values else None), len(values)


class Setting(Part):
    """Values of the judgement that a lane is replayed with."""

    minimum_gain: float
    confidence: float


class WhatIf(Part):
    """What a lane would have been under other values.

    `changed` are the months in which another version took over, the first champion included; `mean` is the mean metric
    of whoever reigned, over `months` of the months compared. `own` marks the spec's own values.
    """

    setting: Setting
    own: bool
    promotions: int
    changed: tuple[date, ...]
    mean: float | None
    months: int


def what_if(setting: Setting, line: Sequence[Decision], found: Sequence[Measured], *, own: bool) -> WhatIf:
    """The figures of one replayed line."""
    reigning = [next((r.champion_after for r in reversed(line) if r.as_of <= m.month.as_of), None) for m in found]
    mean, count = mean_of(reigning, found)
    changed = tuple(row.as_of for row in line if row.changed)
    promotions = sum(row.kind == "promote" for row in line)
    return WhatIf(setting=setting, own=own, promotions=promotions, changed=changed, mean=mean, months=count)


def same_line(line: Sequence[Decision], taken: Sequence[Decision]) -> bool:
    """Whether a replayed line has the decisions of the ledger."""

    def of(rows: Sequence[Decision]) -> list[Any]:
        return [(r.as_of, r.kind, r.challenger_version, r.champion_before, r.champion_after) for r in rows]

    return of(line) == of(taken)


class Backtest(Part):
    """A lane walked through: what was looked at, what came of it, and the answer.

    `labels_as_of` is the date as of which outcomes are known, `matured` the event time from which on they are not yet.
    `reproduced` says whether the replay under the spec's own values gave the ledger's decisions.
    """

    model: str
    description: str
    owner: str
    lane: str
    task: str
    metric: str
    greater_is_better: bool
    rule: str
    confidence: float
    with_profit: bool
    labels_as_of: date
    matured: date
    snapshot_uri: str
    snapshot_sha256: str
    head_hash: str
    code_version: str
    actor: str
    run_id: str
    months: tuple[Measured, ...]
    overall: Overall
    what_if: tuple[WhatIf, ...]
    reproduced: bool
