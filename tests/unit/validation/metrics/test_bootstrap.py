"""The bootstrap against a plain loop: its draws, its strata, its clusters, its seeds and its memory."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn import metrics as sk

from support.metric_samples import differences, sample, won
from titleholder.spec.metrics import METRICS
from titleholder.validation.metrics import Array, Sample, bootstrap


def drawn(rows: int, times: int, seed: int = 0) -> Array:
    counts = np.empty((times, rows), dtype=np.int16)
    bootstrap.draw(np.random.default_rng(seed).spawn(1)[0], counts)
    return counts


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize("rows", [1, 2, 255, 256, 257, 512, 700])
def test_as_many_rows_are_drawn_as_there_are_each_as_likely(
    rows: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "FEW", few)
    counts = drawn(rows, 400)
    assert (counts.sum(axis=1) == rows).all()
    assert (counts >= 0).all()
    if rows > 1:
        assert stats.chisquare(counts.sum(axis=0)).pvalue > 0.001


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize("rows", [100, 600])
def test_draws_are_those_of_a_plain_loop(rows: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of distinct rows, of rows that came up twice, and of draws among the first 300 rows."""
    monkeypatch.setattr(bootstrap, "FEW", few)
    rng = np.random.default_rng(1)
    plain = np.array([np.bincount(rng.integers(0, rows, rows), minlength=rows) for _ in range(3000)])
    quick = drawn(rows, 3000)
    for describe in (lambda c: (c > 0).sum(axis=1), lambda c: (c == 2).sum(axis=1), lambda c: c[:, :300].sum(axis=1)):
        if len(np.unique(describe(plain))) > 1:
            assert stats.mannwhitneyu(describe(plain), describe(quick)).pvalue > 0.001
            assert describe(quick).std() == pytest.approx(describe(plain).std(), rel=0.1)


@pytest.mark.parametrize(
    ("name", "score"),
    [("roc_auc", sk.roc_auc_score), ("pr_auc", sk.average_precision_score), ("brier", sk.brier_score_loss)],
)
def test_differences_are_distributed_as_a_plain_loops(name: str, score) -> None:
    y, a, b = sample(300)
    rng, strata = np.random.default_rng(5), [np.flatnonzero(sample(300)[0] == c) for c in (0, 1)]
    plain = []
    for _ in range(300):
        rows = np.concatenate([rng.choice(s, len(s)) for s in strata])
        plain.append(score(y[rows], a[rows]) - score(y[rows], b[rows]))
    quick = differences(name, Sample(y), a, b, resamples=3000, stratify=True)
    assert quick.shape == (3000,)
    assert stats.ks_2samp(plain, quick).pvalue > 0.001


@pytest.mark.parametrize("weighted", [False, True])
def test_each_resample_is_the_metric_of_the_rows_it_drew(weighted: bool) -> None:
    """The counts that a seed gives, taken row by row."""
    y, a, b = sample(50)
    w = np.random.default_rng(1).gamma(1.0, size=50) if weighted else None
    found = differences("pr_auc", Sample(y, w), a, b, resamples=8, seed=3)
    for counts, difference in zip(drawn(50, 8, seed=3), found, strict=True):
        rows = np.repeat(np.arange(50), counts)
        own = None if w is None else w[rows]
        one, other = (sk.average_precision_score(y[rows], p[rows], sample_weight=own) for p in (a, b))
        assert difference == pytest.approx(one - other, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("few", [0, 100, 10_000])
def test_how_many_are_evaluated_at_once_changes_nothing(
    name: str, clustered: bool, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "FEW", few)
    y, a, b = sample()
    clusters = np.arange(200) // 3 if clustered else None

    def draws() -> Array:
        return differences(name, Sample(y, None, clusters), a, b, resamples=20, seed=1, stratify=True)

    expected = draws()
    for size in (1, 2000, 10**9):
        monkeypatch.setattr(bootstrap, "BATCH", size)
        assert_array_equal(draws(), expected)


def test_stratified_resamples_keep_both_classes_in_their_numbers() -> None:
    """Of scores 0 and 1 the difference of Brier scores is twice the share of events, less one."""
    y = np.r_[np.ones(2), np.zeros(98)]
    rates = [
        differences("brier", Sample(y), 0 * y, 0 * y + 1, resamples=50, stratify=stratify) for stratify in (True, False)
    ]
    assert_allclose(rates[0], 2 * 0.02 - 1, atol=1e-12)
    assert len(np.unique(rates[1])) > 3


def test_both_models_are_resampled_on_the_same_rows() -> None:
    _, a, _ = sample()
    draws = differences("mae", Sample(0 * a), a + 1, a, resamples=50)
    assert_allclose(draws, 1.0, atol=1e-12)


def test_a_cluster_is_drawn_whole() -> None:
    """Errors of 0, 10 and 20 in three clusters of four: every draw is a mean of three of them."""
    clusters = np.repeat(["a", "b", "c"], 4)
    p = np.repeat([0.0, 10, 20], 4)
    draws = differences("mae", Sample(0 * p, None, clusters), p, 0 * p, resamples=200)
    assert set(np.round(draws * 3, 9)) == {0, 10, 20, 30, 40, 50, 60}


def test_clusters_of_one_row_are_rows() -> None:
    y, a, b = sample()
    rows, clusters = (
        differences("brier", Sample(y, None, c), a, b, resamples=20, seed=1) for c in (None, np.arange(200)[::-1])
    )
    assert_array_equal(rows, clusters)


def test_a_resample_of_clusters_without_events_has_no_ranking_and_is_left_out() -> None:
    y = np.zeros(60)
    y[[0, 1, 30, 31]] = 1
    _, a, b = sample(60)
    clusters = np.arange(60) // 10
    draws = differences("ks", Sample(y, None, clusters), a, b, resamples=200, seed=1)
    assert 0 < np.isnan(draws).sum() < 50  # neither of two clusters of six: (4 / 6)^6
    found = won("ks", y, a, b, resamples=200, clusters=clusters)
    assert found.error == pytest.approx(np.nanstd(draws, ddof=1))


def test_the_spread_is_that_of_the_mean_difference() -> None:
    """The MAE's gain is a mean of n differences, whose standard error is known."""
    rng = np.random.default_rng(2)
    y, a, b = rng.normal(size=(3, 400))
    difference = np.abs(y - b) - np.abs(y - a)
    found = won("mae", y, a, b, resamples=1000)
    error = difference.std() / math.sqrt(400)
    assert found.error == pytest.approx(error, rel=0.1)
    assert (found.upper - found.lower) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_the_spread_of_clusters_is_that_of_their_means() -> None:
    rng = np.random.default_rng(2)
    clusters = np.arange(400) // 8
    y, a, b = rng.normal(size=(3, 50))[:, clusters]
    means = (np.abs(y - b) - np.abs(y - a))[::8]
    assert won("mae", y, a, b, resamples=1000, clusters=clusters).error == pytest.approx(
        means.std() / math.sqrt(50), rel=0.1
    )


@pytest.mark.parametrize("name", ["brier", "rmse"])
def test_it_repeats_itself_for_a_seed_and_no_other(name: str) -> None:
    y, a, b = sample()
    assert won(name, y, a, b, seed=1) == won(name, y, a, b, seed=1)
    assert won(name, y, a, b, seed=1).lower != won(name, y, a, b, seed=2).lower
    assert won(name, y, a, b, seed=1).estimate == won(name, y, a, b, seed=2).estimate


def test_memory_stays_with_the_rows_however_many_resamples() -> None:
    rng = np.random.default_rng(0)
    y, scores = (rng.random(200_000) < 0.05).astype(float), rng.random((2, 200_000))
    peaks = []
    for resamples in (2, 20):
        tracemalloc.start()
        differences("roc_auc", Sample(y), *scores, resamples=resamples, stratify=True)
        peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
        tracemalloc.stop()
    assert peaks[1] < 32  # MiB; all counts at once would be 8 MiB even at two bytes each, 32 at eight
    assert peaks[1] < peaks[0] + 1
