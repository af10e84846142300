"""Observed over expected, and the logistic recalibration, against R and statsmodels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy import special, stats

from support.metric_samples import ROW, A, B, W, Y
from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Sample
from titleholder.validation.metrics.inputs import effective_size

UNKNOWN = (-math.inf, math.inf)


CLUSTERS = ROW // 4
KNOWN = {
    "A": (A, None, None, (0.0832520249036, 0.107692253187, 0.204913055194, 0.277637010431, 1.11472820023, 0.308294376)),
    "B": (B, None, None, (0.0820649530543, 0.108858794481, 0.2005892709, 0.27847231081, 1.04695747291, 0.325892131)),
    "A, W": (A, W, None, (0.0806638642871, 0.119056042254, 0.198389421099, 0.305713396791, 1.06245735599, 0.3439002318)),
    "A, W, clusters": (
        A, W, CLUSTERS, (0.0806638642871, 0.0748043709564, 0.198389421099, 0.185722750343, 1.06245735599, 0.3451298518),
    ),
}  # fmt: skip
"""statsmodels 0.15.0: coefficient and robust standard error (HC0; by clusters without correction) of `GLM` with
`var_weights`: Poisson with offset log(p), binomial with offset logit(p), and binomial on a constant and logit(p)."""


@pytest.mark.parametrize("case", KNOWN)
def test_the_numbers_are_those_of_robust_regressions(case: str) -> None:
    p, w, clusters, known = KNOWN[case]
    sample, n = Sample(Y, w, clusters), 60 if clusters is None else 15
    smaller = {"A": 27, "B": 27, "A, W": effective_size(W[Y == 0]), "A, W, clusters": 15}[case]
    alone = n if w is None or clusters is not None else effective_size(W)
    found = metrics.calibration(sample, p, confidence=0.9)
    for k, (part, freedom) in enumerate(zip(found, (alone - 1, smaller - 1, smaller - 1), strict=True)):
        estimate, error = known[2 * k], known[2 * k + 1] * math.sqrt(n / (n - 1))
        bounds = estimate + np.array([0, -1, 1]) * stats.t.ppf(0.95, freedom) * error
        assert part.values == pytest.approx(tuple(bounds if k else np.exp(bounds)), abs=1e-8)
    assert found.observed_expected == metrics.observed_expected(sample, p, confidence=0.9)


def simulated(n: int, seed: int, shift: float = 0.0, slope: float = 1.0) -> tuple[Sample, Array]:
    """Outcomes, and predictions whose recalibration has this intercept (at slope 1) and slope."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1.5, 1.0, size=n)
    y = (rng.random(n) < special.expit(shift + slope * log_odds)).astype(float)
    return Sample(y), special.expit(log_odds)


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
    for misses in missed:
        assert stats.binomtest(int(misses), 300, 0.1).pvalue > 0.001


def held(draw: Callable[[np.random.Generator], tuple[Sample, Array]], times: int = 400) -> Array:
    """How often each 95 % interval holds the truth, where predictions are right."""
    rng, held = np.random.default_rng(4), np.zeros(3)
    for _ in range(times):
        found = metrics.calibration(*draw(rng), confidence=0.95)
        held += [part.lower <= truth <= part.upper for part, truth in zip(found, (1.0, 0.0, 1.0), strict=True)]
    return held / times


@pytest.mark.parametrize("kept", [(0.1, 1.0), (1.0, 0.1)], ids=["events thinned", "others thinned"])
def test_intervals_cover_the_truth_where_weights_depend_on_the_outcome(kept: tuple[float, float]) -> None:
    """Rows of one class are kept with probability 0.1 and count ten times; 400 samples have an error of 1.1 %."""

    def draw(rng: np.random.Generator) -> tuple[Sample, Array]:
        log_odds = rng.normal(-1.5, 1.0, size=2000)
        y = (rng.random(2000) < special.expit(log_odds)).astype(float)
        chance = np.where(y == 1, *kept)
        rows = rng.random(2000) < chance
        return Sample(y[rows], 1 / chance[rows]), special.expit(log_odds[rows])

    assert (held(draw) >= 0.92).all()
    assert (held(draw) <= 0.98).all()


def test_intervals_cover_the_truth_where_rows_come_in_clusters() -> None:
    """Eighty customers with five equal loans each."""

    def draw(rng: np.random.Generator) -> tuple[Sample, Array]:
        log_odds = rng.normal(-1.0, 1.0, size=80)
        y = (rng.random(80) < special.expit(log_odds)).astype(float)
        return Sample(np.repeat(y, 5), None, np.repeat(np.arange(80), 5)), special.expit(np.repeat(log_odds, 5))

    assert (held(draw) >= 0.92).all()
    assert (held(lambda rng: (Sample((found := draw(rng))[0].y), found[1])) < 0.75).all()


def test_equal_weights_of_any_size_are_no_weights() -> None:
    sample, p = simulated(500, 1)
    plain = metrics.calibration(sample, p, confidence=0.9)
    for weight in (0.01, 1.0, 100.0):
        weighted = Sample(sample.y, np.full(500, weight))
        for one, other in zip(metrics.calibration(weighted, p, confidence=0.9), plain, strict=True):
            assert one.values == pytest.approx(other.values, rel=1e-8)
    uneven = metrics.calibration(Sample(sample.y, np.where(np.arange(500) % 10, 0.01, 1.0)), p, confidence=0.9)
    assert uneven.slope.upper - uneven.slope.lower > 2 * (plain.slope.upper - plain.slope.lower)


def test_no_events_leave_an_upper_bound() -> None:
    """R 4.2.2, `binom.test(0, 60)`: at most 5.96294922862 % events, where sum(p) / 60 are expected."""
    found = metrics.observed_expected(Sample(np.zeros(60)), A, confidence=0.95)
    assert (found.estimate, found.lower) == (0.0, 0.0)
    assert found.upper == pytest.approx(0.117829576594, abs=1e-11)


def test_nothing_but_events_leaves_a_lower_bound() -> None:
    found = metrics.observed_expected(Sample(np.ones(60)), A, confidence=0.95)
    assert found.upper == found.estimate == pytest.approx(60 / A.sum())
    assert found.lower == pytest.approx(0.9403705077138331 * 60 / A.sum(), abs=1e-12)  # statsmodels 0.15.0, "beta"


def test_clusters_without_events_count_once() -> None:
    """`binom.test(0, 15)` of R: at most 21.80194 % events."""
    found = metrics.observed_expected(Sample(np.zeros(60), None, CLUSTERS), A, confidence=0.95)
    assert found.upper == pytest.approx(0.2180194 * 60 / A.sum(), abs=1e-6)


def test_one_cluster_shows_nothing() -> None:
    found = metrics.calibration(Sample(Y, None, np.zeros(60)), A, confidence=0.95)
    assert (found.observed_expected.lower, found.observed_expected.upper) == (0.0, math.inf)
    assert (found.slope.lower, found.slope.upper) == UNKNOWN


@pytest.mark.parametrize(("y", "estimate"), [([0.0, 0], math.nan), ([0.0, 1], math.inf)])
def test_where_nothing_is_expected_anything_is_possible(y: list[float], estimate: float) -> None:
    found = metrics.observed_expected(Sample(np.array(y)), np.zeros(2), confidence=0.9)
    assert found.estimate == estimate or (math.isnan(found.estimate) and math.isnan(estimate))
    assert (found.lower, found.upper) == (0.0, math.inf)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_cannot_be_recalibrated(outcome: float) -> None:
    found = metrics.calibration(Sample(np.full(60, outcome)), A, confidence=0.95)
    for part in (found.intercept, found.slope):
        assert math.isnan(part.estimate)
        assert (part.lower, part.upper) == UNKNOWN


@pytest.mark.parametrize("p", [[0.2, 0.3, 0.3, 0.4], [0.4, 0.3, 0.3, 0.2], [0.3, 0.3, 0.3, 0.3]])
def test_there_is_no_slope_where_predictions_separate_the_classes_or_are_equal(p: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.calibration(Sample(np.array([0.0, 0, 1, 1])), np.array(p), confidence=0.95)
    assert math.isnan(found.slope.estimate)
    assert (found.slope.lower, found.slope.upper) == UNKNOWN
    assert math.isfinite(found.intercept.lower)


def test_predictions_of_0_and_1_are_taken_as_a_millionth_off() -> None:
    sample, p = simulated(300, 2)
    extreme, near = p.copy(), p.copy()
    extreme[:4], near[:4] = [0, 1, 0, 1], [1e-6, 1 - 1e-6, 1e-6, 1 - 1e-6]
    found = metrics.calibration(sample, extreme, confidence=0.95)
    assert found.intercept == metrics.calibration(sample, near, confidence=0.95).intercept
    assert found.slope == metrics.calibration(sample, near, confidence=0.95).slope
    assert found.slope.estimate < 0.5


@pytest.mark.parametrize("shift", [-12.0, 12.0])
def test_newtons_method_finds_its_way_from_far_off(shift: float) -> None:
    sample, p = simulated(500, 3)
    found = metrics.calibration(sample, special.expit(special.logit(p) / 20 + shift), confidence=0.95)
    expected = metrics.calibration(sample, p, confidence=0.95).slope.estimate * 20
    assert found.slope.estimate == pytest.approx(expected, rel=1e-6)
    assert found.intercept.estimate * shift < 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.5])
def test_predictions_that_are_no_probabilities_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="1 of 60 scores"):
        metrics.calibration(Sample(Y), np.where(np.arange(60) == 7, bad, A), confidence=0.95)


@pytest.mark.parametrize("spread", [0.0, 1e-16, 1e-14, 1e-12, 1e-9])
def test_predictions_that_are_as_good_as_equal_have_no_slope(spread: float) -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(500) < 0.06).astype(float)
    found = metrics.calibration(Sample(y), 0.06 + spread * rng.normal(size=500), confidence=0.95)
    assert math.isnan(found.slope.estimate)
    assert math.isfinite(found.observed_expected.estimate)
