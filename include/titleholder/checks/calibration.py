"""Do the scores mean what they say?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from titleholder import metrics
from titleholder.checks import means
from titleholder.checks.base import NOTHING, Array, Check, Evidence, Finding, found, not_applicable
from titleholder.checks.groups import Group, adjusted, groups, listed, worst
from titleholder.checks.measured import numbered, said
from titleholder.metrics import Interval

RATIO, SLOPE = "observed_expected", "slope"
WORDS = {RATIO: "observed over expected", SLOPE: "slope"}


def _calibrated(evidence: Evidence) -> Finding:
    """Fails when the interval of observed over expected, or of the slope, lies wholly beyond its bounds.

    Not where the champion is further off by that measure on the same rows: to replace it does no harm. Of a regression
    the ratio is that of the means, left out where outcomes differ in sign, and the slope that of least squares.
    """
    rule = evidence.spec.judgement.checks.calibration
    bounds = {RATIO: _around_one(rule.observed_expected), SLOPE: (rule.slope_low, rule.slope_high)}
    own = _measures(evidence, evidence.challenger) if evidence.measurable else {}
    if not own:
        return NOTHING
    theirs = {} if evidence.champion is None else _measures(evidence, evidence.champion)
    beyond = [name for name in own if _beyond(own[name], bounds[name])]
    excused = [name for name in beyond if name in theirs and _off(theirs[name]) > _off(own[name])]
    excuse = ", ".join(f"{WORDS[name]} {theirs[name].estimate:.3f}" for name in excused)
    numbers = {}
    for name, value in own.items():
        numbers |= numbered(name, value)
    for name, value in theirs.items():
        numbers |= numbered(f"champion_{name}", value)
    told = ", ".join(f"{WORDS[n]} {said(v, '.3f')} (bounds {_range(bounds[n])})" for n, v in own.items())
    excuse = f"; the champion is further off: {excuse}" if excuse else ""
    return found(len(beyond) > len(excused), f"On the holdout: {told}{excuse}.", numbers)


def _measures(evidence: Evidence, p: Array) -> dict[str, Interval]:
    """Observed over expected and the slope, as far as they mean anything for these scores."""
    confidence, weights, clusters = evidence.spec.judgement.confidence, evidence.weights, evidence.clusters
    if evidence.classification:
        fitted = metrics.calibration(evidence.y, p, confidence=confidence, weights=weights)
        return {RATIO: fitted.observed_expected, SLOPE: fitted.slope}
    measures = {}
    if _has_ratio(evidence):
        measures[RATIO] = means.ratio_of_means(evidence.y, p, confidence=confidence, weights=weights, clusters=clusters)
    if np.ptp(p) > 0:
        measures[SLOPE] = means.slope(evidence.y, p, confidence=confidence, weights=weights, clusters=clusters)
    return measures


def _has_ratio(evidence: Evidence) -> bool:
    """Whether a ratio of means means anything: outcomes of both signs have no natural zero."""
    return evidence.classification or bool(evidence.y.min() >= 0 or evidence.y.max() <= 0)


def _calibrated_in_cohorts(evidence: Evidence) -> Finding:
    """Fails when some cohort's interval of observed over expected lies wholly beyond its bounds.

    A cohort is judged when its events, observed or expected, reach `minimum_events` (rows of a regression): to go by
    the observed alone would pass over those with far too few. The confidence is adjusted for the cohorts judged.
    """
    rule, confidence = evidence.spec.judgement.checks.cohorts, evidence.spec.judgement.confidence
    if not evidence.measurable:
        return NOTHING
    if not _has_ratio(evidence):
        return not_applicable("Outcomes differ in sign, so that observed over expected means nothing.")
    cohorts = _cohorts(evidence)
    judged = [c for c in cohorts if _events(evidence, c) >= rule.minimum_events]
    counts: dict[str, float] = {"judged": len(judged), "too_few": len(cohorts) - len(judged)}
    if not judged:
        return not_applicable(f"No {rule.period} has {rule.minimum_events} events.", counts)
    each = adjusted(confidence, len(judged))
    ratios = {c.value: _ratio(evidence, c, each) for c in judged}
    bounds = _around_one(rule.observed_expected)
    beyond = [name for name, ratio in ratios.items() if _beyond(ratio, bounds)]
    for name in worst(ratios, key=lambda n: -_off(ratios[n])):
        counts |= numbered(f"{name}:{RATIO}", ratios[name])
    furthest = max(ratios, key=lambda n: _off(ratios[n]))
    told = listed([f"{n} {said(ratios[n], '.3f')}" for n in beyond or [furthest]])
    return found(
        bool(beyond),
        f"Observed over expected {'lies beyond' if beyond else 'is not shown to lie beyond'} {_range(bounds)} in "
        f"{len(beyond) or 'any'} of {len(judged)} {rule.period}s judged; {'these' if beyond else 'furthest off'}: {told}.",
        counts,
    )


def _cohorts(evidence: Evidence) -> list[Group]:
    time = evidence.frame[evidence.spec.columns.event_time].dt
    period = evidence.spec.judgement.checks.cohorts.period
    label = time.strftime("%Y-%m") if period == "month" else time.strftime("%Y-Q") + time.quarter.astype(str)
    return groups(pd.DataFrame({period: label}), [period])


def _events(evidence: Evidence, cohort: Group) -> float:
    if not evidence.classification:
        return len(cohort.rows)
    return max(float(evidence.y[cohort.rows].sum()), float(evidence.challenger[cohort.rows].sum()))


def _ratio(evidence: Evidence, cohort: Group, confidence: float) -> Interval:
    rows = cohort.rows
    y, p = evidence.y[rows], evidence.challenger[rows]
    weights = None if evidence.weights is None else evidence.weights[rows]
    if evidence.classification:
        return metrics.observed_expected(y, p, confidence=confidence, weights=weights)
    clusters = None if evidence.clusters is None else evidence.clusters[rows]
    return means.ratio_of_means(y, p, confidence=confidence, weights=weights, clusters=clusters)


def _around_one(tolerance: float) -> tuple[float, float]:
    return 1 / (1 + tolerance), 1 + tolerance


def _beyond(value: Interval, bounds: tuple[float, float]) -> bool:
    return value.upper < bounds[0] or value.lower > bounds[1]


def _off(value: Interval) -> float:
    """How far from one, the same for a half as for two."""
    return abs(float(np.log(value.estimate))) if value.estimate > 0 else np.inf


def _range(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.3g} to {bounds[1]:.3g}"


calibrated = Check("TH203", "Calibrated", _calibrated, "calibration")
calibrated_in_cohorts = Check("TH204", "Calibrated in every cohort", _calibrated_in_cohorts, "cohorts")
