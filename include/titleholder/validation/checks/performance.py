"""Is there enough to judge by, and is each model good enough by itself?"""

from __future__ import annotations

import numpy as np

from titleholder.data import features
from titleholder.spec.metrics import METRICS
from titleholder.validation.checks.base import (
    LONGER_HOLDOUT,
    NO_CHAMPION,
    NOT_MEASURABLE,
    Check,
    Finding,
    found,
    not_applicable,
)
from titleholder.validation.checks.estimates import estimate_gain, estimate_metric
from titleholder.validation.evidence import Array, Evidence, informative_rows
from titleholder.validation.metrics import Interval

NO_FLOOR = not_applicable("The spec sets no floor.")
RANKING = frozenset({"roc_auc", "gini", "ks", "pr_auc", "emp", "profit"})
"""Metrics by which a constant has no meaning, or hardly any: these are judged by the order of the scores."""
RANDOM = 0.5
"""ROC AUC of a random order."""


def _enough_outcomes(evidence: Evidence) -> Finding:
    """Blocks when the holdout has fewer rows of the rarer class than `judgement.minimum_events`."""
    need, have = evidence.spec.judgement.minimum_events, evidence.informative
    what, now = informative_rows(evidence.spec), evidence.spec.windows.holdout
    times = f"; about {-(-need // have)} times as long would do" if have else ""
    return found(
        have < need,
        f"The holdout has {have} {what}; at least {need} are needed.",
        {"informative": have, "minimum": need, "events": evidence.events, "rows": len(evidence.y)},
        remedy=f"Make windows.holdout longer (it is {now}{times}), or lower judgement.minimum_events.",
    )


def _beyond(name: str, value: float, floor: float) -> bool:
    return value < floor if METRICS[name].greater_is_better else value > floor


def _challenger_floors(evidence: Evidence) -> Finding:
    """Blocks when a metric of the challenger lies beyond its floor: a fixed threshold on the point estimate."""
    floors = evidence.spec.judgement.floors
    judged = {name: evidence.metrics[name] for name in floors if name in evidence.metrics}
    numbers = {**judged, **{f"{n}_floor": v for n, v in floors.items()}}
    if not floors:
        return NO_FLOOR
    if not judged:
        return Finding("fail", "No metric could be computed on the holdout.", numbers, LONGER_HOLDOUT)
    values = ", ".join(f"{n} {v:.4f} (floor {floors[n]:g})" for n, v in judged.items())
    return found(any(_beyond(n, v, floors[n]) for n, v in judged.items()), f"On the holdout: {values}.", numbers)


def _champion_floors(evidence: Evidence) -> Finding:
    """Fails when the champion is *shown* to lie beyond a floor: its whole interval does.

    Where the estimate lies beyond it and the interval reaches back, the status is `beyond`.
    """
    floors, champion = evidence.spec.judgement.floors, evidence.champion
    if champion is None:
        return NO_CHAMPION
    if not floors:
        return NO_FLOOR
    if not evidence.measurable:
        return NOT_MEASURABLE
    intervals = {name: estimate_metric(evidence, name, champion) for name in floors}
    numbers: dict[str, float] = {}
    for name, interval in intervals.items():
        numbers |= {**interval.numbers(name), f"{name}_floor": floors[name]}
    harm = any(_beyond(name, _best(name, interval), floors[name]) for name, interval in intervals.items())
    missed = [name for name, interval in intervals.items() if _beyond(name, interval.estimate, floors[name])]
    values = ", ".join(f"{name} {interval.text()} (floor {floors[name]:g})" for name, interval in intervals.items())
    doubt = "" if harm or not missed else f"; {', '.join(missed)} misses its floor, which is not shown"
    return found(harm, f"The champion on the holdout: {values}{doubt}.", numbers, beyond=bool(missed))


def _best(name: str, interval: Interval) -> float:
    return interval.upper if METRICS[name].greater_is_better else interval.lower


def _trivial_baseline(evidence: Evidence) -> Finding:
    """Passes when the lower bound of the gain over a trivial model exceeds `minimum_gain`.

    The trivial model is a random order for metrics of ranking (in ROC AUC), else the constant that is best by the
    metric on the training rows: their mean, for `mae` their median, for `pinball` their quantile. Without training
    rows, the constant of the judged rows, which is harder to beat.
    """
    if not evidence.measurable:
        return NOT_MEASURABLE
    judgement = evidence.spec.judgement
    minimum, confidence = judgement.checks.baseline.minimum_gain, evidence.confidence if evidence.unfit else None
    if judgement.metric in RANKING:
        metric, trivial, against = "roc_auc", RANDOM, "a random order"
        area = estimate_metric(evidence, metric, evidence.challenger, confidence)
        gain = Interval(*(value - RANDOM for value in area.values))
    else:
        metric, trivial = judgement.metric, _best_constant(evidence)
        against = f"the constant {trivial:.4f}"
        gain = estimate_gain(evidence, metric, np.full(len(evidence.y), trivial), confidence=confidence)
    return found(
        not gain.lower > minimum,
        f"{metric}: gain {gain.text('+.4f')} over {against}; the lower bound must exceed {minimum:g}.",
        {"gain": gain.estimate, "lower": gain.lower, "upper": gain.upper, "baseline": trivial, "minimum": minimum},
    )


def _best_constant(evidence: Evidence) -> float:
    spec, training = evidence.spec, evidence.training
    y: Array = evidence.y if training is None else training.y
    weights = evidence.weights if training is None else features.weights(training.frame, spec)
    share = {"mae": 0.5, "pinball": spec.judgement.quantile}.get(spec.judgement.metric)
    if share is None:
        return float(np.average(y, weights=weights))
    return float(np.quantile(y, share, weights=weights, method="inverted_cdf"))


enough_outcomes = Check("TH101", "Enough outcomes", _enough_outcomes)
challenger_floors = Check(
    "TH201",
    "Above its floors",
    _challenger_floors,
    role="floor",
    of_candidate=True,
    remedy="Look at the cohorts and segments on the card; lower judgement.floors only if a weaker model is of use.",
)
trivial_baseline = Check(
    "TH202",
    "Beats a trivial baseline",
    _trivial_baseline,
    "baseline",
    of_candidate=True,
    remedy="The model has learned nothing that holds on new rows: look at the features, the target and the windows.",
)
champion_floors = Check(
    "TH205",
    "Champion above its floors",
    _champion_floors,
    "champion_floors",
    subject="champion",
    role="floor",
    remedy="If no challenger reaches the floors either, decide whether the model is still used.",
)
