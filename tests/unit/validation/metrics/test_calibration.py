"""Observed over expected, and the logistic recalibration, against R and statsmodels."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import special, stats

from support.metric_samples import A, B, W, Y
from titleholder.validation import metrics
from titleholder.validation.metrics import Array

UNKNOWN = (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("scores", "weights", "ratio"),
    [
        (A, None, (1.08681567865, 0.864484019792, 1.36632753449)),
        (B, None, (1.08552631579, 0.863458423998, 1.36470656782)),
        (A, W, (1.08400646, 0.84658147, 1.38801763)),
    ],
)
def test_observed_over_expected_is_a_log_binomial_regression(
    scores: Array, weights: Array | None, ratio: tuple[float, ...]
) -> None:
    """R 4.2.2, `glm(y ~ offset(log(mean(p))), binomial("log"))`: the exponent of the intercept and of its
    `confint.default`; weighted: statsmodels 0.15.0, the same GLM, `freq_weights = w * sum(w) / sum(w^2)`."""
    found = metrics.observed_expected(Y, scores, confidence=0.95, weights=weights)
    assert found.values == pytest.approx(ratio, abs=1e-8)


@pytest.mark.parametrize(
    ("scores", "weights", "intercept", "slope"),
    [
        (A, None, (0.204913055194, -0.342968625531, 0.75279473592), (1.11472820023, 0.356797632536, 1.87265876793)),
        (B, None, (0.2005892709, -0.34521184056, 0.746390382361), (1.04695747291, 0.300966172441, 1.79294877338)),
        (A, W, (0.19838942, -0.39276833, 0.78954718), (1.0624573559927972, 0.25852402, 1.86639069)),
    ],
)
def test_the_recalibration_is_a_logistic_regression(
    scores: Array, weights: Array | None, intercept: tuple[float, ...], slope: tuple[float, ...]
) -> None:
    """R 4.2.2, `glm(y ~ offset(qlogis(p)), binomial)` and `glm(y ~ qlogis(p), binomial)` with `confint.default`, the
    same to 8 digits in statsmodels 0.15.0; weighted: statsmodels 0.15.0, `freq_weights = w * sum(w) / sum(w^2)`."""
    found = metrics.calibration(Y, scores, confidence=0.95, weights=weights)
    assert found.intercept.values == pytest.approx(intercept, abs=2e-8)
    assert found.slope.values == pytest.approx(slope, abs=2e-8)
    assert found.observed_expected == metrics.observed_expected(Y, scores, confidence=0.95, weights=weights)


def simulated(n: int, seed: int, shift: float = 0.0, slope: float = 1.0) -> tuple[Array, Array]:
    """Outcomes, and predictions whose recalibration has this intercept (at slope 1) and slope."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1.5, 1.0, size=n)
    return (rng.random(n) < special.expit(shift + slope * log_odds)).astype(float), special.expit(log_odds)


@pytest.mark.parametrize(("shift", "slope"), [(0.0, 1.0), (0.7, 1.0), (0.0, 0.5), (0.0, 1.6)])
def test_a_known_miscalibration_is_found(shift: float, slope: float) -> None:
    found = metrics.calibration(*simulated(100_000, 0, shift, slope), confidence=0.999)
    assert found.slope.lower < slope < found.slope.upper
    assert found.slope.upper - found.slope.lower < 0.15
    if slope == 1.0:
        assert found.intercept.lower < shift < found.intercept.upper


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    missed = np.zeros(3)
    for seed in range(300):
        found = metrics.calibration(*simulated(400, seed), confidence=0.9)
        for k, (part, truth) in enumerate(zip(found, (1.0, 0.0, 1.0), strict=True)):
            missed[k] += not part.lower <= truth <= part.upper
    assert missed[0] <= 30 + 3 * 5  # its variance is that of random rows, a little too much for these predictions
    for misses in missed[1:]:
        assert stats.binomtest(int(misses), 300, 0.1).pvalue > 0.001


def test_weights_count_for_their_effective_number() -> None:
    y, p = simulated(500, 1)
    plain = metrics.calibration(y, p, confidence=0.9)
    for weight in (0.01, 1.0, 100.0):
        for one, other in zip(
            metrics.calibration(y, p, confidence=0.9, weights=np.full(500, weight)), plain, strict=True
        ):
            assert one.values == pytest.approx(other.values, rel=1e-9)
    uneven = metrics.calibration(y, p, confidence=0.9, weights=np.where(np.arange(500) % 10, 0.01, 1.0))
    assert uneven.slope.upper - uneven.slope.lower > 2 * (plain.slope.upper - plain.slope.lower)


def test_no_events_leave_an_upper_bound() -> None:
    """R 4.2.2, `binom.test(0, 60)`: at most 5.96294922862 % events, where sum(p) / 60 are expected."""
    found = metrics.observed_expected(np.zeros(60), A, confidence=0.95)
    assert (found.estimate, found.lower) == (0.0, 0.0)
    assert found.upper == pytest.approx(0.117829576594, abs=1e-11)


def test_nothing_but_events_leaves_a_lower_bound() -> None:
    found = metrics.observed_expected(np.ones(60), A, confidence=0.95)
    assert found.upper == found.estimate == pytest.approx(60 / A.sum())
    assert found.lower == pytest.approx(0.9403705077138331 * 60 / A.sum(), abs=1e-12)  # statsmodels 0.15.0, "beta"


@pytest.mark.parametrize(("y", "estimate"), [([0.0, 0], math.nan), ([0.0, 1], math.inf)])
def test_where_nothing_is_expected_anything_is_possible(y: list[float], estimate: float) -> None:
    found = metrics.observed_expected(np.array(y), np.zeros(2), confidence=0.9)
    assert found.estimate == estimate or (math.isnan(found.estimate) and math.isnan(estimate))
    assert (found.lower, found.upper) == (0.0, math.inf)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_cannot_be_recalibrated(outcome: float) -> None:
    found = metrics.calibration(np.full(60, outcome), A, confidence=0.95)
    for part in (found.intercept, found.slope):
        assert math.isnan(part.estimate)
        assert (part.lower, part.upper) == UNKNOWN


@pytest.mark.parametrize("p", [[0.2, 0.3, 0.3, 0.4], [0.4, 0.3, 0.3, 0.2], [0.3, 0.3, 0.3, 0.3]])
def test_there_is_no_slope_where_predictions_separate_the_classes_or_are_equal(p: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.calibration(np.array([0.0, 0, 1, 1]), np.array(p), confidence=0.95)
    assert math.isnan(found.slope.estimate)
    assert (found.slope.lower, found.slope.upper) == UNKNOWN
    assert math.isfinite(found.intercept.lower)


def test_predictions_of_0_and_1_are_taken_as_a_millionth_off() -> None:
    y, p = simulated(300, 2)
    extreme, near = p.copy(), p.copy()
    extreme[:4], near[:4] = [0, 1, 0, 1], [1e-6, 1 - 1e-6, 1e-6, 1 - 1e-6]
    found = metrics.calibration(y, extreme, confidence=0.95)
    assert found.intercept == metrics.calibration(y, near, confidence=0.95).intercept
    assert found.slope == metrics.calibration(y, near, confidence=0.95).slope
    assert found.slope.estimate < 0.5


@pytest.mark.parametrize("shift", [-12.0, 12.0])
def test_newtons_method_finds_its_way_from_far_off(shift: float) -> None:
    y, p = simulated(500, 3)
    found = metrics.calibration(y, special.expit(special.logit(p) / 20 + shift), confidence=0.95)
    expected = metrics.calibration(y, p, confidence=0.95).slope.estimate * 20
    assert found.slope.estimate == pytest.approx(expected, rel=1e-6)
    assert found.intercept.estimate * shift < 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.5])
def test_predictions_that_are_no_probabilities_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="1 of 60 scores"):
        metrics.calibration(Y, np.where(np.arange(60) == 7, bad, A), confidence=0.95)
