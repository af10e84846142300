"""Is it too good to be true?"""

from __future__ import annotations

import numpy as np

from titleholder.spec.criteria import METRICS
from titleholder.validation import metrics
from titleholder.validation.checks import measured
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.features import alone
from titleholder.validation.checks.groups import MOST, adjusted, listed, numbered_groups
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Interval


def _not_too_good(evidence: Evidence) -> Finding:
    """Fails when a metric is shown to lie beyond its ceiling: its whole interval does."""
    judgement, task = evidence.spec.judgement, evidence.spec.task
    ceilings = {n: c for n, c in judgement.checks.too_good.ceilings.items() if n in judgement.metrics(task)}
    if not ceilings:
        return not_applicable(f"The spec sets no ceiling for a metric of a {task}.")
    if not evidence.measurable:
        return NOT_MEASURABLE
    values = {name: measured.interval(evidence, name, evidence.challenger) for name in ceilings}
    numbers: dict[str, float] = {}
    for name, value in values.items():
        numbers |= {**value.numbers(name), f"{name}_ceiling": ceilings[name]}
    told = ", ".join(f"{name} {value.text()} (ceiling {ceilings[name]:g})" for name, value in values.items())
    beyond = any(_beyond(name, value, ceilings[name]) for name, value in values.items())
    return found(beyond, f"On the holdout: {told}{', more likely a leak than a success' if beyond else ''}.", numbers)


def _beyond(name: str, value: Interval, ceiling: float) -> bool:
    return value.lower > ceiling if METRICS[name].greater_is_better else value.upper < ceiling


def _no_feature_alone(evidence: Evidence) -> Finding:
    """Fails when one feature alone is shown to reach the threshold on the judged rows.

    In ROC AUC in whichever direction, or in the share of variance that a straight line explains. A feature below the
    threshold needs no interval; the confidence of the others is adjusted for the number of all.
    """
    if not evidence.measurable or np.ptp(evidence.y) == 0:
        return NOT_MEASURABLE
    judgement = evidence.spec.judgement
    rule = judgement.checks.single_feature
    metric, threshold = ("roc_auc", rule.roc_auc) if evidence.classification else ("r2", rule.r2)
    values, suspects = _screened(evidence, metric, threshold)
    if not values:
        return not_applicable("Categories cannot be judged without training rows, and there is no other feature.")
    confidence = adjusted(judgement.confidence, len(values))
    shown = {f: measured.interval(evidence, metric, scores, confidence=confidence) for f, scores in suspects.items()}
    alike = [feature for feature, value in shown.items() if value.lower >= threshold]
    first = dict(list(values.items())[:MOST])
    numbers = {"judged": len(values), "threshold": threshold, **{f"{f}:{metric}": v for f, v in first.items()}}
    told = listed([f"{f} {shown[f].text()}" for f in alike]) + ", more likely a leak than a cause"
    nearest, value = next(iter(first.items()))
    none = f"none, nearest {nearest} {value:.4f}"
    sentence = f"Of {len(values)} features alone, shown to reach {metric} {threshold:g}: {told if alike else none}."
    return found(bool(alike), sentence, {**numbers, **numbered_groups(shown, metric)})


def _screened(evidence: Evidence, metric: str, threshold: float) -> tuple[dict[str, float], dict[str, Array]]:
    """The metric of each feature alone, the largest first, and the scores of those that reach the threshold."""
    values, suspects = {}, {}
    for feature, scores in alone(evidence):
        value = metrics.compute(metric, evidence.y, scores, weights=evidence.weights)
        backwards = evidence.classification and value < 1 - value
        values[feature] = 1 - value if backwards else value
        if values[feature] >= threshold:
            suspects[feature] = 1 - scores if backwards else scores
    return dict(sorted(values.items(), key=lambda item: -item[1])), suspects


not_too_good = Check("TH501", "Not too good to be true", _not_too_good, "too_good", depends_on="confidence")
no_feature_alone = Check(
    "TH502", "No feature alone explains it", _no_feature_alone, "single_feature", depends_on="confidence"
)
