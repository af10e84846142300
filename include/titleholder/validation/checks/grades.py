"""Do the grades of the scores have the event rates that they promise, and in the right order?"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from titleholder.validation import grades, metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.groups import adjusted_confidence, shown_or_estimated
from titleholder.validation.evidence import Evidence
from titleholder.validation.grades import Grade
from titleholder.validation.metrics import Interval
from titleholder.validation.metrics.jeffreys import Rate, effective_rates, holm

REGRESSION = not_applicable("A regression has no grades.")


class GradeRate(NamedTuple):
    """A grade's mean prediction and its event rate; both weighted where rows are.

    `too_low` is the p-value of the ECB's Jeffreys test, whose small values show that the prediction is too low.
    `beyond` is that of TH206, two-sided and with its tolerance; `adjusted` is the same by Holm for all grades.
    """

    grade: Grade
    predicted: float
    rate: Rate
    too_low: float
    beyond: float
    adjusted: float

    @property
    def observed(self) -> float:
        """The event rate."""
        return self.rate.events / self.rate.rows

    def interval(self, confidence: float) -> Interval:
        """The event rate with Jeffreys' interval."""
        return self.rate.interval(confidence)


def grade_rates(evidence: Evidence) -> list[GradeRate]:
    """Every grade of the challenger's scores, in ascending order of them."""
    judgement, sample = evidence.spec.judgement, evidence.sample
    most = 1 + judgement.checks.grade_calibration.observed_expected
    found = grades.cut(judgement.grades, evidence.challenger)
    rates = effective_rates([sample.at(grade.rows) for grade in found])
    predicted = [_mean_score(evidence, grade) for grade in found]
    too_low = [rate.chance_up_to(p) for rate, p in zip(rates, predicted, strict=True)]
    beyond = [rate.beyond(p / most, p * most) for rate, p in zip(rates, predicted, strict=True)]
    return [GradeRate(*each) for each in zip(found, predicted, rates, too_low, beyond, holm(beyond), strict=True)]


def _mean_score(evidence: Evidence, grade: Grade) -> float:
    weights = None if evidence.weights is None else evidence.weights[grade.rows]
    return float(np.average(evidence.challenger[grade.rows], weights=weights))


def _grade_calibration(evidence: Evidence) -> Finding:
    """Fails when the event rate of some grade is shown to be beyond its bounds around the mean prediction.

    Both directions count: too high a prediction turns customers away, and which outcome is the bad one is the spec's.
    Grades are cut from the judged rows' own scores. That uses no outcome, so that the test holds given the scores, and
    gives each grade as many rows; the scores of training rows lie too far apart where a model has learnt them by heart.
    """
    found_grades = _grades(evidence)
    if isinstance(found_grades, Finding):
        return found_grades
    judgement = evidence.spec.judgement
    worst = sorted(found_grades, key=lambda one: one.beyond)
    wrong = [one for one in worst if one.adjusted < 1 - judgement.confidence]
    t = judgement.checks.grade_calibration.observed_expected
    limit = f"{1 / (1 + t):.3g} to {1 + t:.3g} times the predicted" if t else "the predicted"
    said = shown_or_estimated(
        {one.grade.name: _text(one) for one in worst},
        [one.grade.name for one in wrong],
        [one.grade.name for one in worst if not one.predicted / (1 + t) <= one.observed <= one.predicted * (1 + t)],
    )
    sentence = f"Event rates of {len(found_grades)} grades, shown to be beyond {limit}: {said}{_counted(evidence)}."
    numbers = {"grades": float(len(found_grades)), "tolerance": t}
    for one in found_grades:
        name = f"grade {one.grade.name}"
        numbers |= {f"{name}:predicted": one.predicted, f"{name}:p": one.adjusted}
        numbers |= one.interval(judgement.confidence).numbers(f"{name}:observed")
    return found(bool(wrong), sentence, numbers)


def _grades(evidence: Evidence) -> list[GradeRate] | Finding:
    """The grades that TH206 and TH207 judge, or why they judge none."""
    if not evidence.classification:
        return REGRESSION
    if not evidence.measurable:
        return NOT_MEASURABLE
    every = grade_rates(evidence)
    if len(every) < 2:
        least = evidence.spec.judgement.grades.minimum_rows
        return not_applicable(f"The scores do not give two grades of {least} rows.", {"grades": len(every)})
    return every


def _text(one: GradeRate) -> str:
    return f"grade {one.grade.name} {one.observed:.2%} instead of {one.predicted:.2%} (adjusted p {one.adjusted:.2g})"


def _counted(evidence: Evidence) -> str:
    weighted = evidence.weights is not None or evidence.clusters is not None
    return "; rows count by their effective number" if weighted else ""


def _grade_order(evidence: Evidence) -> Finding:
    """Fails when the event rate is shown to fall from a grade to the next one by more than `tolerance`.

    Intervals of the differences are Newcombe's, adjusted for their number; clusters in both grades make them too wide.
    """
    found_grades = _grades(evidence)
    if isinstance(found_grades, Finding):
        return found_grades
    judgement = evidence.spec.judgement
    tolerance = judgement.checks.grade_order.tolerance
    confidence = adjusted_confidence(judgement.confidence, len(found_grades) - 1)
    rises = {
        f"grade {low.grade.name} to {high.grade.name}": metrics.difference_of_rates(
            *high.rate, *low.rate, confidence=confidence
        )
        for low, high in pairwise(found_grades)
    }
    worst = sorted(rises, key=lambda name: rises[name].upper)
    falls = [name for name in worst if rises[name].upper < -tolerance]
    by = f" by more than {tolerance:g}" if tolerance else ""
    said = shown_or_estimated(
        {name: f"{name} {rises[name].text('+.4f')}" for name in worst},
        falls,
        [name for name in worst if rises[name].estimate < -tolerance],
    )
    of = f"Event rates from one of {len(found_grades)} grades to the next"
    sentence = f"{of}, shown to fall{by}: {said}{_counted(evidence)}."
    numbers = {"grades": float(len(found_grades)), "tolerance": tolerance}
    for name, rise in rises.items():
        numbers |= rise.numbers(f"{name}:rise")
    return found(bool(falls), sentence, numbers)


grade_calibration = Check(
    "TH206",
    "Calibrated by grade",
    _grade_calibration,
    "grade_calibration",
    depends_on="confidence",
    of_candidate=True,
    remedy="Correct the probability of such a grade before it is used for pricing; the card has the picture.",
)
grade_order = Check(
    "TH207",
    "Grades rank",
    _grade_order,
    "grade_order",
    depends_on="confidence",
    of_candidate=True,
    remedy="Use fewer grades (judgement.grades), or look for a feature whose effect has changed its sign.",
)
