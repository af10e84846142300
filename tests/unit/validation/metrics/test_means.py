"""Means and their intervals: against SciPy where it knows them, and by their coverage where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from titleholder.validation.metrics import Interval, Sample, means

RNG = np.random.default_rng(0)


def covers(interval: Interval, truth: float) -> bool:
    return interval.lower <= truth <= interval.upper


def test_the_difference_of_plain_means_is_welchs() -> None:
    y = np.concatenate([RNG.normal(2, 1, 30), RNG.normal(1, 4, 80), RNG.normal(size=10)])
    of, minus = np.arange(120) < 30, (np.arange(120) >= 30) & (np.arange(120) < 110)
    known = stats.ttest_ind(y[of], y[minus], equal_var=False)
    low, high = known.confidence_interval(0.9)
    found = means.difference_of_means(Sample(y), of, minus, 0.9)
    assert found.values == pytest.approx((y[of].mean() - y[minus].mean(), low, high))


def test_the_difference_of_equal_outcomes_is_sure() -> None:
    first = np.arange(10) < 5
    found = means.difference_of_means(Sample(np.ones(10)), first, ~first, 0.95)
    assert found == Interval(0.0, 0.0, 0.0)


def test_equal_weights_and_clusters_of_one_change_next_to_nothing() -> None:
    y, first = RNG.normal(size=2000), np.arange(2000) < 800
    plain = means.difference_of_means(Sample(y), first, ~first, 0.95)
    weighed = means.difference_of_means(Sample(y, np.full(2000, 7.0)), first, ~first, 0.95)
    alone = means.difference_of_means(Sample(y, None, np.arange(2000)), first, ~first, 0.95)
    assert weighed.values == pytest.approx(plain.values)
    assert alone.values == pytest.approx(plain.values, rel=0.01)


def test_the_difference_covers_the_truth_where_rows_are_weighted_and_clustered() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(400):
        clusters = np.repeat(np.arange(60), 5)
        y = rng.normal(size=60)[clusters] + rng.normal(size=300)
        first = rng.random(300) < 0.4
        w = rng.uniform(0.5, 2.0, 300)
        found = means.difference_of_means(Sample(y, w, clusters), first, ~first, 0.95)
        covered += covers(found, 0.0)
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize("clustered", [False, True])
def test_the_ratio_and_the_slope_cover_one_where_predictions_are_right(clustered: bool) -> None:
    rng, covered = np.random.default_rng(2), np.zeros(2)
    clusters = np.repeat(np.arange(80), 3)
    for _ in range(400):
        p = rng.uniform(1, 5, 80)[clusters]
        noise = rng.normal(size=80)[clusters] if clustered else rng.normal(size=240)
        y = p * (1 + 0.3 * noise)
        drawn = Sample(y, None, clusters if clustered else None)
        covered += [covers(measure(drawn, p).interval(0.95), 1.0) for measure in (means.ratio_of_means, means.slope)]
    assert (covered / 400 >= 0.91).all()
    assert (covered / 400 <= 0.98).all()


def test_estimates_are_the_plain_ones() -> None:
    y, p = RNG.normal(10, 1, 50), RNG.normal(8, 1, 50)
    assert means.ratio_of_means(Sample(y), p).estimate == pytest.approx(y.mean() / p.mean())
    assert means.slope(Sample(y), p).estimate == pytest.approx(np.polyfit(p, y, 1)[0])


def test_integer_weights_are_repetitions_for_the_estimate() -> None:
    y, p, w = RNG.normal(10, 1, 50), RNG.normal(8, 1, 50), RNG.integers(1, 4, 50)
    weighted = Sample(y, w.astype(float))
    again = Sample(np.repeat(y, w)), np.repeat(p, w)
    assert means.ratio_of_means(weighted, p).estimate == pytest.approx(means.ratio_of_means(*again).estimate)
    assert means.slope(weighted, p).estimate == pytest.approx(means.slope(*again).estimate)


def test_one_cluster_shows_nothing() -> None:
    y, p = RNG.normal(10, 1, 50), RNG.normal(8, 1, 50)
    found = means.ratio_of_means(Sample(y, None, np.zeros(50, dtype=int)), p).interval(0.95)
    assert (found.lower, found.upper) == (-np.inf, np.inf)


def test_predictions_that_are_all_alike_have_no_slope_and_those_of_zero_no_ratio() -> None:
    y = RNG.normal(10, 1, 50)
    for found in (means.slope(Sample(y), np.full(50, 3.0)), means.ratio_of_means(Sample(y), np.zeros(50))):
        assert np.isnan(found.estimate)
        assert found.interval(0.95).values[1:] == (-np.inf, np.inf)
