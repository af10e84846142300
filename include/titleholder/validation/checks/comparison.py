"""Has the challenger been shown to be better than the champion?"""

from __future__ import annotations

from titleholder.spec.model import ModelSpec
from titleholder.validation.checks.base import NO_CHAMPION, Check, Finding
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Gain
from titleholder.validation.sequential import Accumulated, accumulate


def _gain_shown(evidence: Evidence) -> Finding:
    """Fails unless the gain is shown to exceed `judgement.minimum_gain`, by the rule of the spec.

    `single`: the lower bound of the gain on this holdout does. `sequential`: the evidence of the whole reign does, and
    the challenger itself is ahead of it on this holdout. Does not apply without a champion.
    """
    judgement = evidence.spec.judgement
    if evidence.champion is None:
        return NO_CHAMPION
    if evidence.gain is None:
        return Finding("fail", "The gain could not be computed on the holdout.", {})
    gain = evidence.gain
    reign = accumulate(evidence.looks, minimum_gain=judgement.minimum_gain, confidence=judgement.confidence)
    numbers = {"gain": gain.estimate, "lower": gain.lower, "upper": gain.upper, "minimum": judgement.minimum_gain}
    if reign:
        numbers |= {f"reign_{k}": v for k, v in reign.model_dump(exclude={"since"}).items()}
    if judgement.rule == "single":
        shown = gain.lower > judgement.minimum_gain
        return Finding("pass" if shown else "fail", _single(evidence.spec, gain), numbers)
    shown = reign is not None and reign.shown and gain.estimate > judgement.minimum_gain
    return Finding("pass" if shown else "fail", _sequential(evidence.spec, gain, reign), numbers)


def _single(spec: ModelSpec, gain: Gain) -> str:
    judgement = spec.judgement
    return (
        f"{judgement.metric}: gain {gain.estimate:+.4f}, {judgement.confidence:.0%} interval "
        f"[{gain.lower:+.4f}, {gain.upper:+.4f}] ({gain.method}); "
        f"the lower bound must exceed {judgement.minimum_gain:+g}."
    )


def _sequential(spec: ModelSpec, gain: Gain, reign: Accumulated | None) -> str:
    judgement = spec.judgement
    here = f"{judgement.metric}: gain {gain.estimate:+.4f} on this holdout"
    if reign is None:
        return f"{here}; no new cohort of this reign has {judgement.minimum_new_events} events yet."
    behind = "" if gain.estimate > judgement.minimum_gain else f", which must exceed {judgement.minimum_gain:+g} too"
    number = f"{reign.looks} look{'s' if reign.looks > 1 else ''} of this reign at new cohorts"
    if reign.counted < reign.looks:
        number = f"the last {reign.counted} of {number} (since {reign.since})"
    return (
        f"{here}{behind}; over {number} {reign.gain:+.4f}, shown to be above {reign.lower:+.4f} "
        f"({judgement.confidence:.0%} always-valid bound), which must reach {judgement.minimum_gain:+g}."
    )


gain_shown = Check("TH301", "Gain shown", _gain_shown, subject="comparison", role="gain", depends_on="reign")
