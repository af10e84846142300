"""DeLong's areas and covariances against the pairwise definition, R's pROC and the slope of the area itself."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import special, stats
from sklearn import metrics as sk

from support.metric_samples import A, B, W, Y, sample, won
from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Estimation, Sample
from titleholder.validation.metrics.inputs import student


def kernel(bad: float, good: float) -> float:
    return 1.0 if bad > good else 0.5 if bad == good else 0.0


def placements(y: Array, row: Array) -> tuple[list[float], list[float]]:
    bads = [s for s, outcome in zip(row, y, strict=True) if outcome == 1]
    goods = [s for s, outcome in zip(row, y, strict=True) if outcome == 0]
    v10 = [math.fsum(kernel(b, g) for g in goods) / len(goods) for b in bads]
    v01 = [math.fsum(kernel(b, g) for b in bads) / len(bads) for g in goods]
    return v10, v01


def delong_oracle(y: Array, scores: Array) -> tuple[Array, Array]:
    """DeLong, DeLong & Clarke-Pearson (1988), equations 2 to 6, pair by pair."""
    placed = [placements(y, row) for row in scores]
    areas = np.array([math.fsum(v10) / len(v10) for v10, _ in placed])

    def covariance(a: list[float], b: list[float]) -> float:
        mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
        return math.fsum((x - mean_a) * (z - mean_b) for x, z in zip(a, b, strict=True)) / (len(a) - 1)

    k = len(scores)
    matrix = np.empty((k, k))
    for i, j in itertools.product(range(k), repeat=2):
        s10 = covariance(placed[i][0], placed[j][0]) / len(placed[i][0])
        s01 = covariance(placed[i][1], placed[j][1]) / len(placed[i][1])
        matrix[i, j] = s10 + s01
    return areas, matrix


def tied(scores: Array, ties: int | None) -> Array:
    return np.round(scores * ties) / ties if ties else scores


@pytest.mark.parametrize("ties", [None, 10, 3, 1])
@pytest.mark.parametrize(("n", "rate"), [(60, 0.5), (80, 0.1)])
def test_delong_equals_the_pairwise_definition(n: int, rate: float, ties: int | None) -> None:
    y, a, b = sample(n, seed=3, rate=rate)
    scores = tied(np.vstack([a, b, a**2 + b]), ties)
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
    assert areas == pytest.approx([0.75])
    assert covariance == pytest.approx(np.array([[0.125]]))


def test_delong_is_that_of_proc() -> None:
    """R 4.2.2, pROC 1.18.0: `auc`, `var`, `cov` and `roc.test(method = "delong", paired = TRUE)` of Debian 12."""
    areas, covariance = metrics.delong(Y, np.vstack([A, B]))
    assert_allclose(areas, [0.712682379349, 0.701459034792], rtol=0, atol=1e-11)
    expected = [[0.00439990981985, -0.00279260391961], [-0.00279260391961, 0.0043537862994]]
    assert_allclose(covariance, expected, rtol=0, atol=1e-13)
    gained = won("roc_auc", Y, A, B)
    normal = student(gained.estimate, gained.error, math.inf, 0.95)
    assert (normal.lower, normal.upper) == pytest.approx((-0.2234728614, 0.245919550513), abs=1e-10)
    assert gained.estimate / gained.error == pytest.approx(0.0937269140228, abs=1e-11)


def test_the_interval_of_one_area_is_that_of_proc_by_student_on_the_logit_scale() -> None:
    """R 4.2.2, pROC 1.18.0: `ci.auc(method = "delong", conf.level = 0.9)`, by the normal quantile."""
    area, upper = 0.712682379349, 0.821788507553
    freedom = stats.ttest_ind(*placements(Y, A), equal_var=False).df
    reach = (upper - area) * stats.t.ppf(0.95, freedom) / stats.norm.ppf(0.95) / (area * (1 - area))
    found = metrics.interval("roc_auc", Sample(Y), A, Estimation(0.9, 100, 0))
    expected = (area, *special.expit(special.logit(area) + np.array([-reach, reach])))
    assert found.values == pytest.approx(expected, abs=1e-10)


def test_the_interval_of_one_area_never_leaves_its_range() -> None:
    near = metrics.interval("roc_auc", Sample(Y), A + Y * 0.3, Estimation(0.999, 100, 0))
    assert near.lower < near.estimate < near.upper < 1.0
    gini = metrics.interval("gini", Sample(Y), -A - Y * 0.3, Estimation(0.999, 100, 0))
    assert -1.0 < gini.lower < gini.estimate
    assert metrics.interval("gini", Sample(Y), Y, Estimation(0.999, 100, 0)).values == (1.0, 1.0, 1.0)


def test_the_interval_of_one_area_of_few_events_covers_the_truth() -> None:
    """Of 1,500 samples one standard error is 0.6 %; the normal quantile on the plain scale holds 91 to 92 %."""
    rng, y, truth = np.random.default_rng(6), np.r_[np.ones(20), np.zeros(200)], 0.8
    held = 0
    for _ in range(1500):
        p = math.sqrt(2) * stats.norm.ppf(truth) * y + rng.normal(size=220)
        found = metrics.interval("roc_auc", Sample(y), p, Estimation(0.95, 100, 0))
        held += found.lower <= truth <= found.upper
    assert held / 1500 > 0.94


@pytest.mark.parametrize("weights", [None, 1.0, 3.0])
def test_equal_weights_and_rows_alone_change_nothing(weights: float | None) -> None:
    y, a, b = sample(120)
    scores = np.vstack([np.round(a, 1), b])
    w = None if weights is None else np.full(120, weights)
    for clusters in (None, np.arange(120), np.array([f"row {i}" for i in range(120)], dtype=object)):
        for found, expected in zip(metrics.delong(y, scores, w, clusters), delong_oracle(y, scores), strict=True):
            assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_weighted_areas_are_scikit_learns() -> None:
    y, a, b = sample(500, seed=5)
    w = np.random.default_rng(0).gamma(1.0, size=500)
    areas, _ = metrics.delong(y, np.vstack([a, np.round(b, 1)]), w)
    expected = [sk.roc_auc_score(y, a, sample_weight=w), sk.roc_auc_score(y, np.round(b, 1), sample_weight=w)]
    assert_allclose(areas, expected, rtol=0, atol=1e-12)


def slopes(y: Array, p: Array, w: Array) -> Array:
    """How fast scikit-learn's weighted area grows with the logarithm of each row's weight, by central differences."""
    step, found = 1e-4, np.empty(len(y))
    for i in range(len(y)):
        up, down = w.copy(), w.copy()
        up[i], down[i] = w[i] * math.exp(step), w[i] * math.exp(-step)
        rise = sk.roc_auc_score(y, p, sample_weight=up) - sk.roc_auc_score(y, p, sample_weight=down)
        found[i] = rise / (2 * step)
    return found


@pytest.mark.parametrize("ties", [None, 5])
def test_the_weighted_variance_is_the_linearised_one(ties: int | None) -> None:
    y, a, b = sample(80)
    scores, w = tied(np.vstack([a, b]), ties), np.random.default_rng(0).gamma(1.0, size=80)
    influence = np.vstack([slopes(y, p, w) for p in scores])
    m, n = y.sum(), (1 - y).sum()
    bads, goods = influence[:, y == 1], influence[:, y == 0]
    expected = m / (m - 1) * bads @ bads.T + n / (n - 1) * goods @ goods.T
    assert_allclose(metrics.delong(y, scores, w)[1], expected, rtol=1e-6)


def obuchowski_oracle(y: Array, scores: Array, clusters: Array) -> Array:
    """Obuchowski (1997), cluster by cluster."""
    names, k = sorted(set(clusters)), len(scores)
    m, n = int(y.sum()), int((1 - y).sum())
    placed = [placements(y, row) for row in scores]
    matrix = np.empty((k, k))
    for r, s in itertools.product(range(k), repeat=2):
        sums = []
        for model in (r, s):
            v10, v01 = placed[model]
            area = math.fsum(v10) / m
            of_bad, of_good = clusters[y == 1], clusters[y == 0]
            x = {c: math.fsum(v - area for v, at in zip(v10, of_bad, strict=True) if at == c) for c in names}
            z = {c: math.fsum(v - area for v, at in zip(v01, of_good, strict=True) if at == c) for c in names}
            sums.append((x, z))
        (xr, zr), (xs, zs) = sums
        with_bad, with_good, both = len(set(clusters[y == 1])), len(set(clusters[y == 0])), len(names)
        s10 = with_bad / ((with_bad - 1) * m) * sum(xr[c] * xs[c] for c in names)
        s01 = with_good / ((with_good - 1) * n) * sum(zr[c] * zs[c] for c in names)
        s11 = both / (both - 1) * sum(xr[c] * zs[c] for c in names)
        s11_turned = both / (both - 1) * sum(xs[c] * zr[c] for c in names)
        matrix[r, s] = s10 / m + s01 / n + (s11 + s11_turned) / (m * n)
    return matrix


@pytest.mark.parametrize("groups", [3, 20, 70])
def test_clusters_give_obuchowskis_variance(groups: int) -> None:
    y, a, b = sample(90)
    clusters = np.random.default_rng(4).integers(0, groups, 90)
    scores = np.vstack([a, np.round(b, 1)])
    areas, covariance = metrics.delong(y, scores, clusters=clusters)
    assert_allclose(areas, metrics.delong(y, scores)[0], atol=1e-14)
    assert_allclose(covariance, obuchowski_oracle(y, scores, clusters), rtol=0, atol=1e-14)


def test_rows_repeated_within_clusters_count_once() -> None:
    y, a, b = sample(90)
    twice = np.tile(np.arange(90), 2)
    found = metrics.delong(y[twice], np.vstack([a, b])[:, twice], clusters=twice)
    for once, again in zip(metrics.delong(y, np.vstack([a, b])), found, strict=True):
        assert_allclose(again, once, rtol=0, atol=1e-14)


def test_a_row_without_a_cluster_is_one_of_its_own() -> None:
    y, a, b = sample(60)
    labels = np.array([None if i % 3 else f"c{i // 6}" for i in range(60)], dtype=object)
    numbers = np.array([np.nan if i % 3 else i // 6 for i in range(60)])
    known = np.array([f"row {i}" if label is None else label for i, label in enumerate(labels)])
    expected = metrics.delong(y, np.vstack([a, b]), clusters=known)[1]
    for clusters in (labels, numbers):
        assert_allclose(metrics.delong(y, np.vstack([a, b]), clusters=clusters)[1], expected, atol=1e-15)


@pytest.mark.parametrize(("n", "rate"), [(60, 0.1), (200, 0.3), (90, 0.9)])
def test_the_interval_of_a_gain_is_welchs_on_the_placements(n: int, rate: float) -> None:
    """SciPy's `ttest_ind(equal_var=False)` of the two classes' differences of placements: the same variances and
    degrees of freedom, around another difference."""
    y, a, b = sample(n, seed=1, rate=rate)
    v10, v01 = (np.subtract(first, second) for first, second in zip(placements(y, a), placements(y, b), strict=True))
    known = stats.ttest_ind(v10, v01, equal_var=False)
    low, high = known.confidence_interval(0.9)
    found = won("roc_auc", y, a, b, confidence=0.9)
    assert found.freedom == pytest.approx(known.df, rel=1e-9)
    assert found.upper - found.estimate == pytest.approx((high - low) / 2, abs=1e-12)
    assert found.estimate - found.lower == pytest.approx((high - low) / 2, abs=1e-12)
    assert found.method == "DeLong"


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 4)), min_size=4, max_size=25).filter(
        lambda rows: 2 <= sum(r[0] for r in rows) <= len(rows) - 2
    ),
    st.sampled_from(["rows", "weights", "clusters"]),
)
def test_degrees_of_freedom_lie_between_those_of_the_smaller_class_and_of_all_rows(
    rows: list[tuple[bool, int, int]], kind: str
) -> None:
    y, a, b = np.array(rows, dtype=float).T
    w = 1 + np.arange(len(y)) % 3 if kind == "weights" else None
    found = won("roc_auc", y, a, b, weights=w, clusters=np.arange(len(y)) // 2 if kind == "clusters" else None)
    least = min(y.sum(), len(y) - y.sum()) - 1 if kind == "rows" else 1
    assert least - 1e-9 <= found.freedom <= len(y) - 2 + 1e-9


def test_weights_that_depend_on_the_outcome_leave_the_degrees_of_freedom_and_uneven_ones_lower_them() -> None:
    y, a, b = sample(90)
    plain = won("roc_auc", y, a, b).freedom
    assert won("roc_auc", y, a, b, weights=np.where(y == 1, 1.0, 20.0)).freedom == pytest.approx(plain)
    assert won("roc_auc", y, a, b, weights=np.where(np.arange(90) % 9, 0.01, 1.0)).freedom < plain / 3


def test_with_clusters_they_are_those_of_the_class_in_fewer_clusters() -> None:
    y = np.r_[np.ones(12), np.zeros(48)]
    _, a, b = sample(60)
    assert won("roc_auc", y, a, b, clusters=np.arange(60) // 3).freedom == 4 - 1


def misses(repeats: int, size: int, *, clustered: bool) -> int:
    """How often the 90 % interval of two equally good models misses 0, on rows that come `size` at a time."""
    rng, missed = np.random.default_rng(8), 0
    for _ in range(repeats):
        y = np.repeat([0.0, 1.0], [120, 40])
        clusters = np.arange(160) // size
        common = y + rng.normal(size=160)
        a, b = (common + rng.normal(size=160 // size)[clusters] for _ in range(2))
        found = won("roc_auc", y, a, b, confidence=0.9, clusters=clusters if clustered else None)
        missed += not found.lower <= 0 <= found.upper
    return missed


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    assert stats.binomtest(misses(400, 1, clustered=False), 400, 0.1).pvalue > 0.001


def test_with_clusters_it_does_so_only_when_they_are_given() -> None:
    assert stats.binomtest(misses(400, 4, clustered=True), 400, 0.1).pvalue > 0.001
    assert misses(400, 4, clustered=False) > 100


def test_one_event_gives_an_estimate_but_no_bounds() -> None:
    y, p = np.array([0.0, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    found = won("roc_auc", y, p, -p)
    assert (found.estimate, found.lower, found.upper, found.error) == (1.0, -math.inf, math.inf, math.inf)


def test_all_events_in_one_cluster_give_no_bounds_either() -> None:
    y, a, b = sample(60)
    found = won("roc_auc", y, a, b, clusters=np.where(y == 1, -1, np.arange(60)))
    assert (found.lower, found.upper, found.error) == (-math.inf, math.inf, math.inf)
    assert found.method == "DeLong, clustered"


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_has_no_area(outcome: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        areas, covariance = metrics.delong(np.full(5, outcome), np.arange(10.0).reshape(2, 5))
    assert np.isnan(areas).all()
    assert np.isinf(covariance).all()


def test_equal_scores_all_over_are_worth_a_half_for_sure() -> None:
    areas, covariance = metrics.delong(Y, np.zeros((2, 60)), W)
    assert_allclose(areas, 0.5, atol=1e-15)
    assert_allclose(covariance, 0.0, atol=1e-15)
