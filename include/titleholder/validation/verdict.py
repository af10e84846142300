"""All checks of one challenger against whoever reigns, on rows that neither has seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from titleholder.spec.windows import midnight
from titleholder.validation import checks, metrics
from titleholder.validation.checks import measured
from titleholder.validation.checks.base import Array, Evidence, Result, events, measurable
from titleholder.validation.sequential import Accumulated, Look, accumulate

COMPARED = ("champion_metrics", "challenger_interval", "champion_interval", "gain")
"""What a verdict says of both models that neither looks nor the minimum gain can change."""


class Reign(BaseModel):
    """Whoever reigned when a challenger was judged, and the evidence that earlier challengers gathered against it.

    `trained_through` and `judged_through` end the rows that it was trained on and those that it was crowned by.
    """

    model_config = ConfigDict(frozen=True)

    version: int
    as_of: date
    trained_through: date
    judged_through: date = date.min
    looks: tuple[Look, ...] = ()


class Verdict(BaseModel):
    """What was found about one challenger. Small and frozen: it travels through XCom into the ledger."""

    model_config = ConfigDict(frozen=True)

    champion: Reign | None
    candidate: str = ""
    holdout_start: date
    holdout_end: date
    rows: int
    events: int
    metric: str
    challenger_metrics: dict[str, float]
    champion_metrics: dict[str, float]
    challenger_interval: metrics.Interval | None = None
    champion_interval: metrics.Interval | None = None
    gain: metrics.Gain | None
    look: Look | None = None
    minimum_gain: float = 0.0
    confidence: float
    checks: tuple[Result, ...]
    note: str = ""

    def failed(self) -> tuple[Result, ...]:
        """The blocking checks that failed."""
        return tuple(c for c in self.checks if c.status == "fail" and c.severity == "block")

    @property
    def looks(self) -> tuple[Look, ...]:
        """The reign's looks by the metric of this verdict, this challenger's the last if it had one."""
        return _looks(self.champion, self.metric, self.look)

    def accumulated(self) -> Accumulated | None:
        """What the looks show together."""
        return accumulate(self.looks, minimum_gain=self.minimum_gain, confidence=self.confidence)


def judge(
    evidence: Evidence,
    *,
    as_of: date,
    reign: Reign | None,
    holdout: tuple[date, date],
    note: str = "",
    known: Verdict | None = None,
    results: Sequence[Result] = (),
) -> Verdict:
    """Compute every metric, the gain with its interval, this challenge's look, and every check.

    Where the holdout is empty or has one class only there is nothing to measure: the metrics are left out and the
    check for enough outcomes fails. The gain also needs two rows of each class, or it has no variance.

    Two ways to save work. `known` is a verdict on the same rows, models and confidence: what neither the looks of the
    reign nor the minimum gain can change is taken from it. `results` are those of checks that are known to hold here.
    """
    spec = evidence.spec
    look = _look(evidence, as_of, reign, holdout) if reign else None
    own, facts = (known.challenger_metrics, _compared(known)) if known else _measured(evidence)
    complete = evidence.model_copy(
        update={**facts, "metrics": own, "looks": _looks(reign, spec.judgement.metric, look)}
    )
    return Verdict(
        **facts,
        champion=reign,
        candidate=evidence.candidate,
        holdout_start=holdout[0],
        holdout_end=holdout[1],
        rows=len(evidence.y),
        events=evidence.events,
        metric=spec.judgement.metric,
        challenger_metrics=own,
        look=look,
        minimum_gain=spec.judgement.minimum_gain,
        confidence=spec.judgement.confidence,
        checks=checks.run(complete, checks.heeding(known.checks, "champion") if known else results),
        note=note,
    )


def _measured(evidence: Evidence) -> tuple[dict[str, float], dict[str, Any]]:
    """The challenger's metrics, and what there is of the champion: its metrics and the gain over it."""
    facts = {
        "champion_metrics": _metrics(evidence, evidence.champion),
        "challenger_interval": _interval(evidence, evidence.challenger),
        "champion_interval": _interval(evidence, evidence.champion),
        "gain": _gain(evidence),
    }
    return _metrics(evidence, evidence.challenger), facts


def _compared(known: Verdict) -> dict[str, Any]:
    return {name: getattr(known, name) for name in COMPARED}


def _metrics(evidence: Evidence, scores: Array | None) -> dict[str, float]:
    if scores is None or not evidence.measurable:
        return {}
    spec = evidence.spec
    return metrics.compute_all(spec.task, evidence.y, scores, judgement=spec.judgement, weights=evidence.weights)


def _interval(evidence: Evidence, scores: Array | None) -> metrics.Interval | None:
    """The judged metric with its interval; None where a bound is not finite: JSON has no word for it."""
    if scores is None or not evidence.measurable:
        return None
    found = measured.interval(evidence, evidence.spec.judgement.metric, scores)
    return found if np.isfinite(found).all() else None


def _looks(reign: Reign | None, metric: str, look: Look | None) -> tuple[Look, ...]:
    """Looks by another metric, from before the spec was changed, say nothing about this one."""
    earlier = (e for e in (reign.looks if reign else ()) if e.metric == metric)
    return (*earlier, *([look] if look else []))


def _gain(evidence: Evidence, rows: Any = slice(None)) -> metrics.Gain | None:
    """The gain on these rows, or None where it has no variance: fewer than two rows of a class, or two clusters."""
    spec, y = evidence.spec, evidence.y[rows]
    enough = measurable(spec, y) and events(spec, y) > 1
    if evidence.champion is None or not enough:
        return None
    gain = metrics.gain(
        spec.judgement.metric,
        y,
        evidence.challenger[rows],
        evidence.champion[rows],
        confidence=spec.judgement.confidence,
        resamples=spec.judgement.resamples,
        seed=spec.training.seed,
        judgement=spec.judgement,
        weights=None if evidence.weights is None else evidence.weights[rows],
        clusters=None if evidence.clusters is None else evidence.clusters[rows],
    )
    return gain if np.isfinite(gain.error) else None


def _look(evidence: Evidence, as_of: date, reign: Reign, holdout: tuple[date, date]) -> Look | None:
    """The gain on the cohorts that no earlier challenge of this reign was judged on.

    None where they have too few events: a later challenge then takes them too. None as well where both models score
    alike, which says nothing.
    """
    spec = evidence.spec
    start = max(holdout[0], reign.judged_through, *(look.end for look in reign.looks))
    new = (evidence.frame[spec.columns.event_time] >= midnight(start)).to_numpy()
    y = evidence.y[new]
    if events(spec, y) < spec.judgement.minimum_new_events:
        return None
    gain = _gain(evidence, new)
    if gain is None or gain.error == 0:
        return None
    return Look(
        as_of=as_of,
        start=start,
        end=holdout[1],
        rows=len(y),
        events=events(spec, y),
        metric=spec.judgement.metric,
        gain=gain.estimate,
        error=gain.error,
    )
