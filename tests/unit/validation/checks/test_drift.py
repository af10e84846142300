"""TH401, scores stable from training to holdout: fires, stays quiet, does not apply."""

from __future__ import annotations

import numpy as np

from support.factories import a_spec, evidence, rows
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.drift import drift_since_training
from titleholder.validation.evidence import TrainingSample
from titleholder.validation.metrics import Array


def scores(n: int, shift: float, seed: int) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.random.default_rng(seed).normal(shift, 1.0, n))))


def check(n: int, shift: float, psi: float = 0.25, bins: int = 10) -> Result:
    """Judged scores that have moved by so many standard deviations since training."""
    seen = TrainingSample(frame=rows(n=10), y=np.zeros(10), scores=scores(4000, 0.0, 1))
    spec = a_spec(judgement__checks={"drift": {"psi": psi, "bins": bins}})
    return drift_since_training(evidence(spec, y=np.zeros(n), challenger=scores(n, shift, 2), training=seen))


def test_fires_as_a_warning_when_scores_are_shown_to_have_moved() -> None:
    found = check(2000, 0.8)
    assert (found.code, found.status, found.severity) == ("TH401", "fail", "warn")
    assert found.explanation == (
        f"Population stability index of the scores from training to holdout: {found.numbers['psi']:.4f} "
        f"[{found.numbers['psi_lower']:.4f}, {found.numbers['psi_upper']:.4f}], whose lower bound must not exceed 0.25."
    )


def test_stays_quiet_when_they_have_not() -> None:
    assert check(2000, 0.0).status == "pass"


def test_stays_quiet_when_few_rows_seem_to_have_moved() -> None:
    found = check(30, 0.6)
    assert found.numbers["psi"] > 0.25
    assert found.status == "beyond"


def test_stays_quiet_when_many_rows_show_a_small_move() -> None:
    found = check(100_000, 0.3)
    assert 0 < found.numbers["psi_lower"] < 0.25
    assert found.status == "pass"
    assert check(100_000, 0.3, psi=0.05).status == "fail"


def test_the_bins_are_those_of_the_spec() -> None:
    assert check(2000, 0.8, bins=2).numbers["psi"] < check(2000, 0.8, bins=20).numbers["psi"]


def test_does_not_apply_without_training_rows_or_judged_ones() -> None:
    assert drift_since_training(evidence()).explanation == "There are no training rows to compare with."
    none = TrainingSample(frame=rows(n=1).head(0), y=np.empty(0), scores=np.empty(0))
    assert drift_since_training(evidence(training=none)).explanation == "There are no training rows to compare with."
    assert check(0, 0.0).explanation == "Nothing can be measured on the holdout."
    assert {drift_since_training(evidence()).status, check(0, 0.0).status} == {"not_applicable"}
