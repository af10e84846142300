"""TH203, calibrated: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.factories import a_regression, a_spec, evidence, rows
from titleholder.spec.model import ModelSpec
from titleholder.validation import checks
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.calibration import overall_calibration
from titleholder.validation.evidence import TrainingSample
from titleholder.validation.metrics import Array


def logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def outcomes(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Outcomes, a quarter of them events, and the log odds behind them."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1.3, 1.0, n)
    return (rng.random(n) < logistic(odds)).astype(float), odds


def check(
    n: int = 4000, *, shift: float = 0.0, stretch: float = 1.0, champion: tuple[float, float] | None = None, **rule: Any
) -> Result:
    """Scores whose log odds are shifted and stretched away from the truth."""
    y, odds = outcomes(n)
    theirs = None if champion is None else logistic(champion[0] + champion[1] * (odds + 1.3) - 1.3)
    spec = a_spec(judgement__checks={"calibration": rule})
    mine = logistic(shift + stretch * (odds + 1.3) - 1.3)
    return overall_calibration(evidence(spec, y=y, challenger=mine, champion=theirs))


@pytest.mark.parametrize(
    ("shift", "stretch"), [(0.6, 1.0), (-0.6, 1.0), (0.0, 2.0), (0.0, 0.5)], ids=["high", "low", "bold", "timid"]
)
def test_fires_when_scores_are_shown_to_be_off(shift: float, stretch: float) -> None:
    found = check(shift=shift, stretch=stretch)
    assert (found.code, found.status, found.severity) == ("TH203", "fail", "block")


def test_stays_quiet_when_scores_mean_what_they_say() -> None:
    found = check()
    assert found.status == "pass"
    assert found.explanation == (
        f"On the holdout: observed over expected {found.numbers['observed_expected']:.3f} "
        f"[{found.numbers['observed_expected_lower']:.3f}, {found.numbers['observed_expected_upper']:.3f}] "
        f"(bounds 0.8 to 1.25), slope {found.numbers['slope']:.3f} "
        f"[{found.numbers['slope_lower']:.3f}, {found.numbers['slope_upper']:.3f}] (bounds 0.7 to 1.5)."
    )


def test_an_estimate_beyond_its_bounds_that_may_be_chance_is_no_pass() -> None:
    found = check(80, shift=-0.6)
    assert found.numbers["observed_expected"] > 1.25
    assert found.status == "beyond"
    assert found.explanation.endswith(
        "; not shown to be beyond its bounds, although the estimate is: observed over expected."
    )


def test_stays_quiet_when_a_large_sample_shows_what_is_negligible() -> None:
    found = check(100_000, shift=-0.1)
    assert found.numbers["observed_expected_lower"] > 1.05
    assert found.status == "pass"


@pytest.mark.parametrize(
    ("shift", "stretch", "rule", "status"),
    [
        (-0.6, 1.0, {"observed_expected": 1.5}, "pass"),
        (-0.2, 1.0, {"observed_expected": 0.05}, "fail"),
        (0.0, 2.0, {"slope_low": 0.3}, "pass"),
        (0.0, 1.2, {"slope_low": 0.95}, "fail"),
        (0.0, 0.5, {"slope_high": 3.0}, "pass"),
        (0.0, 0.8, {"slope_high": 1.05}, "fail"),
    ],
)
def test_the_bounds_are_those_of_the_spec(shift: float, stretch: float, rule: dict[str, float], status: str) -> None:
    found = check(20_000, shift=shift, stretch=stretch, **{"observed_expected": 1.0, **rule})
    assert found.status == status


@pytest.mark.parametrize(
    ("own", "champion", "status"),
    [
        ((0.6, 1.0), (0.9, 1.0), "beyond"),
        ((0.6, 1.0), (0.6, 1.0), "beyond"),
        ((0.6, 1.0), (0.55, 1.0), "beyond"),
        ((0.6, 1.0), (0.3, 1.0), "fail"),
        ((0.6, 1.0), (-0.9, 1.0), "beyond"),
        ((0.6, 1.0), (-0.2, 1.0), "fail"),
        ((0.6, 1.0), (0.0, 0.5), "fail"),
        ((0.0, 2.0), (0.0, 3.0), "beyond"),
        ((0.0, 2.0), (0.0, 1.9), "beyond"),
        ((0.0, 2.0), (0.9, 1.0), "fail"),
    ],
)
def test_a_champion_that_is_about_as_far_off_by_the_same_measure_excuses(
    own: tuple[float, float], champion: tuple[float, float], status: str
) -> None:
    found = check(shift=own[0], stretch=own[1], champion=champion)
    assert found.status == status
    excused = "; beyond its bounds, but not shown to be further off than the champion: " in found.explanation
    assert excused == (status == "beyond")


def trained(spec: ModelSpec, factor: float) -> TrainingSample:
    """Training rows of whose outcomes the scores expect a part."""
    y, odds = outcomes(4000, seed=1)
    return TrainingSample(frame=rows(spec, n=4000), y=y, scores=factor * logistic(odds))


MOVED = (
    "The level of outcomes has changed since training: make windows.train shorter (it is 1 year), or wait until more of it lies "
    "after the change."
)
FIRST = (
    "A wider judgement.checks.calibration.observed_expected lets a first champion in; those after it are excused while "
    "they are not further off."
)


@pytest.mark.parametrize(
    ("factor", "shift", "stretch", "champion", "remedy"),
    [
        (1.0, -0.6, 1.0, False, f"{MOVED} {FIRST}"),
        (None, 0.6, 1.0, False, f"{MOVED} {FIRST}"),
        (1.0, -0.6, 1.0, True, MOVED),
        (1.8, -0.6, 1.0, False, f"{MOVED} {FIRST}"),
        (0.5, -0.6, 1.0, False, "too: look at the candidate's parameters, such as class_weight."),
        (1.0, 0.0, 2.0, False, "Its predictions are too extreme: regularise more, or leave the candidate out."),
        (1.0, 0.0, 0.5, False, "Its predictions are too close to the mean: regularise less, or search by log loss"),
    ],
)
def test_a_failure_says_whether_the_level_moved_or_the_candidate_is_off(
    factor: float | None, shift: float, stretch: float, champion: bool, remedy: str
) -> None:
    """It said nothing, and after a shift of the level nobody knew how a first champion could come about."""
    spec, (y, odds) = a_spec(), outcomes(4000)
    mine = logistic(shift + stretch * (odds + 1.3) - 1.3)
    theirs = logistic(odds) if champion else None
    training = None if factor is None else trained(spec, factor)
    found = overall_calibration(evidence(spec, y=y, challenger=mine, champion=theirs, training=training))
    assert found.status == "fail"
    assert remedy in found.remedy
    assert ("On its training rows observed over expected is 1.9" in found.remedy) is (factor == 0.5)


@pytest.mark.parametrize(("times", "share"), [(0.5, 0.75), (2 / 3, 0.5), (1.3, 0.13), (1.5, 0.4), (2.0, 0.6)])
def test_after_a_shift_a_first_champion_comes_when_enough_of_its_training_lies_after_it(
    times: float, share: float
) -> None:
    """The shares that docs/validation.md names, for a model whose predictions have the mean of its training rows."""
    y = (np.arange(100_000) < 10_000 * times).astype(float)
    for after, status in ((share - 0.1, "fail"), (share + 0.1, "pass")):
        mean = 0.1 * (1 - after + after * times)
        assert overall_calibration(evidence(y=y, challenger=np.full(len(y), mean))).status == status


@pytest.mark.parametrize(("tolerance", "status"), [(0.0, "fail"), (0.02, "fail"), (0.05, "beyond")])
def test_how_much_further_off_is_harm_is_the_specs(tolerance: float, status: str) -> None:
    """Both models score the same rows: that one expects 2.7 % more events than the other is hardly in doubt."""
    found = check(shift=0.6, champion=(0.55, 1.0), tolerance=tolerance)
    assert found.numbers["further_observed_expected"] == pytest.approx(0.027, abs=0.001)
    assert found.status == status


def test_what_may_be_chance_is_not_further_off() -> None:
    """The champion is off on the other side, by less, but these outcomes are few."""
    found = check(300, shift=0.9, champion=(-0.7, 1.0), tolerance=0.0)
    assert found.numbers["further_observed_expected"] > 0 > found.numbers["further_observed_expected_lower"]
    assert found.status == "beyond"


def test_rows_of_one_cluster_count_once() -> None:
    """Four copies of every row show no more than the rows themselves."""
    y, odds = outcomes(150)
    p, again = logistic(odds + 0.35), np.tile(np.arange(150), 4)
    once, alone, together = (
        overall_calibration(evidence(y=y[rows], challenger=p[rows], clusters=clusters))
        for rows, clusters in ((np.arange(150), None), (again, None), (again, again))
    )
    assert (once.status, alone.status, together.status) == ("beyond", "fail", "beyond")
    assert together.numbers["observed_expected_upper"] == pytest.approx(once.numbers["observed_expected_upper"])


def test_weights_that_depend_on_the_outcome_are_not_taken_for_evidence() -> None:
    """Of the events every tenth is kept and counts ten times."""
    y, odds = outcomes(2500)
    kept = (y == 0) | (np.cumsum(y) % 10 == 0)
    found = overall_calibration(
        evidence(y=y[kept], challenger=logistic(odds + 0.45)[kept], weights=np.where(y == 1, 10.0, 1.0)[kept])
    )
    assert found.numbers["observed_expected"] < 0.8
    assert found.status == "beyond"


def test_both_measures_need_their_own_excuse() -> None:
    assert check(shift=0.6, stretch=2.0, champion=(1.5, 1.0)).status == "fail"
    assert check(shift=0.6, stretch=2.0, champion=(1.5, 3.0)).status == "beyond"


def test_constant_scores_have_no_slope_and_excuse_none() -> None:
    y, odds = outcomes(4000)
    bold = evidence(y=y, challenger=logistic(2 * odds + 1.3), champion=np.full(4000, y.mean()))
    found = overall_calibration(bold)
    assert "champion_slope" not in found.numbers
    assert found.status == "fail"
    constant = overall_calibration(evidence(y=y, challenger=np.full(4000, y.mean())))
    assert (constant.status, "slope" in constant.numbers) == ("pass", False)


def amounts(n: int = 2000, seed: int = 0) -> tuple[Array, Array]:
    """Positive amounts and their expected values."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(50, 150, n)
    return mean * rng.gamma(4.0, 0.25, n), mean


@pytest.mark.parametrize(
    ("scale", "offset", "status"), [(1.0, 0.0, "pass"), (1.5, 0.0, "fail"), (0.6, 0.0, "fail"), (2.5, -150, "fail")]
)
def test_a_regression_is_held_to_the_ratio_of_means_and_its_slope(scale: float, offset: float, status: str) -> None:
    y, mean = amounts()
    found = overall_calibration(evidence(a_regression(), y=y, challenger=scale * mean + offset))
    assert found.status == status
    assert found.numbers["observed_expected"] == pytest.approx(y.mean() / (scale * mean + offset).mean())


def test_a_regression_excuses_by_the_champion_too() -> None:
    y, mean = amounts()
    excused = overall_calibration(evidence(a_regression(), y=y, challenger=1.5 * mean, champion=2 * mean))
    assert excused.status == "beyond"
    assert (
        overall_calibration(evidence(a_regression(), y=y, challenger=1.5 * mean, champion=1.2 * mean)).status == "fail"
    )


def test_outcomes_of_both_signs_have_a_slope_but_no_ratio() -> None:
    rng = np.random.default_rng(0)
    p = rng.normal(size=2000)
    good = overall_calibration(evidence(a_regression(), y=p + rng.normal(size=2000), challenger=p))
    bold = overall_calibration(evidence(a_regression(), y=p + rng.normal(size=2000), challenger=3 * p))
    assert "observed_expected" not in good.numbers
    assert (good.status, bold.status) == ("pass", "fail")


@pytest.mark.parametrize("y", [np.empty(0), np.zeros(50), np.ones(50)])
def test_does_not_apply_where_nothing_can_be_measured(y: Array) -> None:
    found = overall_calibration(evidence(y=y, champion=np.full(len(y), 0.5)))
    assert (found.status, found.explanation) == ("not_applicable", "Nothing can be measured on the holdout.")


def test_a_champion_that_excuses_its_challenger_fails_by_itself() -> None:
    """The challenger, at 1.54, passed because the champion, at 1.93, was worse: nothing but the card showed that."""
    y, odds = outcomes(4000)
    case = evidence(y=y, challenger=logistic(odds - 0.6), champion=logistic(odds - 0.9))
    assert overall_calibration(case).status == "beyond"
    (failed,) = checks.failed_by_champion(case)
    assert (failed.code, failed.status, failed.severity) == ("TH203", "fail", "block")
    alone = overall_calibration(case.model_copy(update={"challenger": case.champion, "champion": None}))
    assert failed == alone.model_copy(update={"remedy": ""}), "a remedy is for a candidate"
    assert failed.explanation.startswith(
        f"On the holdout: observed over expected {failed.numbers['observed_expected']:.3f} ["
    )


@pytest.mark.parametrize(
    ("champion", "rule"), [(0.0, {}), (-0.9, {"severity": "warn"}), (-0.9, {"severity": "off"}), (None, {})]
)
def test_a_champion_fails_nothing_that_would_not_block_a_challenger(
    champion: float | None, rule: dict[str, str]
) -> None:
    y, odds = outcomes(4000)
    theirs = None if champion is None else logistic(odds + champion)
    spec = a_spec(judgement__checks={"calibration": rule})
    assert checks.failed_by_champion(evidence(spec, y=y, challenger=logistic(odds), champion=theirs)) == ()


def test_of_a_champion_no_model_is_asked_and_no_other_drift_taken_for_its_own() -> None:
    """TH205 judges its floors; TH401 would compare it with the challenger's training rows."""
    asked = a_spec(
        judgement__floors={"roc_auc": 0.89},
        judgement__checks={key: {"severity": "block"} for key in ("drift", "missing_inputs", "benchmark", "cohorts")},
    )
    y, odds = outcomes(4000)

    def predict(_: Any) -> Array:
        raise AssertionError("of the challenger")

    case = evidence(asked, y=y, challenger=logistic(odds), champion=logistic(odds), predict=predict)
    assert checks.failed_by_champion(case) == ()
