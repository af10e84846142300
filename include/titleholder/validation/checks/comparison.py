"""Is the challenger shown to be better than the champion, and does it do no harm in part of the rows?"""

from __future__ import annotations

import numpy as np

from titleholder import formatting
from titleholder.spec.metrics import METRICS
from titleholder.validation import fresh, metrics
from titleholder.validation.checks.base import (
    LONGER_HOLDOUT,
    NO_CHAMPION,
    Check,
    Finding,
    found,
    not_applicable,
)
from titleholder.validation.checks.estimates import estimate_gain
from titleholder.validation.checks.groups import (
    Group,
    adjusted_confidence,
    group_numbers,
    groups,
    shown_or_estimated,
    worst_first,
)
from titleholder.validation.evidence import Array, Evidence, informative, informative_rows
from titleholder.validation.metrics import Gain
from titleholder.validation.sequential import Accumulated, accumulate


def _sufficient_gain(evidence: Evidence) -> Finding:
    """Fails unless the challenger wins by the rule of the spec.

    `record`: better on this holdout, and by the record of all versions a gain is expected in use, and hardly a loss
    beyond what is tolerated.
    `fresh`: better on this holdout, and shown to lose no more than is tolerated. `sequential`: the evidence of the
    whole reign shows a gain above `judgement.minimum_gain`, and the gain on this holdout exceeds it too. Does not apply
    without a champion.
    """
    judgement = evidence.spec.judgement
    if evidence.champion is None:
        return NO_CHAMPION
    if evidence.gain is None:
        return Finding("fail", "The gain could not be computed on the holdout.", {}, LONGER_HOLDOUT)
    gain = evidence.gain
    if judgement.rule == "record":
        return _by_record(evidence, gain)
    terms = {"minimum_gain": judgement.minimum_gain, "confidence": evidence.confidence}
    reign = accumulate(evidence.looks, **terms, horizon=judgement.horizon)
    numbers = {"gain": gain.estimate, "lower": gain.lower, "upper": gain.upper, "minimum": judgement.minimum_gain}
    if reign:
        numbers |= {f"reign_{k}": v for k, v in reign.model_dump(exclude={"since"}).items()}
    if judgement.rule == "fresh":
        limit = fresh.in_unit(
            judgement, judgement.tolerance, evidence.champion_metrics[judgement.metric], evidence.sample
        )
        now = fresh.challenge(gain, **terms, tolerated_loss=limit)
        numbers |= {"bound": now.lower, "tolerated_loss": limit}
        return found(not now.passed, _fresh(evidence, now), numbers)
    shown = reign is not None and reign.shown and gain.estimate > judgement.minimum_gain
    return found(not shown, _sequential(evidence, gain, reign), numbers)


def _by_record(evidence: Evidence, gain: Gain) -> Finding:
    metric, expected = evidence.spec.judgement.metric, evidence.outlook
    minimum = evidence.spec.judgement.minimum_gain
    here = f"{metric}: gain {gain.estimate:+.4f} on this holdout, which must exceed {minimum:+g}"
    numbers = {"gain": gain.estimate, "lower": gain.lower, "upper": gain.upper}
    if expected is None:
        return Finding(
            "fail", f"{here}; no cohort has enough outcomes yet to compare both models.", numbers, LONGER_HOLDOUT
        )
    challenger, thin = expected.challenger, expected.thin(evidence.counted)
    numbers |= {
        "expected": challenger.gain, "minimum": expected.minimum, "risk": challenger.risk,
        "tolerated_loss": expected.tolerated_loss, "cohorts": expected.cohorts, "versions": expected.versions,
        "events_a_cohort": expected.events,
        "year": expected.year,
    }  # fmt: skip
    return found(
        not (expected.passed and gain.estimate > minimum),
        f"{here}. On the record of {expected.versions} versions over {expected.cohorts} cohorts, a year of fresher "
        f"training is worth {expected.year:+.4f}. In use the challenger is expected to gain {challenger.gain:+.4f}, "
        f"which must exceed {expected.minimum:+.4g} ({expected.why_minimum(gain.error)}); the probability that it "
        f"loses more than {expected.tolerated_loss:.4g} is {formatting.probability(challenger.risk)}, which must not "
        f"exceed {1 - expected.confidence:.1%}{f' ({thin})' if thin else ''}.",
        numbers,
    )


def _fresh(evidence: Evidence, now: fresh.Freshness) -> str:
    judgement = evidence.spec.judgement
    return (
        f"{judgement.metric}: gain {now.gain:+.4f} on this holdout, which must exceed {judgement.minimum_gain:+g}; "
        f"shown to be above {now.lower:+.4f} ({formatting.confidence(evidence.confidence)}, one-sided), "
        f"which must exceed {-now.tolerated_loss:+.4g} (the tolerated loss)."
    )


def _sequential(evidence: Evidence, gain: Gain, reign: Accumulated | None) -> str:
    judgement = evidence.spec.judgement
    here = f"{judgement.metric}: gain {gain.estimate:+.4f} on this holdout"
    if reign is None:
        needed = f"{judgement.minimum_new_events} {informative_rows(evidence.spec)}"
        return f"{here}; no new cohort of this reign has {needed} yet."
    behind = "" if gain.estimate > judgement.minimum_gain else f", which must exceed {judgement.minimum_gain:+g} too"
    number = f"{reign.looks} look{'s' if reign.looks > 1 else ''} of this reign at new cohorts"
    if reign.counted < reign.looks:
        number = f"the last {reign.counted} of {number} (since {reign.since})"
    if reign.later:
        number += f", {reign.later} of them of a later candidate"
    return (
        f"{here}{behind}; over {number} {reign.gain:+.4f}, shown to be above {reign.lower:+.4f} "
        f"({formatting.confidence(evidence.confidence)} always-valid bound), "
        f"which must reach {judgement.minimum_gain:+g}.{_horizon(judgement.horizon, reign)}"
    )


def _horizon(horizon: int | None, reign: Accumulated) -> str:
    """What the horizon asks for at this look, and what comes after it; empty where the spec has none."""
    if horizon is None:
        return ""
    needed = f"{np.exp(reign.needed):.1f}"
    if reign.looks > horizon:
        return f" The horizon of {horizon} looks is over: the evidence must reach {needed}, as without one."
    return f" Within the horizon of {horizon} looks the evidence must reach {needed}."


def _segment_gains(evidence: Evidence) -> Finding:
    """Fails when a segment is shown to lose more than `tolerance`: the upper bound of its gain is below `-tolerance`.

    Segments are the values of the columns in `columns.segments`; those with `minimum_events` events, or rows of a
    regression, are judged. Where the tolerance is a share, it is one of the champion's metric in each segment.
    """
    spec, rule = evidence.spec, evidence.spec.judgement.checks.segments
    if evidence.champion is None:
        return NO_CHAMPION
    if not spec.columns.segments:
        return not_applicable("The spec names no segments.")
    segments = groups(evidence.frame, spec.columns.segments)
    judged = [s for s in segments if informative(spec, evidence.y[s.rows]) >= rule.minimum_events]
    tolerance, share_of = spec.judgement.segment_tolerance, METRICS[spec.judgement.metric].share_of
    counts = {"judged": len(judged), "too_few": len(segments) - len(judged), "tolerance": tolerance}
    least = f"{rule.minimum_events} {informative_rows(spec)}"
    if not judged:
        return not_applicable(f"None of {len(segments)} segments has {least}.", counts)
    gains, limits = _gains(evidence, evidence.champion, judged), _limits(evidence, evidence.champion, judged)
    losing = [name for name, gain in gains.items() if gain.upper < -limits[name]]
    said = shown_or_estimated(
        {name: f"{name} {gain.text('+.4f')}" for name, gain in gains.items()},
        losing,
        [name for name, gain in gains.items() if gain.estimate < -limits[name]],
    )
    limit = f"{100 * tolerance:g} % of {share_of} there" if share_of else f"{tolerance:g}"
    return found(
        bool(losing),
        f"Of {len(segments)} segments, {len(judged)} with at least {least}, shown to lose more than {limit} in "
        f"{spec.judgement.metric}: {said}.",
        {**counts, **group_numbers(gains, "gain")},
    )


def _gains(evidence: Evidence, champion: Array, judged: list[Group]) -> dict[str, Gain]:
    """The gain in each segment, the worst first, at a confidence adjusted for their number."""
    metric = evidence.spec.judgement.metric
    confidence = adjusted_confidence(evidence.spec.judgement.confidence, len(judged))
    gains = {s.name: estimate_gain(evidence, metric, champion, s.rows, confidence) for s in judged}
    return worst_first(gains, key=lambda gain: gain.upper)


def _limits(evidence: Evidence, champion: Array, judged: list[Group]) -> dict[str, float]:
    """The loss that is tolerated in each segment, in the metric's unit."""
    judgement, limits = evidence.spec.judgement, {}
    for segment in judged:
        some = evidence.sample.at(segment.rows)
        metric = metrics.compute(judgement.metric, some.y, champion[segment.rows], judgement, some.weights)
        limits[segment.name] = fresh.in_unit(judgement, judgement.segment_tolerance, metric, some)
    return limits


sufficient_gain = Check(
    "TH301", "Gain sufficient", _sufficient_gain, subject="comparison", role="gain", depends_on="reign"
)
segment_gains = Check(
    "TH302",
    "No segment loses",
    _segment_gains,
    "segments",
    subject="comparison",
    remedy="Where that segment does not matter on its own, set judgement.checks.segments.tolerance.",
)
