"""Does anybody lose where most gain?"""

from __future__ import annotations

from titleholder.validation.checks import measured
from titleholder.validation.checks.base import NO_CHAMPION, Check, Finding, found, not_applicable
from titleholder.validation.checks.groups import Group, adjusted, groups, listed, numbered_groups, worst
from titleholder.validation.evidence import Array, Evidence, events
from titleholder.validation.metrics import Gain


def _no_segment_loses(evidence: Evidence) -> Finding:
    """Fails when a segment is shown to lose more than `tolerance`: the upper bound of its gain says so.

    Segments are the values of the columns in `columns.segments`; those with `minimum_events` events are judged.
    """
    spec, rule = evidence.spec, evidence.spec.judgement.checks.segments
    if evidence.champion is None:
        return NO_CHAMPION
    if not spec.columns.segments:
        return not_applicable("The spec names no segments.")
    segments = groups(evidence.frame, spec.columns.segments)
    judged = [s for s in segments if events(spec, evidence.y[s.rows]) >= rule.minimum_events]
    counts = {"judged": len(judged), "too_few": len(segments) - len(judged), "tolerance": rule.tolerance}
    if not judged:
        return not_applicable(f"None of {len(segments)} segments has {rule.minimum_events} events.", counts)
    gains = _gains(evidence, evidence.champion, judged)
    losing = [name for name, gain in gains.items() if gain.upper < -rule.tolerance]
    told = listed([f"{name} {gains[name].text('+.4f')}" for name in losing or list(gains)[:1]])
    head = f"{len(losing) or 'none'} shown to lose more than {rule.tolerance:g} in {spec.judgement.metric}"
    return found(
        bool(losing),
        f"Of {len(segments)} segments, {len(judged)} with {rule.minimum_events} events or more: {head}"
        f"{'' if losing else ', nearest'}: {told}.",
        {**counts, **numbered_groups(gains, "gain")},
    )


def _gains(evidence: Evidence, champion: Array, judged: list[Group]) -> dict[str, Gain]:
    """The gain in each segment, the worst first, at a confidence adjusted for their number."""
    metric, confidence = evidence.spec.judgement.metric, adjusted(evidence.spec.judgement.confidence, len(judged))
    gains = {s.name: measured.gain(evidence, metric, champion, rows=s.rows, confidence=confidence) for s in judged}
    return worst(gains, key=lambda gain: gain.upper)


no_segment_loses = Check("TH302", "No segment loses", _no_segment_loses, "segments", subject="comparison")
