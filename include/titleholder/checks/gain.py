"""Has the challenger been shown to be better than the champion?"""

from __future__ import annotations

from titleholder.checks.base import Evidence, Result

CODE = "TH301"


def gain_shown(evidence: Evidence) -> Result:
    """Fails unless the lower bound of the gain exceeds `judgement.minimum_gain`; does not apply without a champion."""
    judgement = evidence.spec.judgement
    common = {"code": CODE, "title": "Gain shown", "severity": "block"}
    if evidence.gain is None:
        nobody = evidence.champion is None
        why = "Nobody reigns yet." if nobody else "The gain could not be computed on the holdout."
        status = "not_applicable" if nobody else "fail"
        return Result.model_validate({**common, "status": status, "numbers": {}, "explanation": why})
    gain = evidence.gain
    shown = gain.lower > judgement.minimum_gain
    numbers = {"gain": gain.estimate, "lower": gain.lower, "upper": gain.upper, "minimum": judgement.minimum_gain}
    sentence = (
        f"{judgement.metric}: gain {gain.estimate:+.4f}, {judgement.confidence:.0%} interval "
        f"[{gain.lower:+.4f}, {gain.upper:+.4f}] ({gain.method}); "
        f"the lower bound must exceed {judgement.minimum_gain:+g}."
    )
    return Result.model_validate(
        {**common, "status": "pass" if shown else "fail", "numbers": numbers, "explanation": sentence}
    )
