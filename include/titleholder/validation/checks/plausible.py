"""Is the progress since the last model larger than that of honest models?"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.estimates import estimate_gain
from titleholder.validation.checks.feature_strength import Delivery, FeatureStrength, delivery_period
from titleholder.validation.checks.groups import adjusted_confidence, group_numbers, listed
from titleholder.validation.checks.leakage import SETTINGS, is_varied
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Interval

ALONE = {"roc_auc": "roc_auc", "r2": "r2 (of a straight line on it)"}
"""What the strength of one feature is called, whatever metric judges the model."""


class _Part(NamedTuple):
    """One of the comparisons of TH503: a clause, its numbers, and what a person must have found honest for it to pass.

    `features`, or that the gain over the champion is `large`; `key` is the threshold.
    """

    text: str
    numbers: dict[str, float]
    key: str
    features: tuple[str, ...] = ()
    large: bool = False


def _plausible(evidence: Evidence) -> Finding:
    """Fails when the challenger's progress is larger than that of honest models, unless a person acknowledged it.

    That is the gain over the champion, a feature that alone predicts much better than on the training rows, or a new
    feature, which the champion does not have or which began to be delivered since, that alone predicts well. Without a
    champion the gain does not count, nor does a feature for being new to it.
    """
    if not is_varied(evidence):
        return NOT_MEASURABLE
    parts = [part for part in (_gain(evidence), _rises(evidence), _new_features(evidence)) if part]
    if not parts:
        return not_applicable("There is no champion, and there are no training rows or features to compare.")
    doubts, known = _doubts(evidence, parts)
    text = f"On the holdout: {'; '.join(part.text for part in parts)}"
    text += f"; acknowledged in the spec: {', '.join(known)}" if known else ""
    numbers = {name: value for part in parts for name, value in part.numbers.items()}
    return found(
        bool(doubts),
        f"{text}.",
        {**numbers, **({"acknowledged": len(known)} if known else {})},
        remedy=f"More likely a leak than progress: run `titleholder leaktest`; {_honest(evidence, doubts)}.",
    )


def _doubts(evidence: Evidence, parts: list[_Part]) -> tuple[list[_Part], list[str]]:
    """The parts that are implausible, with what no person has acknowledged; and a name for each thing one has."""
    honest, version = evidence.spec.judgement.checks.plausible.acknowledged, evidence.champion_version
    vouched = version is not None and version == honest.gain_over
    left = [
        part._replace(
            features=tuple(f for f in part.features if f not in honest.features), large=part.large and not vouched
        )
        for part in parts
    ]
    known = dict.fromkeys(f for part in parts for f in part.features if f in honest.features)
    over = [f"the gain over version {version}"] if vouched and any(part.large for part in parts) else []
    return [part for part in left if part.features or part.large], [*known, *over]


def _honest(evidence: Evidence, doubts: list[_Part]) -> str:
    """What a person who found the progress honest writes into the spec."""
    path, before = f"{SETTINGS}.plausible", evidence.spec.judgement.checks.plausible.acknowledged
    features = dict.fromkeys([*before.features, *(f for part in doubts for f in part.features)])
    over = evidence.champion_version if any(part.large for part in doubts) else before.gain_over
    terms = [f"features: [{', '.join(features)}]"] if features else []
    terms += [f"gain_over: {over}"] if over is not None else []
    this = f"{path}.acknowledged: {{{', '.join(terms)}}}, or for every case " if terms else ""
    return f"where a person found it honest, set {this}{' and '.join(f'{path}.{part.key}' for part in doubts)}"


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
    limit, digits, told = most, "+.4f", f"{most:g}"
    if evidence.quantile is not None:
        metric, digits, limit = "pinball loss", "+.4g", _in_loss(evidence, evidence.champion, most)
        told = f"{limit:.4g}: the squared loss then falls by {most:g} of the best constant's"
    gain = estimate_gain(evidence, evidence.spec.judgement.metric if evidence.quantile else metric, evidence.champion)
    text = f"gain in {metric} over the champion {gain.text(digits)} (plausible: a lower bound up to {told})"
    return _Part(text, {**gain.numbers("gain"), "gain_plausible": limit}, key, large=gain.lower > limit)


def _in_loss(evidence: Evidence, champion: Array, most: float) -> float:
    """The gain in pinball loss by which the squared loss falls by a share of that of the best constant.

    Where outcomes are normal that share is the gain in R2: a quantile's loss is proportional to the residual standard
    deviation. R2 itself would measure how far a predicted quantile lies from the mean.

    Source: Koenker & Machado (1999), Goodness of fit and related inference processes for quantile regression, J. Am.
    Stat. Assoc. 94(448), for the loss over that of a constant.
    """
    y, judgement, weights = evidence.y, evidence.spec.judgement, evidence.weights
    constant = float(np.quantile(y, evidence.quantile or 0.5, weights=weights, method="inverted_cdf"))
    own, theirs, constants = (
        metrics.compute("pinball", y, p, judgement, weights)
        for p in (evidence.challenger, champion, np.full(len(y), constant))
    )
    return most * constants**2 / (own + theirs) if own + theirs else math.inf


def _rises(evidence: Evidence) -> _Part | None:
    """Features that alone predict the judged rows much better than the older half of the training rows.

    The estimate reaches the threshold and the lower bound, adjusted for the number of features, exceeds half of it: to
    wait until the bound exceeds all of it would miss leaks among few events; by the estimate alone, chance would be
    called a leak there. A feature that was not delivered in some months (of a daily or weekly model, weeks) is compared
    with the older half of the other rows: that it began to be delivered is no leak. None without training rows.
    """
    now, older = FeatureStrength.on_holdout(evidence), FeatureStrength.on_older_half(evidence)
    if older is None or not older.features:
        return None
    missed = {f: d for f in older.features if (d := Delivery.of(evidence, f)) and d.missed}
    compared = {
        f: FeatureStrength.on_older_half(evidence, missed[f].rows) if f in missed else older for f in older.features
    }
    before = {f: strength for f, strength in compared.items() if strength is not None}
    metric, key, most = _limit(evidence, "rise")
    rises = {feature: now.value(feature) - strength.value(feature) for feature, strength in before.items()}
    ordered = sorted(rises, key=lambda feature: -rises[feature])
    confidence = adjusted_confidence(evidence.spec.judgement.confidence, max(len(rises), 1))
    suspects = {
        feature: _difference(now.interval(feature, confidence), before[feature].interval(feature, confidence))
        for feature in ordered
        if rises[feature] >= most
    }
    shown = {feature: rise for feature, rise in suspects.items() if rise.lower > most / 2}
    named = listed([f"{feature} {rise.text('+.4f')}" for feature, rise in shown.items()])
    nearest = f", nearest {ordered[0]} {rises[ordered[0]]:+.4f}" if ordered else ""
    text = f"rise of a feature's own {ALONE[metric]} since training (plausible: {most:g}): {named or f'none{nearest}'}"
    if missed:
        left_out = listed([f"{feature} ({d.missed})" for feature, d in missed.items()])
        period = delivery_period(evidence.spec)
        text += f" (compared without training {period}s in which it was not delivered: {left_out})"
    numbers = {"judged": len(rises), "rise_plausible": most, **group_numbers(shown, "rise")}
    if ordered:
        numbers["largest_rise"] = rises[ordered[0]]
    return _Part(text, numbers, key, features=tuple(shown))


def _new_features(evidence: Evidence) -> _Part | None:
    """Features that are new and alone reach the threshold, by the point estimate.

    New is what the champion does not have, and what was not delivered in the first of these periods. Their
    strength is that on all rows of those in which they were delivered, training and holdout together: the holdout
    alone has too few events to tell a strong honest feature from a leak. None where there is no new feature. Without a
    champion all features are new to it, and a strong one is what most first models are built on: none counts for that.
    """
    strength = FeatureStrength.on_all_rows(evidence)
    known = evidence.champion_inputs if evidence.champion is not None else None
    values = {}
    for feature in strength.features:
        delivery = Delivery.of(evidence, feature)
        began = delivery is not None and delivery.began
        if began or (known is not None and feature not in known):
            rows = FeatureStrength.on_all_rows(evidence, delivery.rows) if delivery and delivery.missed else strength
            values[feature] = rows.value(feature)
    if not values:
        return None
    metric, key, most = _limit(evidence, "new_feature")
    reached = {f: value for f, value in sorted(values.items(), key=lambda item: -item[1]) if value >= most}
    first = max(values, key=lambda feature: values[feature])
    said = listed([f"{f} {value:.4f}" for f, value in reached.items()]) or f"none, nearest {first} {values[first]:.4f}"
    text = f"{ALONE[metric]} of a new feature alone, in training and since (plausible: below {most:g}): {said}"
    numbers = {"new": len(values), "new_largest": values[first], "new_plausible": most}
    return _Part(text, numbers, key, features=tuple(reached))


def _difference(a: Interval, b: Interval) -> Interval:
    """The difference of two independent estimates, from their own intervals.

    Source: Zou & Donner (2008), Construction of confidence limits about effect measures: a general approach, Statistics
    in Medicine 27(10), equation 5.
    """
    below = math.hypot(a.estimate - a.lower, b.upper - b.estimate)
    above = math.hypot(a.upper - a.estimate, b.estimate - b.lower)
    middle = a.estimate - b.estimate
    return Interval(middle, middle - below, middle + above)


plausible = Check("TH503", "Plausible progress", _plausible, "plausible", role="plausibility")
