"""Are the scores, taken as probabilities or values, as high as what happened?"""

from __future__ import annotations

import math
from collections.abc import Iterator

from titleholder.data import features
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Interval, Sample, means
from titleholder.validation.metrics.calibration import slope as slope_of_log_odds
from titleholder.validation.metrics.coverage import Beyond
from titleholder.validation.metrics.linearised import Linearised, further_from_one

Bounds = tuple[float, float]
RATIO, SLOPE = "observed_expected", "slope"
LABELS = {RATIO: "observed over expected", SLOPE: "slope"}
UNSIGNED = "Outcomes differ in sign: observed over expected has no meaning."


def _overall_calibration(evidence: Evidence) -> Finding:
    """Fails when observed over expected, or the slope, is shown to be beyond its bounds and further off than before.

    Further off than the champion by that measure on the same rows, by more than `tolerance` in the logarithm. Where
    an estimate lies beyond its bounds and one of the two is not shown, the status is `beyond`. Of a regression the
    ratio is that of the means, left out where outcomes differ in sign, and the slope that of least squares. Of a
    predicted quantile the ratio is that of the outcomes beyond it, and there is no slope: the mean outcome says nothing
    about a quantile.
    """
    rule, confidence = evidence.spec.judgement.checks.calibration, evidence.spec.judgement.confidence
    bounds = {RATIO: around_one(rule.observed_expected), SLOPE: (rule.slope_low, rule.slope_high)}
    own, champion = _measures(evidence, evidence.challenger), _measures(evidence, evidence.champion)
    if not own:
        return NOT_MEASURABLE
    intervals = {name: _interval(evidence, evidence.challenger, name, measure) for name, measure in own.items()}
    beyond = [name for name, interval in intervals.items() if is_beyond(interval, bounds[name])]
    further = {n: further_from_one(own[n], champion[n], confidence) for n in beyond if n in champion}
    excused = [name for name, difference in further.items() if not difference.lower > rule.tolerance]
    numbers = {"tolerance": rule.tolerance}
    for name, interval in (
        *intervals.items(),
        *((f"champion_{name}", _champion_interval(evidence, name, measure)) for name, measure in champion.items()),
        *((f"further_{name}", difference) for name, difference in further.items()),
    ):
        numbers |= interval.numbers(name)
    if (quantile := evidence.quantile) is not None:
        coverage = Beyond.of(evidence.sample, evidence.challenger, quantile).coverage(confidence)
        numbers |= {**coverage.numbers("coverage"), "quantile": quantile}
    label = _labels(evidence)
    values = ", ".join(f"{label[n]} {v.text('.3f')} (bounds {range_of(bounds[n])})" for n, v in intervals.items())
    if quantile is not None:
        values = f"{coverage.text('.3f')} of outcomes at or below the predicted quantile {quantile:g}; {values}"
    doubtful = [n for n, v in intervals.items() if n not in beyond and not bounds[n][0] <= v.estimate <= bounds[n][1]]
    sentence = f"On the holdout: {values}{_compared(excused, champion, label)}{_not_shown(doubtful, label)}."
    off = {n: intervals[n].estimate > bounds[n][1] for n in beyond if n not in excused}
    remedy = " ".join(_remedies(evidence, off, bounds))
    return found(bool(off), sentence, numbers, beyond=bool(excused or doubtful), remedy=remedy)


def _remedies(evidence: Evidence, off: dict[str, bool], bounds: dict[str, Bounds]) -> Iterator[str]:
    """What to do about each measure that is off: whether it is too high, by its name."""
    if RATIO in off:
        yield _of_the_level(evidence, bounds[RATIO], high=off[RATIO])
    if SLOPE in off:
        yield (
            "Its predictions are too close to the mean: regularise less, or search by log loss "
            "(training.search.metric)."
            if off[SLOPE]
            else "Its predictions are too extreme: regularise more, or leave the candidate out."
        )


def _of_the_level(evidence: Evidence, bounds: Bounds, *, high: bool) -> str:
    """Whether the candidate is off on its training rows too, or the level has moved since; and what to do."""
    training = evidence.training
    if training is not None and len(training.y):
        sample = Sample(training.y, features.weights(training.frame, evidence.spec))
        then = _level(evidence, sample, training.scores)
        if (high and then > bounds[1]) or (not high and then < bounds[0]):
            label, such = _labels(evidence)[RATIO], ", such as class_weight" if evidence.classification else ""
            return f"On its training rows {label} is {then:.3f} too: look at the candidate's parameters{such}."
    remedy = (
        "The level of outcomes has changed since training: make windows.train shorter (it is "
        f"{evidence.spec.windows.train}), or wait until more of it lies after the change."
    )
    if evidence.champion is not None:
        return remedy
    return (
        f"{remedy} A wider judgement.checks.calibration.observed_expected lets a first champion in; those after it are "
        "excused while they are not further off."
    )


def _level(evidence: Evidence, sample: Sample, p: Array) -> float:
    if evidence.quantile is not None:
        return Beyond.of(sample, p, evidence.quantile).ratio.estimate
    return means.ratio_of_means(sample, p).estimate


def _labels(evidence: Evidence) -> dict[str, str]:
    if evidence.quantile is None:
        return LABELS
    return {RATIO: f"outcomes {'above' if evidence.quantile >= 0.5 else 'below'} it over expected"}


def _compared(excused: list[str], champion: dict[str, Linearised], label: dict[str, str]) -> str:
    if not excused:
        return ""
    values = ", ".join(f"{label[name]} {champion[name].estimate:.3f}" for name in excused)
    return f"; beyond its bounds, but not shown to be further off than the champion: {values}"


def _not_shown(doubtful: list[str], label: dict[str, str]) -> str:
    named = " and ".join(label[name] for name in doubtful)
    return f"; not shown to be beyond its bounds, although the estimate is: {named}" if doubtful else ""


def _measures(evidence: Evidence, p: Array | None) -> dict[str, Linearised]:
    """Observed over expected and the slope, as far as these scores have them."""
    if p is None or not evidence.measurable:
        return {}
    if evidence.quantile is not None:
        return {RATIO: Beyond.of(evidence.sample, p, evidence.quantile).ratio}
    slope = slope_of_log_odds if evidence.classification else means.slope
    measures = {SLOPE: slope(evidence.sample, p)}
    if has_ratio(evidence):
        measures = {RATIO: means.ratio_of_means(evidence.sample, p), **measures}
    return {name: measure for name, measure in measures.items() if math.isfinite(measure.estimate)}


def _champion_interval(evidence: Evidence, name: str, measure: Linearised) -> Interval:
    scores = evidence.champion
    return _interval(evidence, evidence.challenger if scores is None else scores, name, measure)


def _interval(evidence: Evidence, p: Array, name: str, measure: Linearised) -> Interval:
    confidence = evidence.spec.judgement.confidence
    if evidence.quantile is not None:
        return Beyond.of(evidence.sample, p, evidence.quantile).interval(confidence)
    if name == RATIO and evidence.classification:
        return measure.log().interval(confidence).exp()
    return measure.interval(confidence)


def has_ratio(evidence: Evidence) -> bool:
    """Whether there is a ratio: means of outcomes of both signs have no natural zero."""
    return (
        evidence.classification or evidence.quantile is not None or bool(evidence.y.min() >= 0 or evidence.y.max() <= 0)
    )


def around_one(tolerance: float) -> Bounds:
    """Bounds as far on either side of one, as a ratio."""
    return 1 / (1 + tolerance), 1 + tolerance


def is_beyond(value: Interval, bounds: Bounds) -> bool:
    """Whether the whole interval lies outside."""
    return value.upper < bounds[0] or value.lower > bounds[1]


def range_of(bounds: Bounds) -> str:
    """`0.8 to 1.25`."""
    return f"{bounds[0]:.3g} to {bounds[1]:.3g}"


overall_calibration = Check(
    "TH203", "Calibrated", _overall_calibration, "calibration", of_candidate=True, excused_by_champion=True
)
