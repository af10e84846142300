"""Are the scores, taken as probabilities or values, as high as what happened?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.groups import Group, adjusted_confidence, group_numbers, groups, listed, worst_first
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Interval, Sample, means

Bounds = tuple[float, float]
RATIO, SLOPE = "observed_expected", "slope"
LABELS = {RATIO: "observed over expected", SLOPE: "slope"}


def _overall_calibration(evidence: Evidence) -> Finding:
    """Fails when the interval of observed over expected, or of the slope, lies wholly beyond its bounds.

    It does not apply where the champion is further off by that measure on the same rows: replacing it does no harm.
    Of a regression the ratio is that of the means, left out where outcomes differ in sign, and the slope that of least
    squares.
    """
    rule = evidence.spec.judgement.checks.calibration
    bounds = {RATIO: _around_one(rule.observed_expected), SLOPE: (rule.slope_low, rule.slope_high)}
    challenger = _measures(evidence, evidence.challenger)
    if not challenger:
        return NOT_MEASURABLE
    champion = {} if evidence.champion is None else _measures(evidence, evidence.champion)
    beyond = [name for name, value in challenger.items() if _beyond(value, bounds[name])]
    excused = [name for name in beyond if name in champion and _off(champion[name]) > _off(challenger[name])]
    numbers: dict[str, float] = {}
    for name, value in {**challenger, **{f"champion_{name}": value for name, value in champion.items()}}.items():
        numbers |= value.numbers(name)
    values = ", ".join(f"{LABELS[n]} {v.text('.3f')} (bounds {_range(bounds[n])})" for n, v in challenger.items())
    excuse = ", ".join(f"{LABELS[n]} {champion[n].estimate:.3f}" for n in excused)
    further = f"; the champion is further off: {excuse}" if excused else ""
    if excused and len(beyond) == len(excused):
        harmless = f"Beyond its bounds, but replacing the champion does no harm: {values}{further}."
        return not_applicable(harmless, numbers)
    return found(len(beyond) > len(excused), f"On the holdout: {values}{further}.", numbers)


def _measures(evidence: Evidence, p: Array) -> dict[str, Interval]:
    """Observed over expected and the slope, as far as these scores have them."""
    if not evidence.measurable:
        return {}
    sample, confidence = evidence.sample, evidence.spec.judgement.confidence
    if evidence.classification:
        fitted = metrics.calibration(sample.y, p, confidence=confidence, weights=sample.weights)
        measures = {RATIO: fitted.observed_expected, SLOPE: fitted.slope}
    else:
        measures = {RATIO: means.ratio_of_means(sample, p, confidence)} if _has_ratio(evidence) else {}
        if np.ptp(p) > 0:
            measures[SLOPE] = means.slope(sample, p, confidence)
    return {name: value for name, value in measures.items() if math.isfinite(value.estimate)}


def _has_ratio(evidence: Evidence) -> bool:
    """Whether there is a ratio of means: outcomes of both signs have no natural zero."""
    return evidence.classification or bool(evidence.y.min() >= 0 or evidence.y.max() <= 0)


def _cohort_calibration(evidence: Evidence) -> Finding:
    """Fails when some cohort's interval of observed over expected lies wholly beyond its bounds.

    A cohort is judged when its events, observed or expected, reach `minimum_events` (its rows, of a regression): by the
    observed alone, cohorts with far too few would be left out.
    """
    rule = evidence.spec.judgement.checks.cohorts
    if not evidence.measurable:
        return NOT_MEASURABLE
    if not _has_ratio(evidence):
        return not_applicable("Outcomes differ in sign: observed over expected has no meaning.")
    cohorts = _cohorts(evidence)
    judged = [c for c in cohorts if _events(evidence, c) >= rule.minimum_events]
    counts: dict[str, float] = {"judged": len(judged), "too_few": len(cohorts) - len(judged)}
    if not judged:
        return not_applicable(f"No {rule.period} has {rule.minimum_events} events.", counts)
    ratios, bounds = _ratios(evidence, judged), _around_one(rule.observed_expected)
    beyond = [name for name, ratio in ratios.items() if _beyond(ratio, bounds)]
    named = listed([f"{name} {ratios[name].text('.3f')}" for name in beyond or list(ratios)[:1]])
    head = f"{len(beyond)} shown" if beyond else "none shown"
    sentence = f"{head} to be beyond {_range(bounds)}{'' if beyond else ', furthest off'}: {named}"
    numbers = {**counts, **group_numbers(ratios, RATIO)}
    return found(bool(beyond), f"Observed over expected in {len(judged)} {rule.period}s: {sentence}.", numbers)


def _ratios(evidence: Evidence, judged: list[Group]) -> dict[str, Interval]:
    """Observed over expected of each cohort, the furthest off first, at a confidence adjusted for their number."""
    confidence = adjusted_confidence(evidence.spec.judgement.confidence, len(judged))
    ratios = {
        c.value: _ratio(evidence.classification, evidence.sample.at(c.rows), evidence.challenger[c.rows], confidence)
        for c in judged
    }
    return worst_first(ratios, key=lambda ratio: -_off(ratio))


def _ratio(classification: bool, sample: Sample, p: Array, confidence: float) -> Interval:
    if classification:
        return metrics.observed_expected(sample.y, p, confidence=confidence, weights=sample.weights)
    return means.ratio_of_means(sample, p, confidence)


def _cohorts(evidence: Evidence) -> list[Group]:
    time = evidence.frame[evidence.spec.columns.event_time].dt
    period = evidence.spec.judgement.checks.cohorts.period
    label = time.strftime("%Y-%m") if period == "month" else time.strftime("%Y-Q") + time.quarter.astype(str)
    return groups(pd.DataFrame({period: label}), [period])


def _events(evidence: Evidence, cohort: Group) -> float:
    if not evidence.classification:
        return len(cohort.rows)
    return max(float(evidence.y[cohort.rows].sum()), float(evidence.challenger[cohort.rows].sum()))


def _around_one(tolerance: float) -> Bounds:
    return 1 / (1 + tolerance), 1 + tolerance


def _beyond(value: Interval, bounds: Bounds) -> bool:
    return value.upper < bounds[0] or value.lower > bounds[1]


def _off(value: Interval) -> float:
    """How far from one, as far for a half as for two."""
    return abs(math.log(value.estimate)) if value.estimate > 0 else math.inf


def _range(bounds: Bounds) -> str:
    return f"{bounds[0]:.3g} to {bounds[1]:.3g}"


overall_calibration = Check("TH203", "Calibrated", _overall_calibration, "calibration", of_candidate=True)
cohort_calibration = Check("TH204", "Calibrated in every cohort", _cohort_calibration, "cohorts", of_candidate=True)
