"""Is the challenger, one feature alone, or the progress since the last model too good to be true?"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from titleholder.spec.criteria import METRICS
from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.estimates import estimate_gain
from titleholder.validation.checks.feature_strength import FeatureStrength, KnownOutcomes
from titleholder.validation.checks.groups import MOST, adjusted_confidence, group_numbers, listed
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Interval

SETTINGS = "judgement.checks"


def _too_good(evidence: Evidence) -> Finding:
    """Fails when a metric lies beyond its ceiling, by its point estimate."""
    judgement, task = evidence.spec.judgement, evidence.spec.task
    ceilings = {n: c for n, c in judgement.checks.too_good.ceilings.items() if n in judgement.metrics(task)}
    if not ceilings:
        return not_applicable(f"The spec sets no ceiling for a metric of a {task}.")
    if not evidence.measurable:
        return NOT_MEASURABLE
    values = {n: metrics.compute(n, evidence.y, evidence.challenger, judgement, evidence.weights) for n in ceilings}
    beyond = [n for n, value in values.items() if _beyond(n, value, ceilings[n])]
    said = ", ".join(f"{n} {value:.4f} (ceiling {ceilings[n]:g})" for n, value in values.items())
    keys = ", ".join(f"{SETTINGS}.too_good.ceilings.{n}" for n in beyond)
    why = f", more likely a leak than a success; where it is honest, set {keys}" if beyond else ""
    return found(
        bool(beyond), f"On the holdout: {said}{why}.", {**values, **{f"{n}_ceiling": ceilings[n] for n in ceilings}}
    )


def _beyond(name: str, value: float, ceiling: float) -> bool:
    return value > ceiling if METRICS[name].greater_is_better else value < ceiling


def _single_feature(evidence: Evidence) -> Finding:
    """Fails when one feature alone reaches the threshold on the judged rows, by its point estimate.

    In ROC AUC in whichever direction, or in the share of variance that a straight line explains.
    """
    if not _varied(evidence):
        return NOT_MEASURABLE
    alone = FeatureStrength.on_holdout(evidence)
    if not alone.features:
        return not_applicable("Categories cannot be judged without training rows, and there is no other feature.")
    metric, values = alone.metric, alone.values()
    threshold: float = getattr(evidence.spec.judgement.checks.single_feature, metric)
    reached = [f"{f} {value:.4f}" for f, value in values.items() if value >= threshold]
    first = dict(list(values.items())[:MOST])
    numbers = {"judged": len(values), "threshold": threshold, **{f"{f}:{metric}": v for f, v in first.items()}}
    nearest, value = next(iter(first.items()))
    key = f"{SETTINGS}.single_feature.{metric}"
    said = (
        f"{listed(reached)}, more likely a leak than a cause; where it is honest, set {key}"
        if reached
        else f"none, nearest {nearest} {value:.4f}"
    )
    return found(bool(reached), f"Of {len(values)} features alone, reaching {metric} {threshold:g}: {said}.", numbers)


def _varied(evidence: Evidence) -> bool:
    return evidence.measurable and bool(np.ptp(evidence.y) > 0)


class _Part(NamedTuple):
    """One of the comparisons of TH503: whether it is implausible, a clause, its numbers, the key that allows it."""

    implausible: bool
    text: str
    numbers: dict[str, float]
    key: str


def _plausible(evidence: Evidence) -> Finding:
    """Fails when the challenger's progress is larger than that of honest models.

    That is the gain over the champion, a feature that alone predicts much better than on the training rows, or a new
    feature, which the champion does not have, that alone predicts well. Without a champion every feature is new.
    """
    if not _varied(evidence):
        return NOT_MEASURABLE
    alone = FeatureStrength.on_holdout(evidence)
    values = alone.values()
    parts = [p for p in (_gain(evidence), _rises(evidence, alone, values), _new_features(evidence, values)) if p]
    if not parts:
        return not_applicable("There is no champion, and there are no training rows or features to compare.")
    keys = " and ".join(f"{SETTINGS}.plausible.{part.key}" for part in parts if part.implausible)
    why = f", more likely a leak than progress; where it is honest, set {keys}" if keys else ""
    numbers = {name: value for part in parts for name, value in part.numbers.items()}
    return found(bool(keys), f"On the holdout: {'; '.join(part.text for part in parts)}{why}.", numbers)


def _limit(evidence: Evidence, change: str) -> tuple[str, str, float]:
    """The metric of this task, the key of the threshold for such a change, and its value."""
    metric = "roc_auc" if evidence.classification else "r2"
    key = f"{change}_{metric}"
    return metric, key, getattr(evidence.spec.judgement.checks.plausible, key)


def _gain(evidence: Evidence) -> _Part | None:
    """The gain over the champion, which is implausible when its lower bound exceeds the threshold.

    None without a champion.
    """
    if evidence.champion is None:
        return None
    metric, key, most = _limit(evidence, "gain")
    gain = estimate_gain(evidence, metric, evidence.champion)
    text = f"gain in {metric} over the champion {gain.text('+.4f')} (plausible: a lower bound up to {most:g})"
    return _Part(gain.lower > most, text, {**gain.numbers("gain"), "gain_plausible": most}, key)


def _rises(evidence: Evidence, alone: FeatureStrength, values: dict[str, float]) -> _Part | None:
    """Features that alone predict the judged rows much better than the older half of the training rows.

    The estimate reaches the threshold and the lower bound, adjusted for the number of features, exceeds half of it: to
    wait until the bound exceeds all of it would miss leaks among few events; by the estimate alone, chance would be
    called a leak there. None without training rows.
    """
    before = _before(evidence)
    if before is None or not values:
        return None
    metric, key, most = _limit(evidence, "rise")
    rises = {feature: value - before.value(feature) for feature, value in values.items()}
    first, *_ = ordered = sorted(rises, key=lambda feature: -rises[feature])
    confidence = adjusted_confidence(evidence.spec.judgement.confidence, len(rises))
    suspects = {
        feature: _difference(alone.interval(feature, confidence), before.interval(feature, confidence))
        for feature in ordered
        if rises[feature] >= most
    }
    shown = {feature: rise for feature, rise in suspects.items() if rise.lower > most / 2}
    named = listed([f"{feature} {rise.text('+.4f')}" for feature, rise in shown.items()])
    said = named or f"none, nearest {first} {rises[first]:+.4f}"
    text = f"rise of a feature's own {metric} since training (plausible: {most:g}): {said}"
    numbers = {"judged": len(rises), "largest_rise": rises[first], "rise_plausible": most}
    return _Part(bool(shown), text, {**numbers, **group_numbers(shown, "rise")}, key)


def _before(evidence: Evidence) -> FeatureStrength | None:
    """Each feature alone on the older half of the training rows: a leak may have begun in the newer half."""
    spec, training = evidence.spec, evidence.training
    known = KnownOutcomes.of_training(training, spec)
    if training is None or known is None:
        return None
    time = training.frame[spec.columns.event_time]
    older = known.at((time <= time.median()).to_numpy())
    return FeatureStrength(spec, older, known) if np.ptp(older.sample.y) > 0 else None


def _new_features(evidence: Evidence, values: dict[str, float]) -> _Part | None:
    """Features that the champion does not have and that alone reach the threshold; None where there are none."""
    known = {} if evidence.champion is None else evidence.champion_inputs
    new = {} if known is None else {feature: value for feature, value in values.items() if feature not in known}
    if not new:
        return None
    metric, key, most = _limit(evidence, "new_feature")
    named = listed([f"{feature} {value:.4f}" for feature, value in new.items() if value >= most])
    first, largest = next(iter(new.items()))
    said = named or f"none, nearest {first} {largest:.4f}"
    text = f"{metric} of a new feature alone (plausible: below {most:g}): {said}"
    return _Part(bool(named), text, {"new": len(new), "new_largest": largest, "new_plausible": most}, key)


def _difference(a: Interval, b: Interval) -> Interval:
    """The difference of two independent estimates, from their own intervals.

    Source: Zou & Donner (2008), Construction of confidence limits about effect measures: a general approach, Statistics
    in Medicine 27(10), equation 5.
    """
    below = math.hypot(a.estimate - a.lower, b.upper - b.estimate)
    above = math.hypot(a.upper - a.estimate, b.estimate - b.lower)
    middle = a.estimate - b.estimate
    return Interval(middle, middle - below, middle + above)


too_good = Check("TH501", "Not too good to be true", _too_good, "too_good", depends_on="rows")
single_feature = Check("TH502", "No feature alone explains it", _single_feature, "single_feature", depends_on="rows")
plausible = Check("TH503", "Plausible progress", _plausible, "plausible", role="plausibility")
