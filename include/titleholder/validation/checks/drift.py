"""Have the scores moved?"""

from __future__ import annotations

from titleholder.spec.criteria import Stability
from titleholder.validation import metrics
from titleholder.validation.checks.base import NO_CHAMPION, NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.evidence import Array, Evidence


def _stable_over_time(evidence: Evidence) -> Finding:
    """Fails when the stability index of the challenger's scores, from training to judged rows, is shown too high."""
    if evidence.training is None or not len(evidence.training.scores):
        return not_applicable("No training rows are at hand.")
    return _stable(evidence, evidence.training.scores, evidence.spec.judgement.checks.drift, "from training to holdout")


def _stable_over_succession(evidence: Evidence) -> Finding:
    """Fails when the index from the champion's to the challenger's scores of the same rows is shown too high."""
    if evidence.champion is None:
        return NO_CHAMPION
    return _stable(evidence, evidence.champion, evidence.spec.judgement.checks.shift, "from champion to challenger")


def _stable(evidence: Evidence, reference: Array, rule: Stability, way: str) -> Finding:
    if not len(evidence.challenger):
        return NOT_MEASURABLE
    confidence = evidence.spec.judgement.confidence
    psi = metrics.psi(reference, evidence.challenger, bins=rule.bins, confidence=confidence)
    return found(
        psi.lower > rule.psi,
        f"Population stability index of the scores {way}: {psi.value:.4f} [{psi.lower:.4f}, {psi.upper:.4f}], whose "
        f"lower bound must not exceed {rule.psi:g}.",
        {"psi": psi.value, "psi_lower": psi.lower, "psi_upper": psi.upper, "maximum": rule.psi},
    )


stable_over_time = Check(
    "TH401", "Scores stable from training to holdout", _stable_over_time, "drift", depends_on="confidence"
)
stable_over_succession = Check(
    "TH402", "Scores stable from champion to challenger", _stable_over_succession, "shift", subject="comparison"
)
