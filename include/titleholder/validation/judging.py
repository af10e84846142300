"""How a verdict is reached: everything is measured, and every check is run, on rows that neither model has seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from titleholder import formatting
from titleholder.spec.metrics import METRICS
from titleholder.spec.windows import midnight
from titleholder.validation import checks, metrics
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.estimates import estimate_metric
from titleholder.validation.evidence import (
    Array,
    Evidence,
    events,
    informative,
    measurable,
    metric_basis,
)
from titleholder.validation.fresh import in_unit
from titleholder.validation.outlook import LEAST_UNIT, Outlook, Rule
from titleholder.validation.record import outlook
from titleholder.validation.sequential import Look
from titleholder.validation.verdict import Measurements, Recall, Reign, Verdict, looks_of


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
    decisive: bool = False,
) -> Verdict:
    """The verdict that follows from these measurements: this challenger's look at the reign, and every check.

    `results` are those of checks whose result is already known; these are not run again. With `decisive`, what cannot
    change the decision is left out: warnings, and what the champion itself fails.
    """
    judgement = evidence.spec.judgement
    look = _look(evidence, as_of, reign, holdout) if reign else None
    complete = evidence.model_copy(
        update={
            "metrics": measurements.challenger_metrics,
            "champion_metrics": measurements.champion_metrics,
            "gain": measurements.gain,
            "looks": looks_of(reign, judgement.metric, look),
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
        checks=checks.run(complete, results, decisive=decisive),
        champion_failed=() if decisive else checks.failed_by_champion(complete),
        note=" ".join(filter(None, (note, _family(evidence), _second_chance(evidence, reign, holdout)))),
        cohorts=evidence.cohorts,
        outlook=complete.outlook,
        recall=_recall(complete, decisive=decisive),
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
    judgement, least = evidence.spec.judgement, evidence.gain.error / LEAST_UNIT if evidence.gain else 0.0
    return max(in_unit(judgement, METRICS[judgement.metric].tolerated_loss, champion, evidence.sample), least)


def _recall(evidence: Evidence, *, decisive: bool) -> Recall | None:
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
    results = checks.run(former.model_copy(update=known), decisive=decisive)
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
