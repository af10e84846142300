"""Are there enough outcomes to judge by?"""

from __future__ import annotations

from titleholder.validation.checks.base import Check, Finding, found
from titleholder.validation.evidence import Evidence


def _enough_outcomes(evidence: Evidence) -> Finding:
    """Blocks when the holdout has fewer events than `judgement.minimum_events`."""
    need, have = evidence.spec.judgement.minimum_events, evidence.events
    what = "outcomes of the rarer class" if evidence.classification else "rows"
    return found(
        have < need,
        f"The holdout has {have} {what}; at least {need} are needed.",
        {"events": have, "minimum": need, "rows": len(evidence.y)},
    )


enough_outcomes = Check("TH101", "Enough outcomes", _enough_outcomes)
