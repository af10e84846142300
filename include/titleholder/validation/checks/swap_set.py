"""Who is accepted now that was not, and who no longer is?"""

from __future__ import annotations

from titleholder.spec.criteria import CutOff
from titleholder.validation import metrics
from titleholder.validation.checks import means
from titleholder.validation.checks.base import NO_CHAMPION, NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.means import Mask
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Interval

IN, OUT = "swapped_in", "swapped_out"


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
    numbers = {name: value for key, rows in sets.items() for name, value in _told(evidence, key, rows).items()}
    first, second = (IN, OUT) if cut_off.accept == "below" else (OUT, IN)
    who = f"{sets[IN].sum()} rows are accepted by the challenger only, {sets[OUT].sum()} by the champion only"
    if min(sets[IN].sum(), sets[OUT].sum()) < rule.minimum_rows:
        return not_applicable(f"{who}: too few, below {rule.minimum_rows}, to be compared.", numbers)
    harm = _difference(evidence, sets[first], sets[second])
    return found(
        harm.lower > rule.tolerance,
        f"{who}; their mean outcomes are {numbers[f'{IN}_mean']:.4f} and {numbers[f'{OUT}_mean']:.4f}, a harm of "
        f"{harm.text('+.4f')}, whose lower bound must not exceed {rule.tolerance:g}.",
        {**numbers, **harm.numbers("harm"), "tolerance": rule.tolerance},
    )


def _sets(cut_off: CutOff, challenger: Array, champion: Array) -> dict[str, Mask]:
    """Who is accepted by the challenger only, by the champion only, and by both."""
    now, before = metrics.accepted(cut_off, challenger), metrics.accepted(cut_off, champion)
    return {IN: now & ~before, OUT: before & ~now, "both": now & before}


def _told(evidence: Evidence, name: str, rows: Mask) -> dict[str, float]:
    if not rows.any():
        return {f"{name}_rows": 0}
    weights = None if evidence.weights is None else evidence.weights[rows]
    return {f"{name}_rows": int(rows.sum()), f"{name}_mean": means.mean(evidence.y[rows], weights)}


def _difference(evidence: Evidence, a: Mask, b: Mask) -> Interval:
    """Mean outcome of `a` minus that of `b`: of rates, where rows weigh the same and share nothing."""
    y, weights, clusters = evidence.y, evidence.weights, evidence.clusters
    confidence = evidence.spec.judgement.confidence
    if not evidence.classification or weights is not None or clusters is not None:
        return means.difference_of_means(y, a, b, confidence=confidence, weights=weights, clusters=clusters)
    events_a, events_b = int(y[a].sum()), int(y[b].sum())
    return metrics.difference_of_rates(events_a, int(a.sum()), events_b, int(b.sum()), confidence=confidence)


swap_set = Check("TH304", "Swap-set at the cut-off", _swap_set, "swap_set", subject="comparison")
