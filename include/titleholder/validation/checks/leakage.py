"""Is the challenger, or one feature alone, too good to be true?"""

from __future__ import annotations

import numpy as np

from titleholder.spec.metrics import METRICS
from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.feature_strength import FeatureStrength
from titleholder.validation.checks.groups import MOST, listed
from titleholder.validation.evidence import Evidence

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
    return found(
        bool(beyond),
        f"On the holdout: {said}.",
        {**values, **{f"{n}_ceiling": ceilings[n] for n in ceilings}},
        remedy=f"More likely a leak than a success: run `titleholder leaktest`; where it is honest, set {keys}.",
    )


def _beyond(name: str, value: float, ceiling: float) -> bool:
    return value > ceiling if METRICS[name].greater_is_better else value < ceiling


def _single_feature(evidence: Evidence) -> Finding:
    """Fails when one feature alone reaches the threshold on the judged rows, by its point estimate.

    In ROC AUC in whichever direction, or in the share of variance that a straight line explains.
    """
    if not is_varied(evidence):
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
    said = listed(reached) or f"none, nearest {nearest} {value:.4f}"
    return found(
        bool(reached),
        f"Of {len(values)} features alone, reaching {metric} {threshold:g}: {said}.",
        numbers,
        remedy="More likely a leak than a cause: could it be known when the event happened? Where it is honest, set "
        f"{SETTINGS}.single_feature.{metric}.",
    )


def is_varied(evidence: Evidence) -> bool:
    """Whether there are different outcomes to be predicted."""
    return evidence.measurable and bool(np.ptp(evidence.y) > 0)


too_good = Check("TH501", "Not too good to be true", _too_good, "too_good", depends_on="rows")
single_feature = Check("TH502", "No feature alone explains it", _single_feature, "single_feature", depends_on="rows")
