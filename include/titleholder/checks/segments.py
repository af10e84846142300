"""Does anybody lose where most gain?"""

from __future__ import annotations

from titleholder.checks import measured
from titleholder.checks.base import NOBODY, Check, Evidence, Finding, events, found, not_applicable
from titleholder.checks.groups import adjusted, groups, listed, worst
from titleholder.checks.measured import numbered, said


def _no_segment_loses(evidence: Evidence) -> Finding:
    """Fails when a segment is shown to lose more than `tolerance`: the upper bound of its gain says so.

    Judged are the values of the columns in `columns.segments` with at least `minimum_events` events, each at a
    confidence adjusted for their number.
    """
    spec, rule = evidence.spec, evidence.spec.judgement.checks.segments
    if evidence.champion is None:
        return NOBODY
    if not spec.columns.segments:
        return not_applicable("The spec names no segments.")
    segments = groups(evidence.frame, spec.columns.segments)
    judged = [s for s in segments if events(spec, evidence.y[s.rows]) >= rule.minimum_events]
    few = len(segments) - len(judged)
    numbers: dict[str, float] = {"judged": len(judged), "too_few": few, "tolerance": rule.tolerance}
    skipped = f"{few} of {len(segments)} segments have fewer than {rule.minimum_events} events"
    if not judged:
        return not_applicable(f"No segment is judged: {skipped}.", numbers)
    each, metric = adjusted(spec.judgement.confidence, len(judged)), spec.judgement.metric
    gains = {s.name: measured.gain(evidence, metric, evidence.champion, rows=s.rows, confidence=each) for s in judged}
    ordered = worst(gains, key=lambda name: gains[name].upper)
    for name in ordered:
        numbers |= numbered(f"{name}:gain", gains[name])
    losing = [name for name in ordered if gains[name].upper < -rule.tolerance]
    told = listed([f"{name} {said(gains[name], '+.4f')}" for name in losing or ordered[:1]])
    head = (
        f"Shown to lose more than {rule.tolerance:g}"
        if losing
        else f"None is shown to lose more than {rule.tolerance:g}; nearest"
    )
    return found(bool(losing), f"{metric}, gain by segment, {len(judged)} judged: {head}: {told}.", numbers)


no_segment_loses = Check("TH302", "No segment loses", _no_segment_loses, "segments")
