"""Is the challenger shown to be better than the champion, and does it do no harm in part of the rows?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from titleholder import formatting
from titleholder.spec.criteria import CutOff
from titleholder.spec.metrics import METRICS
from titleholder.validation import fresh, metrics
from titleholder.validation.checks.base import NO_CHAMPION, NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.estimates import estimate_gain
from titleholder.validation.checks.groups import Group, adjusted_confidence, group_numbers, groups, listed, worst_first
from titleholder.validation.evidence import Array, Evidence, informative, informative_rows
from titleholder.validation.metrics import Gain, Interval, means
from titleholder.validation.sequential import Accumulated, accumulate

Mask = NDArray[np.bool_]
IN, OUT = "swapped_in", "swapped_out"


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
        return Finding("fail", "The gain could not be computed on the holdout.", {})
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
        return Finding("fail", f"{here}; no cohort has enough outcomes yet to compare both models.", numbers)
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
        f"which must exceed {expected.minimum:+.4g}; the probability that it loses more than "
        f"{expected.tolerated_loss:.4g} is {formatting.probability(challenger.risk)}, which must not exceed "
        f"{1 - expected.confidence:.1%}{f' ({thin})' if thin else ''}.",
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
    named = listed([f"{name} {gains[name].text('+.4f')}" for name in losing or list(gains)[:1]])
    limit = f"{100 * tolerance:g} % of {share_of} there" if share_of else f"{tolerance:g}"
    head = f"{len(losing) or 'none'} shown to lose more than {limit} in {spec.judgement.metric}"
    return found(
        bool(losing),
        f"Of {len(segments)} segments, {len(judged)} with at least {least}: {head}"
        f"{'' if losing else ', nearest'}: {named}.",
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


def _profit_gain(evidence: Evidence) -> Finding:
    """Fails when profit a row is shown to fall by more than `tolerance`, at the cut-off of the spec."""
    judgement, champion = evidence.spec.judgement, evidence.champion
    if "profit" not in judgement.metrics(evidence.spec.task):
        return not_applicable("The spec names no profit of a classification.")
    if champion is None:
        return NO_CHAMPION
    if not evidence.measurable:
        return NOT_MEASURABLE
    after, before = (
        metrics.compute("profit", evidence.y, p, judgement, evidence.weights) for p in (evidence.challenger, champion)
    )
    gain, tolerance = estimate_gain(evidence, "profit", champion), judgement.checks.profit.tolerance
    return found(
        gain.upper < -tolerance,
        f"Profit a row is {after:.4f}, the champion's {before:.4f}: a gain of {gain.text('+.4f')}, whose upper "
        f"bound must not lie below {0 - tolerance:g}.",
        {"challenger": after, "champion": before, **gain.numbers("gain"), "tolerance": tolerance},
        beyond=gain.estimate < -tolerance,
    )


def _swap_set(evidence: Evidence) -> Finding:
    """Fails when rows that only the challenger accepts are shown to do worse than those that only the champion accepts.

    By more than `tolerance`, on average. Where low scores are accepted a low outcome is better, else a high one.
    """
    cut_off, rule = evidence.spec.judgement.cut_off, evidence.spec.judgement.checks.swap_set
    if cut_off is None:
        return not_applicable("The spec names no cut_off.")
    if evidence.champion is None:
        return NO_CHAMPION
    if not len(evidence.y):
        return NOT_MEASURABLE
    sets = _sets(cut_off, evidence.challenger, evidence.champion)
    numbers = {name: value for key, rows in sets.items() for name, value in _set_numbers(evidence, key, rows).items()}
    first, second = (IN, OUT) if cut_off.accept == "below" else (OUT, IN)
    sizes = f"{sets[IN].sum()} rows are accepted by the challenger only, {sets[OUT].sum()} by the champion only"
    if min(sets[IN].sum(), sets[OUT].sum()) < rule.minimum_rows:
        return not_applicable(f"{sizes}; a comparison needs {rule.minimum_rows} of each.", numbers)
    harm = _difference(evidence, sets[first], sets[second])
    return found(
        harm.lower > rule.tolerance,
        f"{sizes}; their mean outcomes are {numbers[f'{IN}_mean']:.4f} and {numbers[f'{OUT}_mean']:.4f}, a harm of "
        f"{harm.text('+.4f')}, whose lower bound must not exceed {rule.tolerance:g}.",
        {**numbers, **harm.numbers("harm"), "tolerance": rule.tolerance},
        beyond=harm.estimate > rule.tolerance,
    )


def _sets(cut_off: CutOff, challenger: Array, champion: Array) -> dict[str, Mask]:
    """The rows accepted by the challenger only, by the champion only, and by both."""
    now, before = metrics.accepted(cut_off, challenger), metrics.accepted(cut_off, champion)
    return {IN: now & ~before, OUT: before & ~now, "both": now & before}


def _set_numbers(evidence: Evidence, name: str, rows: Mask) -> dict[str, float]:
    if not rows.any():
        return {f"{name}_rows": 0}
    accepted = evidence.sample.at(rows)
    mean = float(np.average(accepted.y, weights=accepted.weights))
    return {f"{name}_rows": int(rows.sum()), f"{name}_mean": mean}


def _difference(evidence: Evidence, a: Mask, b: Mask) -> Interval:
    """Mean outcome of `a` minus that of `b`; of rates where rows are independent and have equal weights."""
    y, confidence = evidence.y, evidence.spec.judgement.confidence
    if not evidence.classification or evidence.weights is not None or evidence.clusters is not None:
        return means.difference_of_means(evidence.sample, a, b, confidence)
    events_a, events_b = int(y[a].sum()), int(y[b].sum())
    return metrics.difference_of_rates(events_a, int(a.sum()), events_b, int(b.sum()), confidence=confidence)


sufficient_gain = Check(
    "TH301", "Gain sufficient", _sufficient_gain, subject="comparison", role="gain", depends_on="reign"
)
segment_gains = Check("TH302", "No segment loses", _segment_gains, "segments", subject="comparison")
profit_gain = Check("TH303", "Profit does not fall", _profit_gain, "profit", subject="comparison")
swap_set = Check("TH304", "Swap-set at the cut-off", _swap_set, "swap_set", subject="comparison")
