"""Metrics and gains against other implementations: scikit-learn, arithmetic by hand, and slow obvious oracles."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from sklearn import metrics as sk

from titleholder import metrics
from titleholder.metrics import Array, Gain
from titleholder.spec import METRICS

Y = np.array([0, 0, 0, 0, 1, 1, 0, 1], dtype=float)
P = np.array([0.1, 0.2, 0.3, 0.4, 0.4, 0.6, 0.7, 0.9])


def sample(n: int = 200, seed: int = 0, rate: float = 0.3) -> tuple[Array, Array, Array]:
    """Outcomes and two models' scores, the first better than the second."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rate).astype(float)
    better = 1 / (1 + np.exp(-(y * 1.5 + rng.normal(size=n))))
    worse = 1 / (1 + np.exp(-(y * 0.5 + rng.normal(size=n))))
    return y, better, worse


def won(
    name: str, y: Array, a: Array, b: Array, *, confidence: float = 0.95, resamples: int = 30, seed: int = 1
) -> Gain:
    return metrics.gain(name, y, a, b, confidence=confidence, resamples=resamples, seed=seed)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 15 pairs: 0.4 beats three and ties one, 0.6 beats four, 0.9 beats all five
        ("roc_auc", 12.5 / 15),
        ("gini", 2 * 12.5 / 15 - 1),
        ("ks", 1 - 2 / 5),  # at 0.4: all bads at or above, two goods of five (0.4 and 0.7) there as well
        ("pr_auc", 1 / 3 * 1 + 1 / 3 * 2 / 3 + 1 / 3 * 3 / 5),
        ("brier", np.mean((Y - P) ** 2)),
        ("log_loss", -np.mean(np.where(Y == 1, np.log(P), np.log(1 - P)))),
    ],
)
def test_classification_metrics_by_hand(name: str, expected: float) -> None:
    assert metrics.compute(name, Y, P) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"), [("rmse", math.sqrt((0.25 + 0 + 4) / 3)), ("mae", 2.5 / 3), ("r2", 1 - 4.25 / 2)]
)
def test_regression_metrics_by_hand(name: str, expected: float) -> None:
    assert metrics.compute(name, np.array([1.0, 2, 3]), np.array([1.5, 2, 1])) == pytest.approx(expected, abs=1e-12)


def test_metrics_against_scikit_learn_and_the_roc_curve() -> None:
    y, p, _ = sample()
    false_positive, true_positive, _ = sk.roc_curve(y, p)
    assert metrics.compute("roc_auc", y, p) == sk.roc_auc_score(y, p)
    assert metrics.compute("ks", y, p) == pytest.approx(np.max(true_positive - false_positive), abs=1e-12)
    assert metrics.compute("pr_auc", y, p) == sk.average_precision_score(y, p)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_all_metrics_of_a_task_and_no_other(task: str) -> None:
    y, p, _ = sample()
    found = metrics.compute_all(task, y, p)
    assert list(found) == [name for name, info in METRICS.items() if info.task == task]
    assert all(isinstance(v, float) for v in found.values())


def test_every_metric_of_the_spec_can_be_computed() -> None:
    assert set(metrics.FUNCTIONS) == set(METRICS)


# DeLong


def delong_oracle(y: Array, scores: Array) -> tuple[Array, Array]:
    """DeLong, DeLong & Clarke-Pearson (1988), equations 2 to 6, pair by pair."""

    def kernel(bad: float, good: float) -> float:
        return 1.0 if bad > good else 0.5 if bad == good else 0.0

    placements: list[tuple[list[float], list[float]]] = []
    for row in scores:
        bads = [s for s, outcome in zip(row, y, strict=True) if outcome == 1]
        goods = [s for s, outcome in zip(row, y, strict=True) if outcome == 0]
        v10 = [math.fsum(kernel(b, g) for g in goods) / len(goods) for b in bads]
        v01 = [math.fsum(kernel(b, g) for b in bads) / len(bads) for g in goods]
        placements.append((v10, v01))
    areas = np.array([math.fsum(v10) / len(v10) for v10, _ in placements])

    def covariance(a: list[float], b: list[float]) -> float:
        mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
        return math.fsum((x - mean_a) * (z - mean_b) for x, z in zip(a, b, strict=True)) / (len(a) - 1)

    k = len(scores)
    matrix = np.empty((k, k))
    for i, j in itertools.product(range(k), repeat=2):
        s10 = covariance(placements[i][0], placements[j][0]) / len(placements[i][0])
        s01 = covariance(placements[i][1], placements[j][1]) / len(placements[i][1])
        matrix[i, j] = s10 + s01
    return areas, matrix


@pytest.mark.parametrize("ties", [None, 10, 3, 1])
@pytest.mark.parametrize(("n", "rate"), [(60, 0.5), (80, 0.1)])
def test_delong_equals_the_pairwise_definition(n: int, rate: float, ties: int | None) -> None:
    y, a, b = sample(n, seed=3, rate=rate)
    scores = np.vstack([a, b, a**2 + b])
    if ties:
        scores = np.round(scores * ties) / ties
    areas, covariance = metrics.delong(y, scores)
    expected_areas, expected_covariance = delong_oracle(y, scores)
    assert_allclose(areas, expected_areas, rtol=0, atol=1e-12)
    assert_allclose(covariance, expected_covariance, rtol=0, atol=1e-12)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 4)), min_size=4, max_size=25).filter(
        lambda rows: 2 <= sum(r[0] for r in rows) <= len(rows) - 2
    )
)
def test_delong_equals_the_pairwise_definition_on_few_rows_full_of_ties(rows: list[tuple[bool, int, int]]) -> None:
    y, *scores = np.array(rows, dtype=float).T
    for found, expected in zip(metrics.delong(y, np.vstack(scores)), delong_oracle(y, np.vstack(scores)), strict=True):
        assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_delong_by_hand_on_four_rows() -> None:
    # bads 1 and 3, goods 0 and 2: placements of bads 1/2 and 1, of goods 1 and 1/2; variance 1/8 / 2 + 1/8 / 2
    areas, covariance = metrics.delong(np.array([1.0, 0, 0, 1]), np.array([[1.0, 0, 2, 3]]))
    assert areas.tolist() == [0.75]
    assert covariance.tolist() == [[0.125]]


def test_areas_are_scikit_learns() -> None:
    y, a, b = sample(500, seed=5)
    areas, _ = metrics.delong(y, np.vstack([a, b]))
    assert_allclose(areas, [sk.roc_auc_score(y, a), sk.roc_auc_score(y, b)], rtol=0, atol=1e-12)


def test_the_interval_is_the_normal_one() -> None:
    y, a, b = sample()
    areas, covariance = delong_oracle(y, np.vstack([a, b]))
    deviation = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = won("roc_auc", y, a, b, confidence=0.9)
    assert found.estimate == pytest.approx(areas[0] - areas[1], abs=1e-12)
    assert found.lower == pytest.approx(found.estimate - 1.6448536269514722 * deviation, abs=1e-12)
    assert found.upper == pytest.approx(found.estimate + 1.6448536269514722 * deviation, abs=1e-12)
    assert found.method == "DeLong"


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Two equally good models: the 90 % interval misses 0 in about one of ten samples."""
    rng = np.random.default_rng(8)
    misses = 0
    for _ in range(400):
        y = np.repeat([0.0, 1.0], [120, 40])
        common = y + rng.normal(size=160)
        a, b = common + rng.normal(size=160), common + rng.normal(size=160)
        found = won("roc_auc", y, a, b, confidence=0.9)
        misses += not found.lower <= 0 <= found.upper
    assert stats.binomtest(misses, 400, 0.1).pvalue > 0.001


def test_one_event_gives_an_estimate_but_no_bounds() -> None:
    y, p = np.array([0.0, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    found = won("roc_auc", y, p, -p)
    assert (found.estimate, found.lower, found.upper) == (1.0, -math.inf, math.inf)


def test_gini_gains_twice_what_the_area_gains() -> None:
    y, a, b = sample()
    area, gini = won("roc_auc", y, a, b), won("gini", y, a, b)
    assert_allclose(gini[:3], 2 * np.array(area[:3]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["roc_auc", "gini"])
def test_only_the_order_of_scores_counts(name: str) -> None:
    y, a, b = sample()
    assert_allclose(won(name, y, a, b)[:3], won(name, y, np.log(a) * 7, b**3)[:3], rtol=0, atol=1e-12)


# every metric's gain


@pytest.mark.parametrize("name", METRICS)
def test_a_gain_turned_around_is_a_loss(name: str) -> None:
    y, a, b = sample()
    there, back = won(name, y, a, b), won(name, y, b, a)
    assert_allclose([there.estimate, there.lower, there.upper], [-back.estimate, -back.upper, -back.lower], atol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_the_better_model_gains_whatever_the_direction_of_its_metric(name: str) -> None:
    y, _, _ = sample(300)
    rng = np.random.default_rng(4)
    near = np.clip(y * 0.6 + 0.2 + rng.normal(scale=0.05, size=300), 0.01, 0.99)
    far = np.clip(y * 0.2 + 0.4 + rng.normal(scale=0.3, size=300), 0.01, 0.99)
    found = won(name, y, near, far)
    assert found.lower > 0
    assert found.lower < found.estimate < found.upper
    sign = 1 if METRICS[name].greater_is_better else -1
    difference = metrics.compute(name, y, near) - metrics.compute(name, y, far)
    assert found.estimate == pytest.approx(sign * difference, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_a_model_gains_nothing_on_itself(name: str) -> None:
    y, a, _ = sample()
    found = won(name, y, a, a)
    assert_allclose(found[:3], [0, 0, 0], atol=1e-9)


@pytest.mark.parametrize("name", ["brier", "rmse"])
def test_the_bootstrap_repeats_itself_for_a_seed_and_no_other(name: str) -> None:
    y, a, b = sample()
    assert won(name, y, a, b, seed=1) == won(name, y, a, b, seed=1)
    assert won(name, y, a, b, seed=1).lower != won(name, y, a, b, seed=2).lower
    assert won(name, y, a, b, seed=1).estimate == won(name, y, a, b, seed=2).estimate


def test_more_confidence_means_a_wider_interval() -> None:
    y, a, b = sample()
    for name in ("roc_auc", "brier"):
        wide, narrow = won(name, y, a, b, confidence=0.99), won(name, y, a, b, confidence=0.8)
        assert wide.lower < narrow.lower < narrow.upper < wide.upper


def test_the_bootstraps_spread_is_that_of_the_mean_difference() -> None:
    """The MAE's gain is a mean of n differences, whose standard error is known."""
    rng = np.random.default_rng(2)
    y, a, b = rng.normal(size=(3, 400))
    difference = np.abs(y - b) - np.abs(y - a)
    found = won("mae", y, a, b, resamples=1000)
    reach = 1.96 * difference.std() / math.sqrt(400)
    assert (found.upper - found.lower) / 2 == pytest.approx(reach, rel=0.1)


def test_stratified_resamples_keep_both_classes_in_their_numbers() -> None:
    y = np.r_[np.ones(2), np.zeros(98)]
    seen: list[int] = []

    def count(y: Array, p: Array) -> float:
        seen.append(int(y.sum()))
        return 0.0

    metrics.paired_bootstrap(count, y, y, y, resamples=50, seed=0, stratify=True)
    assert set(seen) == {2}


@pytest.mark.parametrize("name", ["ks", "pr_auc", "brier", "log_loss"])
def test_two_events_are_enough_for_every_resample(name: str) -> None:
    _, a, b = sample(60)
    y = np.r_[np.ones(2), np.zeros(58)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(won(name, y, a, b, resamples=100)[:3]).all()


def test_both_models_are_resampled_on_the_same_rows() -> None:
    y, a, _ = sample()
    draws = metrics.paired_bootstrap(lambda _, p: float(p.mean()), y, a + 1, a, resamples=50, seed=0, stratify=False)
    assert_allclose(draws, np.ones(50), atol=1e-12)


# refusals


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["roc_auc", "brier"])
def test_scores_that_are_no_numbers_are_refused(name: str, bad: float) -> None:
    y, a, b = sample()
    broken = a.copy()
    broken[[3, 5]] = bad
    said = "2 of 200 scores are not finite numbers; a model must score every row"
    for call in (
        lambda: metrics.compute(name, y, broken),
        lambda: won(name, y, broken, b),
        lambda: won(name, y, a, broken),
    ):
        with pytest.raises(ValueError, match=said):
            call()


@pytest.mark.parametrize("name", ["roc_auc", "rmse"])
def test_unequal_lengths_are_refused(name: str) -> None:
    y, a, b = sample()
    with pytest.raises(ValueError, match="unequal lengths: 200 outcomes, 199 and 200 scores"):
        won(name, y, a[1:], b)
    with pytest.raises(ValueError, match="unequal lengths: 200 outcomes, 200 and 199 scores"):
        won(name, y, a, b[1:])
