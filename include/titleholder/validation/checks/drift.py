"""Are the scores still distributed as they were, since training and under the champion?"""

from __future__ import annotations

from titleholder.spec.check_rules import Stability
from titleholder.validation import metrics
from titleholder.validation.checks.base import NO_CHAMPION, NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Psi


def _drift_since_training(evidence: Evidence) -> Finding:
    """Fails when the stability index of the challenger's scores, from training to judged rows, is shown too high."""
    if evidence.training is None or not len(evidence.training.scores):
        return not_applicable("There are no training rows to compare with.")
    if not len(evidence.challenger):
        return NOT_MEASURABLE
    rule, confidence = evidence.spec.judgement.checks.drift, evidence.spec.judgement.confidence
    psi = metrics.psi(evidence.training.scores, evidence.challenger, bins=rule.bins, confidence=confidence)
    return _stability(psi, rule, "training to holdout")


def _shift_from_champion(evidence: Evidence) -> Finding:
    """Fails when the index from the champion's to the challenger's scores of the same rows is shown too high."""
    if evidence.champion is None:
        return NO_CHAMPION
    if not len(evidence.challenger):
        return NOT_MEASURABLE
    rule, confidence = evidence.spec.judgement.checks.shift, evidence.spec.judgement.confidence
    psi = metrics.paired_psi(
        evidence.champion, evidence.challenger, bins=rule.bins, confidence=confidence, clusters=evidence.clusters
    )
    return _stability(psi, rule, "champion to challenger")


def _stability(psi: Psi, rule: Stability, change: str) -> Finding:
    return found(
        psi.lower > rule.psi,
        f"Population stability index of the scores from {change}: {psi.value:.4f} [{psi.lower:.4f}, {psi.upper:.4f}], "
        f"whose lower bound must not exceed {rule.psi:g}.",
        {"psi": psi.value, "psi_lower": psi.lower, "psi_upper": psi.upper, "maximum": rule.psi},
        beyond=psi.value > rule.psi,
    )


drift_since_training = Check(
    "TH401",
    "Scores stable from training to holdout",
    _drift_since_training,
    "drift",
    depends_on="confidence",
    of_candidate=True,
    remedy="See which features moved (TH403), and whether a source changed its coding.",
)
shift_from_champion = Check(
    "TH402",
    "Scores stable from champion to challenger",
    _shift_from_champion,
    "shift",
    subject="comparison",
    remedy="Review each cut-off that is given as a score; one given as a share is not affected.",
)
