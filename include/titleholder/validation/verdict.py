"""The verdict on one challenger: its metrics, the gain over the champion, and every check, on rows neither has seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from titleholder import formatting
from titleholder.spec.metrics import METRICS
from titleholder.spec.windows import midnight
from titleholder.validation import checks, metrics
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.estimates import estimate_metric
from titleholder.validation.evidence import (
    Array,
    Evidence,
    UnfitCandidate,
    events,
    informative,
    measurable,
    metric_basis,
)
from titleholder.validation.fresh import Freshness, challenge, in_unit
from titleholder.validation.record import CohortRecord, Outlook, Rule, outlook
from titleholder.validation.sequential import Accumulated, Look, accumulate


class Reign(BaseModel):
    """The champion that a challenger was judged against, and the evidence that earlier challengers gathered against it.

    `trained_through` and `judged_through` end the rows that it was trained on and those that made it champion.
    `recalled` is the as-of date of the recall that did; None where it was no recall. `tried` has the end of
    the rows that each earlier challenger of the reign was judged on.

    >>> Reign(version=3, as_of=date(2024, 1, 1), trained_through=date(2022, 1, 1)).looks
    ()
    """

    model_config = ConfigDict(frozen=True)

    version: int
    as_of: date
    trained_through: date
    judged_through: date = date.min
    recalled: date | None = None
    looks: tuple[Look, ...] = ()
    tried: tuple[date, ...] = ()
    line: str = ""
    """A fingerprint of the versions before it that the rule `record` goes by; empty under another rule."""


class Recall(BaseModel):
    """A former version that the record expects to do better in use than both the champion and the challenger.

    `trained_through` ends the rows that it was trained on, `gain` is what is expected in use over the champion, more
    being better, `risk` the probability that it is worse by more than the tolerated loss. `metrics_here`,
    `interval_here` and `gain_here` (over the champion) are measured on the judged rows. `checks` are the results of
    those of a challenger on these rows, all but that of the gain.

    >>> Recall(version=3, as_of=date(2024, 1, 1), trained_through=date(2023, 7, 1), gain=0.006, risk=0.01).fit
    True
    """

    model_config = ConfigDict(frozen=True)

    version: int
    as_of: date
    trained_through: date
    gain: float
    risk: float
    metrics_here: dict[str, float] = {}
    interval_here: metrics.Interval | None = None
    gain_here: metrics.Gain | None = None
    checks: tuple[Result, ...] = ()

    @property
    def failed(self) -> tuple[Result, ...]:
        """The blocking checks that it failed: with any it is not recalled."""
        return tuple(result for result in self.checks if result.blocks)

    @property
    def fit(self) -> bool:
        """Whether it may be champion again."""
        return not self.failed


class Measurements(BaseModel):
    """Both models' metrics on the judged rows, and the gain of one over the other.

    They depend on the rows, the two models, and the metric and confidence of the spec; not on the looks of the reign
    nor on the minimum gain.
    """

    model_config = ConfigDict(frozen=True)

    challenger_metrics: dict[str, float]
    champion_metrics: dict[str, float]
    challenger_interval: metrics.Interval | None = None
    champion_interval: metrics.Interval | None = None
    gain: metrics.Gain | None


class Verdict(Measurements):
    """What was found about one challenger. Small and frozen: it travels through XCom into the ledger.

    >>> verdict = Verdict(
    ...     challenger_metrics={"roc_auc": 0.71}, champion_metrics={}, gain=None, champion=None, rows=900, events=90,
    ...     holdout_start=date(2024, 1, 1), holdout_end=date(2024, 4, 1), metric="roc_auc", confidence=0.95, checks=(),
    ... )
    >>> verdict.freshness(), verdict.accumulated(), verdict.looks
    (None, None, ())
    """

    champion: Reign | None
    candidate: str = ""
    holdout_start: date
    holdout_end: date
    rows: int
    events: int
    """Rows with target 1; of a regression, all rows."""
    metric: str
    look: Look | None = None
    rule: str = "fresh"
    tolerated_loss: float | None = None
    """Under the rules `record` and `fresh`, in the metric's unit; None without a champion."""
    minimum_gain: float = 0.0
    horizon: int | None = None
    confidence: float
    checks: tuple[Result, ...]
    champion_failed: tuple[Result, ...] = ()
    """The blocking checks of a model by itself that the champion fails on these rows, but for its floors (TH205)."""
    note: str = ""
    cohorts: tuple[CohortRecord, ...] = ()
    """Under the rule `record`: what all versions that were compared did on the cohorts of these rows."""
    outlook: Outlook | None = None
    """Under the rule `record`: what follows from these and from those of earlier decisions."""
    recall: Recall | None = None
    """Under the rule `record`, where a former version is expected to do best."""
    unfit: tuple[UnfitCandidate, ...] = ()
    """Better candidates of the run that were judged on the same rows before this one, and are unfit for use."""
    also_unfit: tuple[UnfitCandidate, ...] = ()
    """The other candidates of the run where all are unfit without a champion, and this one is judged beside it."""

    def failed(self) -> tuple[Result, ...]:
        """The blocking checks that failed."""
        return tuple(result for result in self.checks if result.blocks)

    def unfitness(self) -> tuple[Result, ...]:
        """The blocking checks that the challenger failed by itself; those of plausibility are for people to judge."""
        return tuple(r for r in self.failed() if r.subject == "challenger" and r.role != "plausibility")

    def champion_unfitness(self) -> tuple[Result, ...]:
        """What the champion fails by itself on these rows: its floors, and checks that would block a challenger."""
        return (*(r for r in self.checks if r.subject == "champion" and r.failed), *self.champion_failed)

    def about_champion(self, said: str = "") -> str:
        """That the champion itself fails, by each check's sentence that is not `said` already; else empty."""
        version = self.champion.version if self.champion else None
        return " ".join(
            f"The champion of that time, version {version}, itself fails {r.code} ({r.title}): {r.explanation}"
            for r in self.champion_unfitness()
            if r.explanation not in said
        )

    @property
    def looks(self) -> tuple[Look, ...]:
        """The reign's looks by the metric of this verdict; this challenger's is the last, if it had one."""
        return _looks(self.champion, self.metric, self.look)

    def freshness(self) -> Freshness | None:
        """What the gain on this holdout says under the rule `fresh`; None where there is no gain."""
        if self.gain is None or self.tolerated_loss is None:
            return None
        limits = {"tolerated_loss": self.tolerated_loss, "minimum_gain": self.minimum_gain}
        return challenge(self.gain, **limits, confidence=self.confidence)

    def accumulated(self) -> Accumulated | None:
        """What the looks show together."""
        return self.accumulated_until(len(self.looks))

    def accumulated_until(self, number: int) -> Accumulated | None:
        """What the first so many looks showed together."""
        terms = {"minimum_gain": self.minimum_gain, "confidence": self.confidence}
        return accumulate(self.looks[:number], **terms, horizon=self.horizon)


def judge(
    evidence: Evidence, *, as_of: date, reign: Reign | None, holdout: tuple[date, date], note: str = ""
) -> Verdict:
    """The verdict on this evidence: everything is measured and every check is run."""
    return conclude(evidence, measure(evidence), as_of=as_of, reign=reign, holdout=holdout, note=note)


def measure(evidence: Evidence) -> Measurements:
    """Every metric of both models, the deciding metric's intervals, and the gain with its interval.

    Where the holdout is empty or has one class only there is nothing to measure: the metrics are left out. The gain
    also needs two rows of each class, or it has no variance.
    """
    return Measurements(
        challenger_metrics=_metrics(evidence, evidence.challenger),
        champion_metrics=_metrics(evidence, evidence.champion),
        challenger_interval=_interval(evidence, evidence.challenger),
        champion_interval=_interval(evidence, evidence.champion),
        gain=_gain(evidence),
    )


def conclude(
    evidence: Evidence,
    measurements: Measurements,
    *,
    as_of: date,
    reign: Reign | None,
    holdout: tuple[date, date],
    note: str = "",
    results: Sequence[Result] = (),
) -> Verdict:
    """The verdict that follows from these measurements: this challenger's look at the reign, and every check.

    `results` are those of checks whose result is already known; these are not run again.
    """
    judgement = evidence.spec.judgement
    look = _look(evidence, as_of, reign, holdout) if reign else None
    complete = evidence.model_copy(
        update={
            "metrics": measurements.challenger_metrics,
            "champion_metrics": measurements.champion_metrics,
            "gain": measurements.gain,
            "looks": _looks(reign, judgement.metric, look),
            "champion_version": reign.version if reign else None,
        }
    )
    complete = complete.model_copy(update={"outlook": _outlook(complete, as_of, reign)})
    return Verdict(
        **{name: getattr(measurements, name) for name in Measurements.model_fields},
        champion=reign,
        candidate=evidence.candidate,
        holdout_start=holdout[0],
        holdout_end=holdout[1],
        rows=len(evidence.y),
        events=evidence.events,
        metric=judgement.metric,
        look=look,
        rule=judgement.rule,
        tolerated_loss=_loss_limit(evidence, measurements.champion_metrics),
        minimum_gain=judgement.minimum_gain,
        horizon=judgement.horizon,
        confidence=evidence.confidence,
        checks=checks.run(complete, results),
        champion_failed=_champion_failed(complete),
        note=" ".join(filter(None, (note, _family(evidence), _second_chance(evidence, reign, holdout)))),
        cohorts=evidence.cohorts,
        outlook=complete.outlook,
        recall=_recall(complete),
        unfit=evidence.unfit,
        also_unfit=evidence.also_unfit,
    )


def _outlook(evidence: Evidence, as_of: date, reign: Reign | None) -> Outlook | None:
    """What the record says, under the rule `record`; None without a champion, or a cohort that compares it."""
    judgement = evidence.spec.judgement
    if judgement.rule != "record" or reign is None or judgement.metric not in evidence.champion_metrics:
        return None
    champion = evidence.champion_metrics[judgement.metric]
    basis = metric_basis(evidence.spec)
    earlier = (cohort for cohort in evidence.earlier if (cohort.metric, cohort.basis) == (judgement.metric, basis))
    return outlook(
        (*earlier, *evidence.cohorts),
        challenger=evidence.version,
        champion=reign.version,
        former=[rival.member.version for rival in evidence.rivals if rival.eligible],
        as_of=as_of,
        rule=Rule(
            unit=_unit(evidence, champion),
            tolerated_loss=in_unit(judgement, judgement.tolerance, champion, evidence.sample),
            minimum_gain=judgement.minimum_gain,
            confidence=evidence.confidence,
        ),
    )


def _unit(evidence: Evidence, champion: float) -> float:
    """The default of the tolerated loss in the metric's unit; never so small that the priors outweigh the rows."""
    judgement, least = evidence.spec.judgement, evidence.gain.error / 10 if evidence.gain else 0.0
    return max(in_unit(judgement, METRICS[judgement.metric].tolerated_loss, champion, evidence.sample), least)


def _recall(evidence: Evidence) -> Recall | None:
    """The former version that the record expects most of, where it is better on these rows as well.

    It is held to every check of a challenger but that of the gain.
    """
    expected = evidence.outlook
    if expected is None or not expected.recalled or expected.former_expectation is None:
        return None
    rival = next(rival for rival in evidence.rivals if rival.member.version == expected.former)
    instead = {"version": rival.member.version, "challenger": rival.scores, "inputs": rival.inputs}
    instead |= {"unfit": (), "also_unfit": ()}
    unknown = dict.fromkeys(("training", "predict", "predict_refit", "recorded", "reloaded", "unobserved"))
    former = evidence.model_copy(update=instead | unknown)
    measured = measure(former)
    if measured.gain is None or not measured.gain.estimate > evidence.spec.judgement.minimum_gain:
        return None
    known = {"metrics": measured.challenger_metrics, "gain": measured.gain}
    results = checks.run(former.model_copy(update=known))
    return Recall(
        version=rival.member.version,
        as_of=rival.as_of,
        trained_through=rival.member.trained_through,
        gain=expected.former_expectation.gain,
        risk=expected.former_expectation.risk,
        metrics_here=measured.challenger_metrics,
        interval_here=measured.challenger_interval,
        gain_here=measured.gain,
        checks=tuple(result for result in results if result.role != "gain"),
    )


def _champion_failed(evidence: Evidence) -> tuple[Result, ...]:
    """Computed once for each champion and confidence: a lane is replayed under many other thresholds."""
    key = ("failed by champion", evidence.champion_version, evidence.spec.judgement.confidence)
    return evidence.once(key, lambda: checks.failed_by_champion(evidence))


def _family(evidence: Evidence) -> str:
    """That other candidates were judged on the same rows, and what follows for the confidence; empty where none was."""
    also = ""
    if evidence.also_unfit:
        others = "; ".join(f"{u.name} (version {u.version}): {', '.join(u.failed)}" for u in evidence.also_unfit)
        also = f"No candidate of the run is fit for use by itself, so this one stays. Judged after it: {others}."
    if not evidence.unfit:
        return also
    number = len(evidence.unfit) + 1
    before = "; ".join(
        f"{u.name} (version {u.version}) is unfit for use: {', '.join(u.failed)}" for u in evidence.unfit
    )
    return (
        f"{before}. {number} candidates were judged on the same rows, so this one must show what it has to show with a "
        f"confidence of {formatting.confidence(evidence.confidence)} instead of "
        f"{formatting.confidence(evidence.spec.judgement.confidence)} (Bonferroni). {also}"
    ).strip()


def _second_chance(evidence: Evidence, reign: Reign | None, holdout: tuple[date, date]) -> str:
    """That earlier challengers of the reign were judged on some of these rows, and what the error bound covers then.

    Empty where none was, and under the rule `sequential`, which counts no outcome twice.
    """
    before = [end for end in reign.tried if end > holdout[0]] if reign else []
    if not before or evidence.spec.judgement.rule != "fresh" or not len(evidence.y):
        return ""
    seen = evidence.frame[evidence.spec.columns.event_time] < midnight(max(before))
    error = formatting.confidence(1 - evidence.confidence)
    who = f"{len(before)} earlier challenger{'s were' if len(before) > 1 else ' was'}"
    return (
        f"{who} judged against this champion on outcomes that count here again ({formatting.percent(seen.mean())} of "
        f"these rows): the error of {error} holds for each challenge, not for all of them together."
    )


def _loss_limit(evidence: Evidence, champion: dict[str, float]) -> float | None:
    judgement = evidence.spec.judgement
    if judgement.metric not in champion:
        return None
    return in_unit(judgement, judgement.tolerance, champion[judgement.metric], evidence.sample)


def _metrics(evidence: Evidence, scores: Array | None) -> dict[str, float]:
    if scores is None or not evidence.measurable:
        return {}
    spec = evidence.spec
    return metrics.compute_all(spec.task, evidence.y, scores, judgement=spec.judgement, weights=evidence.weights)


def _interval(evidence: Evidence, scores: Array | None) -> metrics.Interval | None:
    """The deciding metric with its interval; None where a bound is not finite, which JSON cannot hold."""
    if scores is None or not evidence.measurable:
        return None
    interval = estimate_metric(evidence, evidence.spec.judgement.metric, scores, evidence.confidence)
    return interval if interval.finite else None


def _looks(reign: Reign | None, metric: str, look: Look | None) -> tuple[Look, ...]:
    """Looks by another metric, from before the spec was changed, are no evidence about this one."""
    earlier = (e for e in (reign.looks if reign else ()) if e.metric == metric)
    return (*earlier, *([look] if look else []))


def _gain(evidence: Evidence, rows: Any = slice(None)) -> metrics.Gain | None:
    """The gain on these rows, or None where it has no variance: fewer than two rows of a class, or two clusters."""
    spec, y = evidence.spec, evidence.y[rows]
    enough = measurable(spec, y) and informative(spec, y) > 1
    if evidence.champion is None or not enough:
        return None
    gain = metrics.gain(
        spec.judgement.metric,
        evidence.sample.at(rows),
        evidence.challenger[rows],
        evidence.champion[rows],
        metrics.Estimation.of(spec, evidence.confidence),
    )
    return gain if np.isfinite(gain.error) else None


def _look(evidence: Evidence, as_of: date, reign: Reign, holdout: tuple[date, date]) -> Look | None:
    """The gain on the cohorts that no earlier challenger of this reign was judged on.

    None where they have too few events: a later challenger then takes them too. None as well where both models give
    the same scores, which is no evidence.
    """
    spec = evidence.spec
    start = max(holdout[0], reign.judged_through, *(look.end for look in reign.looks))
    new = (evidence.frame[spec.columns.event_time] >= midnight(start)).to_numpy()
    y = evidence.y[new]
    if informative(spec, y) < spec.judgement.minimum_new_events:
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
        judged_after=len(evidence.unfit),
    )
