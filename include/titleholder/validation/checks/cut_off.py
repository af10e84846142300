"""Does the challenger do harm at the cut-off: to the profit, or among the rows that are swapped?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from titleholder.spec.criteria import CutOff
from titleholder.validation import metrics
from titleholder.validation.checks.base import NO_CHAMPION, NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.estimates import estimate_gain
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Interval, means

Mask = NDArray[np.bool_]
IN, OUT = "swapped_in", "swapped_out"


def _profit_gain(evidence: Evidence) -> Finding:
    """Fails when profit a row is shown to fall by more than `tolerance`, at the cut-off of the spec."""
    judgement, champion = evidence.spec.judgement, evidence.champion
    if "profit" not in judgement.metrics(evidence.spec.task):
        return not_applicable("The spec names no profit of a classification.")
    if champion is None:
        return NO_CHAMPION
    if not evidence.measurable:
        return NOT_MEASURABLE
    after, before = (
        metrics.compute("profit", evidence.y, p, judgement, evidence.weights) for p in (evidence.challenger, champion)
    )
    gain, tolerance = estimate_gain(evidence, "profit", champion), judgement.checks.profit.tolerance
    return found(
        gain.upper < -tolerance,
        f"Profit a row is {after:.4f}, the champion's {before:.4f}: a gain of {gain.text('+.4f')}, whose upper "
        f"bound must not lie below {0 - tolerance:g}.",
        {"challenger": after, "champion": before, **gain.numbers("gain"), "tolerance": tolerance},
        beyond=gain.estimate < -tolerance,
    )


def _swap_set(evidence: Evidence) -> Finding:
    """Fails when rows that only the challenger accepts are shown to do worse than those that only the champion accepts.

    By more than `tolerance`, on average. Where low scores are accepted a low outcome is better, else a high one.
    """
    cut_off, rule = evidence.spec.judgement.cut_off, evidence.spec.judgement.checks.swap_set
    if cut_off is None:
        return not_applicable("The spec names no cut_off.")
    if evidence.champion is None:
        return NO_CHAMPION
    if not len(evidence.y):
        return NOT_MEASURABLE
    sets = _sets(cut_off, evidence.challenger, evidence.champion)
    numbers = {name: value for key, rows in sets.items() for name, value in _set_numbers(evidence, key, rows).items()}
    first, second = (IN, OUT) if cut_off.accept == "below" else (OUT, IN)
    sizes = f"{sets[IN].sum()} rows are accepted by the challenger only, {sets[OUT].sum()} by the champion only"
    if min(sets[IN].sum(), sets[OUT].sum()) < rule.minimum_rows:
        return not_applicable(f"{sizes}; a comparison needs {rule.minimum_rows} of each.", numbers)
    harm = _difference(evidence, sets[first], sets[second])
    return found(
        harm.lower > rule.tolerance,
        f"{sizes}; their mean outcomes are {numbers[f'{IN}_mean']:.4f} and {numbers[f'{OUT}_mean']:.4f}, a harm of "
        f"{harm.text('+.4f')}, whose lower bound must not exceed {rule.tolerance:g}.",
        {**numbers, **harm.numbers("harm"), "tolerance": rule.tolerance},
        beyond=harm.estimate > rule.tolerance,
    )


def _sets(cut_off: CutOff, challenger: Array, champion: Array) -> dict[str, Mask]:
    """The rows accepted by the challenger only, by the champion only, and by both."""
    now, before = metrics.accepted(cut_off, challenger), metrics.accepted(cut_off, champion)
    return {IN: now & ~before, OUT: before & ~now, "both": now & before}


def _set_numbers(evidence: Evidence, name: str, rows: Mask) -> dict[str, float]:
    if not rows.any():
        return {f"{name}_rows": 0}
    accepted = evidence.sample.at(rows)
    mean = float(np.average(accepted.y, weights=accepted.weights))
    return {f"{name}_rows": int(rows.sum()), f"{name}_mean": mean}


def _difference(evidence: Evidence, a: Mask, b: Mask) -> Interval:
    """Mean outcome of `a` minus that of `b`; of rates where rows are independent and have equal weights."""
    y, confidence = evidence.y, evidence.spec.judgement.confidence
    if not evidence.classification or evidence.weights is not None or evidence.clusters is not None:
        return means.difference_of_means(evidence.sample, a, b, confidence)
    events_a, events_b = int(y[a].sum()), int(y[b].sum())
    return metrics.difference_of_rates(events_a, int(a.sum()), events_b, int(b.sum()), confidence=confidence)


profit_gain = Check(
    "TH303",
    "Profit does not fall",
    _profit_gain,
    "profit",
    subject="comparison",
    remedy="Look at the swap set on the card, and review judgement.cut_off.",
)
swap_set = Check(
    "TH304",
    "Swap-set at the cut-off",
    _swap_set,
    "swap_set",
    subject="comparison",
    remedy="Look at these rows on the card; where all scores moved, give judgement.cut_off as a share, not as a score.",
)
