"""Are the scores as high as what happened in each calendar period of the judged rows?"""

from __future__ import annotations

import math

from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.calibration import RATIO, UNSIGNED, around_one, has_ratio, is_beyond, range_of
from titleholder.validation.checks.groups import (
    Group,
    adjusted_confidence,
    by_calendar,
    cohort_periods,
    group_numbers,
    shown_or_estimated,
    worst_first,
)
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array, Interval, Sample, means
from titleholder.validation.metrics.coverage import Beyond


def _cohort_calibration(evidence: Evidence) -> Finding:
    """Fails when some cohort's interval of observed over expected lies wholly beyond its bounds.

    A cohort is judged when its events, observed or expected, reach `minimum_events` (its rows, of a regression): by the
    observed alone, cohorts with far too few would be left out. Of a predicted quantile these are the outcomes beyond.
    Cohorts are those of the first of `cohort_periods` that has one with enough.
    """
    rule = evidence.spec.judgement.checks.cohorts
    if not evidence.measurable:
        return NOT_MEASURABLE
    if not has_ratio(evidence):
        return not_applicable(UNSIGNED)
    period, cohorts = cohorts_of(evidence)
    judged = [c for c in cohorts if _events(evidence, c) >= rule.minimum_events]
    counts: dict[str, float] = {"judged": len(judged), "too_few": len(cohorts) - len(judged)}
    if not judged:
        what = evidence.counted if evidence.quantile is None else "rows beyond the quantile"
        return not_applicable(f"No {period} has {rule.minimum_events} {what}.", counts)
    ratios, bounds = _ratios(evidence, judged), around_one(rule.observed_expected)
    beyond = [name for name, ratio in ratios.items() if is_beyond(ratio, bounds)]
    said = shown_or_estimated(
        {name: f"{name} {ratio.text('.3f')}" for name, ratio in ratios.items()},
        beyond,
        [name for name, ratio in ratios.items() if not bounds[0] <= ratio.estimate <= bounds[1]],
    )
    numbers = {**counts, **group_numbers(ratios, RATIO)}
    of = (
        "Observed over expected"
        if evidence.quantile is None
        else f"Outcomes beyond the quantile {evidence.quantile:g} over expected"
    )
    sentence = f"{of} in {len(judged)} {period}s, shown to be beyond {range_of(bounds)}: {said}."
    return found(bool(beyond), sentence, numbers)


def _ratios(evidence: Evidence, judged: list[Group]) -> dict[str, Interval]:
    """Observed over expected of each cohort, the furthest off first, at a confidence adjusted for their number."""
    confidence = adjusted_confidence(evidence.spec.judgement.confidence, len(judged))
    ratios = {
        c.value: _ratio(evidence, evidence.sample.at(c.rows), evidence.challenger[c.rows], confidence) for c in judged
    }
    return worst_first(ratios, key=lambda ratio: -_off(ratio))


def _ratio(evidence: Evidence, sample: Sample, p: Array, confidence: float) -> Interval:
    if evidence.quantile is not None:
        return Beyond.of(sample, p, evidence.quantile).interval(confidence)
    if evidence.classification:
        return metrics.observed_expected(sample, p, confidence=confidence)
    return means.ratio_of_means(sample, p).interval(confidence)


def cohorts_of(evidence: Evidence) -> tuple[str, list[Group]]:
    """What a cohort of the judged rows is called, and all of them in the order of time."""
    least, periods = evidence.spec.judgement.checks.cohorts.minimum_events, cohort_periods(evidence.spec)
    for period in periods:
        cohorts = by_calendar(evidence.frame, evidence.spec.columns.event_time, period)
        if period == periods[-1] or any(_events(evidence, cohort) >= least for cohort in cohorts):
            break
    return period, cohorts


def _events(evidence: Evidence, cohort: Group) -> float:
    if evidence.quantile is not None:
        beyond = Beyond.of(evidence.sample.at(cohort.rows), evidence.challenger[cohort.rows], evidence.quantile)
        return max(beyond.rows, beyond.expected * len(cohort.rows))
    if not evidence.classification:
        return len(cohort.rows)
    return max(float(evidence.y[cohort.rows].sum()), float(evidence.challenger[cohort.rows].sum()))


def _off(value: Interval) -> float:
    """How far from one, as far for a half as for two."""
    return abs(math.log(value.estimate)) if value.estimate > 0 else math.inf


cohort_calibration = Check(
    "TH204",
    "Calibrated in every cohort",
    _cohort_calibration,
    "cohorts",
    of_candidate=True,
    remedy="Look at the rows of that cohort: if only one is off, look for an error in the data or a change of policy.",
)
