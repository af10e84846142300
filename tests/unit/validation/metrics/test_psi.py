"""The population stability index: its bins, its value, and how sure one can be of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Psi

EARLY, LATE = np.arange(200), np.arange(120)
OLD, NEW = ((37 * EARLY) % 200) * 1.0, np.floor(200 * (((53 * LATE) % 127) / 127) ** 1.5)
LETTERS = np.array(["a", "b", "c", "d"])
OLD_LETTERS, NEW_LETTERS = LETTERS[((EARLY * EARLY + EARLY) % 23) % 4], LETTERS[((LATE * LATE + 2 * LATE) % 29) % 4]


def found(reference: object, actual: object, bins: int = 10, confidence: float = 0.95) -> Psi:
    return metrics.psi(np.asarray(reference), np.asarray(actual), bins=bins, confidence=confidence)


@pytest.mark.parametrize(
    ("reference", "actual", "bins", "value"),
    [
        (OLD, NEW, 5, 0.12061847912923106),
        (OLD, NEW, 10, 0.14235509136690067),
        (OLD_LETTERS, NEW_LETTERS, 10, 0.2881881801880028),
    ],
)
def test_the_value_is_that_of_feature_engine(reference: Array, actual: Array, bins: int, value: float) -> None:
    """Feature-engine 1.9.4, `DropHighPSIFeatures(strategy="equal_frequency", bins=bins).fit(...).psi_values_`."""
    assert found(reference, actual, bins).value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("reference", "actual", "p_value"),
    [(OLD_LETTERS, NEW_LETTERS, 7.847259275159293e-05), (OLD, NEW, 0.2985268991167089)],
)
def test_a_shift_is_shown_at_the_level_of_yurdakul_and_naranjos_test(
    reference: Array, actual: Array, p_value: float
) -> None:
    """psi-inference 0.1.0, `psi_pvalue(psi, 200, 120, bins)`: its one-sided p is half of 1 - confidence."""
    assert found(reference, actual, confidence=1 - 2 * p_value * 1.001).lower > 0
    assert found(reference, actual, confidence=1 - 2 * p_value * 0.999).lower == 0


def test_the_bounds_are_those_of_a_noncentral_chi_squared() -> None:
    """statsmodels 0.15.0, `effect_size._noncentrality_chisquare(75 * psi, 3, 0.05).confint / 75`; 75 = 200 * 120 / 320."""
    letters = found(OLD_LETTERS, NEW_LETTERS)
    assert (letters.lower, letters.upper) == pytest.approx((0.07622012, 0.55054389), abs=1e-8)
    assert (found(OLD, NEW).lower, found(OLD, NEW).upper) == pytest.approx((0.0, 0.227208339), abs=1e-8)


# bins


def test_numbers_fall_into_quantiles_of_the_reference() -> None:
    table = found(OLD, NEW, 5).table
    assert [row[0] for row in table] == [
        "up to 39",
        "above 39 to 79",
        "above 79 to 119",
        "above 119 to 159",
        "above 159",
    ]
    assert_allclose([row[1] for row in table], 0.2)
    assert_allclose([row[2] for row in table], np.histogram(NEW, [-1, 39.5, 79.5, 119.5, 159.5, 200])[0] / 120)
    assert sum(row[2] for row in table) == pytest.approx(1)


def test_the_bins_are_fixed_by_the_reference_alone() -> None:
    labels = [row[0] for row in found(OLD, NEW).table]
    assert [row[0] for row in found(OLD, NEW * 3 - 100).table] == labels
    far = found(OLD, NEW + 1e6).table
    assert (far[0][2], far[-1][2]) == (0.0, 1.0)


def test_missing_numbers_have_a_bin_of_their_own() -> None:
    gaps = np.where(LATE % 4 == 0, np.nan, NEW)
    table = found(OLD, gaps).table
    assert table[-1] == ("missing", 0.0, 0.25)
    assert len(table) == 11
    assert found(OLD, gaps).lower > found(OLD, NEW).lower
    assert [row[0] for row in found(OLD, NEW).table][-1] != "missing"
    assert found(np.full(30, np.nan), np.ones(30)).table == [("any", 0.0, 1.0), ("missing", 1.0, 0.0)]


@pytest.mark.parametrize(
    ("reference", "labels"),
    [
        ([0] * 95 + [1] * 5, ["up to 0", "above 0"]),
        ([1] * 95 + [0] * 5, ["below 1", "from 1"]),
        ([0] * 30 + [1] * 40 + [2] * 30, ["up to 0", "1", "from 2"]),
        (list(range(30)) + [30] * 40 + list(range(31, 61)), None),
        ([False] * 60 + [True] * 40, ["up to 0", "from 1"]),
    ],
)
def test_a_value_that_several_quantiles_share_is_set_apart(reference: list[float], labels: list[str] | None) -> None:
    table = found(reference, reference).table
    assert labels is None or [row[0] for row in table] == labels
    assert labels or ("30", 0.4, 0.4) in table
    assert all(row[1] == row[2] > 0 for row in table)
    assert found(reference, reference).value == 0


def test_a_reference_of_one_value_tells_lower_same_and_higher() -> None:
    assert [row[0] for row in found([5.0] * 40, [4.0, 5, 5, 6]).table] == ["below 5", "5", "above 5"]
    assert found([5.0] * 40, [6.0] * 40).lower > 1
    assert found([5.0] * 40, [5.0] * 40)[:2] == (0.0, 0.0)


def test_infinite_numbers_are_the_lowest_and_the_highest() -> None:
    assert found(OLD, np.where(LATE % 2, np.inf, -np.inf)).table[0][2] == 0.5


def test_categories_have_a_bin_each_and_one_for_what_is_missing_or_new() -> None:
    old = np.array(["a"] * 50 + ["b"] * 30 + [None] * 20, dtype=object)
    new = np.array(["a"] * 10 + ["b"] * 20 + ["c"] * 10 + [np.nan] * 10, dtype=object)
    assert found(old, new).table == [("a", 0.5, 0.2), ("b", 0.3, 0.4), ("unseen", 0.0, 0.2), ("missing", 0.2, 0.2)]
    assert found(old, new).lower > 0


def test_rare_categories_are_pooled() -> None:
    old = np.array(["a"] * 80 + ["b"] * 11 + ["c"] * 9)
    table = found(old, np.array(["a"] * 20 + ["b"] * 2 + ["c", "d", "e"])).table
    assert [row[0] for row in table] == ["a", "rare", "unseen, or fewer than 10 times"]
    assert_allclose([row[1:] for row in table], [(0.8, 0.8), (0.11, 0.08), (0.09, 0.12)])


def test_text_and_objects_are_categories_alike() -> None:
    assert found(OLD_LETTERS, NEW_LETTERS) == found(OLD_LETTERS.astype(object), NEW_LETTERS.astype(object))
    numbers = found(np.array([1, 2] * 50, dtype=object), np.array([1, 1, 2, 3] * 30, dtype=object))
    assert [row[0] for row in numbers.table] == ["1", "2", "unseen"]


def test_an_empty_bin_counts_as_half_a_row() -> None:
    value = found(np.array(["a"] * 50 + ["b"] * 50), np.array(["a"] * 100)).value
    after = np.array([100, 0.5]) / 100.5
    assert value == pytest.approx(((after - 0.5) * np.log(after / 0.5)).sum(), abs=1e-12)


@pytest.mark.parametrize(("reference", "actual"), [([], [1.0]), ([1.0, 2], []), ([], [])])
def test_of_no_rows_nothing_is_known(reference: list[float], actual: list[float]) -> None:
    empty = found(np.array(reference, dtype=float), np.array(actual, dtype=float))
    assert math.isnan(empty.value)
    assert (empty.lower, empty.upper) == (0.0, math.inf)


# how sure


def shares(tilt: float) -> Array:
    p = np.exp(tilt * (np.arange(10) - 4.5))
    return p / p.sum()


def simulated(n: int, m: int, tilt: float, seed: int) -> Psi:
    """Ten categories: equally likely before, after with odds that grow by `tilt` from one to the next."""
    rng = np.random.default_rng(seed)
    names = np.array([f"c{k}" for k in range(10)])
    return found(names[rng.integers(0, 10, n)], names[rng.choice(10, m, p=shares(tilt))])


@pytest.mark.parametrize(("n", "m", "tilt"), [(2000, 2000, 0.0), (2000, 500, 0.1), (1000, 1000, 0.2), (5000, 800, 0.4)])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(n: int, m: int, tilt: float) -> None:
    truth = float(((shares(tilt) - 0.1) * np.log(shares(tilt) / 0.1)).sum())
    draws = [simulated(n, m, tilt, seed) for seed in range(150)]
    above, below = sum(d.lower > truth + 1e-12 for d in draws), sum(d.upper < truth for d in draws)
    assert above <= 12  # of 150, where 3.75 are expected
    assert below <= 12


@pytest.mark.parametrize(("n", "m"), [(20, 20), (10_000, 5), (10_000, 20), (20, 10_000), (100, 50)])
def test_small_samples_of_the_same_show_no_shift(n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    draws = [found(rng.normal(size=n), rng.normal(size=m)) for _ in range(200)]
    assert np.mean([d.value > 0.1 for d in draws]) > 0.5  # although the index alone would say so
    assert all(d.lower < 0.25 for d in draws)
    assert np.mean([d.lower > 0.1 for d in draws]) <= 0.01
    assert np.mean([d.lower > 0 for d in draws]) <= 0.06
    assert all(d.lower <= d.value <= d.upper for d in draws)


@pytest.mark.parametrize(("n", "m"), [(5000, 5000), (500, 500), (5000, 100), (100, 5000)])
def test_nor_do_the_many_rare_values_of_a_column_of_names(n: int, m: int) -> None:
    """Ten thousand names, the k-th as likely as 1 / k: of each sample a good part is not in the other."""
    rng, p = np.random.default_rng(0), 1 / np.arange(1, 10_001)
    names = np.array([f"n{k}" for k in range(10_000)])
    draws = [found(names[rng.choice(10_000, n, p=p / p.sum())], names[rng.choice(10_000, m, p=p / p.sum())])
             for _ in range(60)]  # fmt: skip
    assert all(d.lower < 0.05 for d in draws)


def test_a_shift_is_shown_once_there_are_rows_enough() -> None:
    rng = np.random.default_rng(0)
    lower = [found(rng.normal(size=10_000), rng.normal(0.7, size=m)).lower for m in (10, 100, 1000, 10_000)]
    assert lower[0] < 0.1 < 0.25 < lower[2] < lower[3]


def test_it_repeats_itself() -> None:
    assert found(OLD, NEW) == found(OLD, NEW)
    assert found(OLD, NEW).value == pytest.approx(found(OLD[::-1], NEW[::-1]).value, abs=1e-15)


# of two models on the same rows


def champion_and_challenger(
    n: int, seed: int, *, alike: float, shift: float, groups: Array | None = None
) -> tuple[Array, Array]:
    """Normal scores, correlated by `alike`, the challenger's higher by `shift`; rows of a group have similar scores."""
    rng = np.random.default_rng(seed)
    shared, own = rng.standard_normal((2, n))
    if groups is not None:
        common = rng.standard_normal((2, int(groups.max()) + 1))[:, groups.astype(int)]
        shared, own = np.sqrt(0.3) * shared + np.sqrt(0.7) * common[0], np.sqrt(0.3) * own + np.sqrt(0.7) * common[1]
    return shared, alike * shared + np.sqrt(1 - alike**2) * own + shift


def true_index(shift: float) -> float:
    after = np.diff(stats.norm.cdf(np.append(stats.norm.ppf(np.arange(10) / 10), np.inf) - shift))
    return float(((after - 0.1) * np.log(after / 0.1)).sum())


def test_paired_and_independent_index_have_the_same_value_and_bins() -> None:
    champion, challenger = champion_and_challenger(500, 0, alike=0.9, shift=0.3)
    paired = metrics.paired_psi(champion, challenger, bins=10, confidence=0.95)
    assert (paired.value, paired.table) == (found(champion, challenger).value, found(champion, challenger).table)


@pytest.mark.parametrize(("alike", "shift"), [(0.9, 0.0), (0.9, 0.2), (0.99, 0.1), (0.9, 0.5)])
@pytest.mark.parametrize("clustered", [False, True])
def test_the_paired_interval_covers_the_truth_about_as_often_as_it_says(
    alike: float, shift: float, clustered: bool
) -> None:
    n, groups = 1000, np.arange(1000) // 4 if clustered else None
    draws = []
    for seed in range(200):
        champion, challenger = champion_and_challenger(n, seed, alike=alike, shift=shift, groups=groups)
        draws.append(metrics.paired_psi(champion, challenger, bins=10, confidence=0.95, clusters=groups))
    truth = true_index(shift)
    assert sum(d.lower > truth + 1e-12 for d in draws) <= 12  # of 200, where 5 are expected
    assert sum(d.upper < truth for d in draws) <= 12


def test_the_paired_interval_has_the_width_of_a_bootstrap_of_rows_where_a_shift_is_large() -> None:
    champion, challenger = champion_and_challenger(2000, 1, alike=0.9, shift=0.5)
    paired = metrics.paired_psi(champion, challenger, bins=10, confidence=0.95)
    rng, draws = np.random.default_rng(2), []
    for _ in range(300):
        rows = rng.integers(0, 2000, 2000)
        draws.append(found(champion[rows], challenger[rows]).value)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert paired.upper - paired.lower == pytest.approx(high - low, rel=0.15)
    independent = found(champion, challenger)
    assert independent.upper - independent.lower > 1.8 * (paired.upper - paired.lower)


def test_of_two_samples_put_side_by_side_the_paired_interval_is_that_of_independent_ones() -> None:
    """Clusters of rows that were shuffled: nothing ties a champion's score to the challenger's of the same row."""
    champion, challenger = champion_and_challenger(5000, 3, alike=0.0, shift=0.3)
    paired, free = metrics.paired_psi(champion, challenger, bins=10, confidence=0.95), found(champion, challenger)
    assert (paired.lower, paired.upper) == pytest.approx((free.lower, free.upper), rel=0.05)


def test_rows_that_come_twice_tell_no_more() -> None:
    champion, challenger = (np.repeat(s, 2) for s in champion_and_challenger(800, 4, alike=0.9, shift=0.3))
    single = metrics.paired_psi(champion[::2], challenger[::2], bins=10, confidence=0.95)
    twice = metrics.paired_psi(champion, challenger, bins=10, confidence=0.95, clusters=np.arange(1600) // 2)
    assert twice[:3] == pytest.approx(single[:3], rel=1e-6)


def test_a_model_does_not_differ_from_itself() -> None:
    scores = np.linspace(0.01, 0.99, 300)
    assert metrics.paired_psi(scores, scores, bins=10, confidence=0.95)[:3] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("n", [0, 1])
def test_of_less_than_two_rows_no_pair_is_known(n: int) -> None:
    few = metrics.paired_psi(np.ones(n), np.ones(n), bins=10, confidence=0.95)
    assert (few.lower, few.upper) == (0.0, math.inf)
