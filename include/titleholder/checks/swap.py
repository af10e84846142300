"""Who is accepted now that was not, and who no longer is?"""

from __future__ import annotations

from titleholder import metrics
from titleholder.checks import means
from titleholder.checks.base import NOBODY, NOTHING, Check, Evidence, Finding, found, not_applicable
from titleholder.checks.means import Mask
from titleholder.checks.measured import numbered, said
from titleholder.metrics import Interval


def _swap_set(evidence: Evidence) -> Finding:
    """Fails when rows that only the challenger accepts are shown to do worse than those that only the champion accepts.

    By more than `tolerance`, on average. Where low scores are accepted a low outcome is better, else a high one.
    """
    cut_off, rule = evidence.spec.judgement.cut_off, evidence.spec.judgement.checks.swap_set
    if cut_off is None:
        return not_applicable("The spec names no cut_off.")
    if evidence.champion is None:
        return NOBODY
    if not len(evidence.y):
        return NOTHING
    now, before = metrics.accepted(cut_off, evidence.challenger), metrics.accepted(cut_off, evidence.champion)
    sets = {"swapped_in": now & ~before, "swapped_out": before & ~now, "both": now & before}
    numbers = {name: value for key, rows in sets.items() for name, value in _told(evidence, key, rows).items()}
    rows_in, rows_out = int(sets["swapped_in"].sum()), int(sets["swapped_out"].sum())
    who = f"{rows_in} rows are accepted by the challenger only, {rows_out} by the champion only"
    if min(rows_in, rows_out) < rule.minimum_rows:
        return not_applicable(f"{who}; to be judged, each must be {rule.minimum_rows} or more.", numbers)
    low_is_good = cut_off.accept == "below"
    first, second = ("swapped_in", "swapped_out") if low_is_good else ("swapped_out", "swapped_in")
    harm = _difference(evidence, sets[first], sets[second])
    return found(
        harm.lower > rule.tolerance,
        f"{who}; mean outcomes {numbers['swapped_in_mean']:.4f} and {numbers['swapped_out_mean']:.4f}, worse by "
        f"{said(harm, '+.4f')}, whose lower bound must not exceed {rule.tolerance:g}.",
        {**numbers, **numbered("harm", harm), "tolerance": rule.tolerance},
    )


def _told(evidence: Evidence, name: str, rows: Mask) -> dict[str, float]:
    y = evidence.y[rows]
    mean = (
        {f"{name}_mean": means.mean(y, None if evidence.weights is None else evidence.weights[rows])} if len(y) else {}
    )
    return {f"{name}_rows": len(y), **mean}


def _difference(evidence: Evidence, a: Mask, b: Mask) -> Interval:
    """Mean outcome of `a` minus that of `b`; a difference of rates where rows are of equal weight and independent."""
    y, confidence, weights, clusters = (
        evidence.y,
        evidence.spec.judgement.confidence,
        evidence.weights,
        evidence.clusters,
    )
    if evidence.classification and weights is None and clusters is None:
        events_a, events_b = int(y[a].sum()), int(y[b].sum())
        return metrics.difference_of_rates(events_a, int(a.sum()), events_b, int(b.sum()), confidence=confidence)
    return means.difference_of_means(y, a, b, confidence=confidence, weights=weights, clusters=clusters)


swap_set = Check("TH304", "Swap-set at the cut-off", _swap_set, "swap_set")
