"""Are there enough outcomes to judge by?"""

from __future__ import annotations

from titleholder.checks.base import Evidence, Result

CODE = "TH101"


def enough_outcomes(evidence: Evidence) -> Result:
    """Blocks when the holdout has fewer events than `judgement.minimum_events`."""
    need, have = evidence.spec.judgement.minimum_events, evidence.events
    what = "rows" if evidence.spec.task == "regression" else "outcomes of the rarer class"
    return Result(
        code=CODE,
        title="Enough outcomes",
        severity="block",
        status="pass" if have >= need else "fail",
        numbers={"events": have, "minimum": need, "rows": len(evidence.y)},
        explanation=f"The holdout has {have} {what}; at least {need} are needed.",
    )
