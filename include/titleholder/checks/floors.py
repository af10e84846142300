"""Is the challenger good enough in itself, whoever reigns?"""

from __future__ import annotations

from titleholder.checks.base import Evidence, Result
from titleholder.spec import METRICS

CODE = "TH201"


def above_floors(evidence: Evidence) -> Result:
    """Blocks when a metric of the challenger lies beyond its floor in `judgement.floors`."""
    floors = evidence.spec.judgement.floors
    judged = {name: evidence.metrics[name] for name in floors if name in evidence.metrics}
    below = [n for n, v in judged.items() if (v < floors[n] if METRICS[n].greater_is_better else v > floors[n])]
    numbers = {**judged, **{f"{n}_floor": v for n, v in floors.items()}}
    common = {"code": CODE, "title": "Above its floors", "severity": "block", "numbers": numbers}
    if not judged:
        why = "The spec sets no floor." if not floors else "No metric could be computed on the holdout."
        status = "fail" if floors else "not_applicable"
        return Result.model_validate({**common, "status": status, "explanation": why})
    said = ", ".join(f"{n} {v:.4f} (floor {floors[n]:g})" for n, v in judged.items())
    return Result.model_validate(
        {**common, "status": "fail" if below else "pass", "explanation": f"On the holdout: {said}."}
    )
