"""TH402, scores stable from champion to challenger: fires, stays quiet, does not apply."""

from __future__ import annotations

import numpy as np

from support.factories import a_spec, evidence
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.drift import shift_from_champion


def check(n: int, shift: float, **rule: float) -> Result:
    """A challenger whose log odds are the champion's, moved by so many standard deviations."""
    odds = np.random.default_rng(0).normal(size=n)
    challenger, champion = 1 / (1 + np.exp(-odds - shift)), 1 / (1 + np.exp(-odds))
    spec = a_spec(judgement__checks={"shift": rule})
    return shift_from_champion(evidence(spec, y=np.zeros(n), challenger=challenger, champion=champion))


def test_fires_as_a_warning_when_scores_are_shown_to_differ() -> None:
    found = check(2000, 0.8)
    assert (found.code, found.status, found.severity) == ("TH402", "fail", "warn")
    assert found.explanation.startswith("Population stability index of the scores from champion to challenger: 0.")
    assert found.numbers["maximum"] == 0.25


def test_stays_quiet_when_they_do_not() -> None:
    found = check(2000, 0.0)
    assert (found.status, found.numbers["psi"]) == ("pass", 0.0)


def test_stays_quiet_when_few_rows_differ_or_many_a_little() -> None:
    few, many = check(30, 0.6), check(100_000, 0.3)
    assert few.numbers["psi"] > 0.25
    assert many.numbers["psi_lower"] > 0
    assert (few.status, many.status) == ("beyond", "pass")


def test_the_threshold_is_that_of_the_spec_and_not_of_drift() -> None:
    assert check(2000, 0.5, psi=0.05).status == "fail"
    spec = a_spec(judgement__checks={"drift": {"psi": 0.001}})
    scores = np.linspace(0.01, 0.99, 50)
    assert shift_from_champion(evidence(spec, challenger=scores, champion=scores**1.1)).numbers["maximum"] == 0.25


def test_does_not_apply_without_a_champion_or_rows() -> None:
    unopposed, empty = shift_from_champion(evidence()), check(0, 0.0)
    assert (unopposed.status, unopposed.explanation) == ("not_applicable", "No champion yet.")
    assert (empty.status, empty.explanation) == ("not_applicable", "Nothing can be measured on the holdout.")
