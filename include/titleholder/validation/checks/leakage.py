"""Is the challenger, one feature alone, or the progress since the last model too good to be true?"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from titleholder.spec.metrics import METRICS
from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.estimates import estimate_gain
from titleholder.validation.checks.feature_strength import FeatureStrength
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
    feature, which the champion does not have, that alone predicts well. Without a champion only the second counts.
    """
    if not _varied(evidence):
        return NOT_MEASURABLE
    parts = [part for part in (_gain(evidence), _rises(evidence), _new_features(evidence)) if part]
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


def _rises(evidence: Evidence) -> _Part | None:
    """Features that alone predict the judged rows much better than the older half of the training rows.

    The estimate reaches the threshold and the lower bound, adjusted for the number of features, exceeds half of it: to
    wait until the bound exceeds all of it would miss leaks among few events; by the estimate alone, chance would be
    called a leak there. None without training rows.
    """
    now, before = FeatureStrength.on_holdout(evidence), FeatureStrength.on_older_half(evidence)
    if before is None or not before.features:
        return None
    metric, key, most = _limit(evidence, "rise")
    rises = {feature: now.value(feature) - before.value(feature) for feature in before.features}
    first, *_ = ordered = sorted(rises, key=lambda feature: -rises[feature])
    confidence = adjusted_confidence(evidence.spec.judgement.confidence, len(rises))
    suspects = {
        feature: _difference(now.interval(feature, confidence), before.interval(feature, confidence))
        for feature in ordered
        if rises[feature] >= most
    }
    shown = {feature: rise for feature, rise in suspects.items() if rise.lower > most / 2}
    named = listed([f"{feature} {rise.text('+.4f')}" for feature, rise in shown.items()])
    said = named or f"none, nearest {first} {rises[first]:+.4f}"
    text = f"rise of a feature's own {metric} since training (plausible: {most:g}): {said}"
    numbers = {"judged": len(rises), "largest_rise": rises[first], "rise_plausible": most}
    return _Part(bool(shown), text, {**numbers, **group_numbers(shown, "rise")}, key)


def _new_features(evidence: Evidence) -> _Part | None:
    """Features that the champion does not have and that alone reach the threshold, by the point estimate.

    On training rows and judged rows together: the holdout alone has too few events to tell a strong honest feature from
    a leak. None where there is no new feature, and without a champion: then all are new, and a strong one is what most
    first models are built on.
    """
    known = evidence.champion_inputs
    if evidence.champion is None or known is None:
        return None
    alone = FeatureStrength.on_all_rows(evidence)
    values = alone.values([f for f in alone.features if f not in known])
    if not values:
        return None
    metric, key, most = _limit(evidence, "new_feature")
    named = listed([f"{feature} {value:.4f}" for feature, value in values.items() if value >= most])
    first, largest = next(iter(values.items()))
    said = named or f"none, nearest {first} {largest:.4f}"
    text = f"{metric} of a new feature alone, in training and since (plausible: below {most:g}): {said}"
    return _Part(bool(named), text, {"new": len(values), "new_largest": largest, "new_plausible": most}, key)


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
