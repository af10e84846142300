"""Does the challenger earn less?"""

from __future__ import annotations

from titleholder.validation import metrics
from titleholder.validation.checks import measured
from titleholder.validation.checks.base import NO_CHAMPION, NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.evidence import Evidence


def _profit_holds(evidence: Evidence) -> Finding:
    """Fails when profit a row is shown to fall by more than `tolerance`, at the cut-off of the spec."""
    judgement, champion = evidence.spec.judgement, evidence.champion
    if "profit" not in judgement.metrics(evidence.spec.task):
        return not_applicable("The spec names no profit of a classification.")
    if champion is None:
        return NO_CHAMPION
    if not evidence.measurable:
        return NOT_MEASURABLE
    challenger, before = (
        metrics.compute("profit", evidence.y, p, judgement, evidence.weights) for p in (evidence.challenger, champion)
    )
    gain, tolerance = measured.gain(evidence, "profit", champion), judgement.checks.profit.tolerance
    return found(
        gain.upper < -tolerance,
        f"Profit a row is {challenger:.4f}, the champion's {before:.4f}: a gain of {gain.text('+.4f')}, whose upper "
        f"bound must not lie below {0 - tolerance:g}.",
        {"challenger": challenger, "champion": before, **gain.numbers("gain"), "tolerance": tolerance},
    )


profit_holds = Check("TH303", "Profit does not fall", _profit_holds, "profit", subject="comparison")
