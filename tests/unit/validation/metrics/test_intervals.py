"""The gain of one model over another, whatever the metric: its direction, its bounds, and when it has none."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from support.metric_samples import CLASSIFICATION, JUDGEMENT, REGRESSION, differences, sample, won
from titleholder.spec.metrics import METRICS
from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Estimation, Interval, Sample

OTHERS = [name for name in METRICS if name not in ("roc_auc", "gini")]


def weights(n: int = 200) -> Array:
    return np.random.default_rng(1).gamma(1.0, size=n)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("name", METRICS)
def test_a_gain_turned_around_is_a_loss(name: str, clustered: bool, weighted: bool) -> None:
    y, a, b = sample()
    how = {"clusters": np.arange(200) // 4 if clustered else None, "weights": weights() if weighted else None}
    there, back = won(name, y, a, b, **how), won(name, y, b, a, **how)
    assert_allclose([there.estimate, there.lower, there.upper], [-back.estimate, -back.upper, -back.lower], atol=1e-12)
    assert there.error == pytest.approx(back.error, abs=1e-12)
    assert there.method == back.method


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", METRICS)
def test_the_better_model_gains_whatever_the_direction_of_its_metric(name: str, weighted: bool) -> None:
    y, _, _ = sample(300)
    rng = np.random.default_rng(4)
    w = weights(300) if weighted else None
    near = np.clip(y * 0.6 + 0.2 + rng.normal(scale=0.1, size=300), 0.01, 0.99)
    far = np.clip(y * 0.2 + 0.4 + rng.normal(scale=0.3, size=300), 0.01, 0.99)
    found = won(name, y, near, far, weights=w)
    assert found.lower > 0
    assert found.lower < found.estimate < found.upper
    sign = 1 if METRICS[name].greater_is_better else -1
    difference = metrics.compute(name, y, near, JUDGEMENT, w) - metrics.compute(name, y, far, JUDGEMENT, w)
    assert found.estimate == pytest.approx(sign * difference, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_a_model_gains_nothing_on_itself(name: str) -> None:
    y, a, _ = sample()
    found = won(name, y, a, a)
    assert_allclose([*found.values, found.error], 0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "clustered", "method"),
    [
        ("roc_auc", False, "DeLong"),
        ("gini", False, "DeLong"),
        ("gini", True, "DeLong, clustered"),
        *((name, False, "paired bootstrap") for name in OTHERS),
        ("brier", True, "paired bootstrap, clustered"),
    ],
)
def test_the_method_is_named(name: str, clustered: bool, method: str) -> None:
    y, a, b = sample()
    assert won(name, y, a, b, clusters=np.arange(200) // 2 if clustered else None).method == method


def test_gini_gains_twice_what_the_area_gains() -> None:
    y, a, b = sample()
    area, gini = won("roc_auc", y, a, b), won("gini", y, a, b)
    assert_allclose([*gini.values, gini.error], 2 * np.array([*area.values, area.error]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", OTHERS)
def test_bounds_and_error_are_those_of_the_draws(name: str) -> None:
    y, a, b = sample(400)
    found = won(name, y, a, b, resamples=200, confidence=0.8, seed=5)
    draws = differences(name, Sample(y), a, b, resamples=200, seed=5, stratify=name in CLASSIFICATION)
    if not METRICS[name].greater_is_better:
        draws = -draws
    assert_allclose([found.lower, found.upper], np.quantile(draws, [0.1, 0.9]), atol=1e-12)
    assert found.error == pytest.approx(draws.std(ddof=1))
    assert found.freedom == (y.sum() if name in CLASSIFICATION else 400) - 1


@pytest.mark.parametrize("kind", ["rows", "clusters"])
@pytest.mark.parametrize("name", OTHERS)
def test_below_100_events_each_bound_is_the_wider_of_percentile_and_students(name: str, kind: str) -> None:
    y, a, b = sample(60 if kind == "rows" else 400)
    clusters = None if kind == "rows" else np.arange(400) // 10
    found = won(name, y, a, b, resamples=50, seed=5, clusters=clusters)
    draws = differences(
        name, Sample(y, None, clusters), a, b, resamples=50, seed=5,
        stratify=name in CLASSIFICATION and clusters is None,
    )  # fmt: skip
    if not METRICS[name].greater_is_better:
        draws = -draws
    rows = np.arange(len(y)) if clusters is None else clusters
    units = len(np.unique(rows[y == 1] if name in CLASSIFICATION else rows))
    low, high = stats.t.interval(0.95, units - 1, loc=found.estimate, scale=draws.std(ddof=1))
    first, last = np.quantile(draws, [0.025, 0.975])
    assert_allclose([found.lower, found.upper], [min(low, first), max(high, last)], atol=1e-12)
    assert found.freedom == units - 1


def test_more_confidence_means_a_wider_interval() -> None:
    y, a, b = sample()
    for name in ("roc_auc", "brier"):
        wide, narrow = won(name, y, a, b, confidence=0.99), won(name, y, a, b, confidence=0.8)
        assert wide.lower < narrow.lower < narrow.upper < wide.upper


@pytest.mark.parametrize("name", [n for n in CLASSIFICATION if n in OTHERS])
def test_two_events_are_enough_for_every_resample(name: str) -> None:
    _, a, b = sample(60)
    y = np.r_[np.ones(2), np.zeros(58)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert won(name, y, a, b, resamples=100).finite


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize("events", [0, 1, 59, 60])
def test_one_row_of_a_class_gives_no_bounds(name: str, events: int) -> None:
    _, a, b = sample(60)
    found = won(name, (np.arange(60) < events).astype(float), a, b)
    assert (found.lower, found.upper, found.error) == (-math.inf, math.inf, math.inf)
    assert math.isfinite(found.estimate) or events in (0, 60)


@pytest.mark.parametrize("name", REGRESSION)
def test_one_row_or_one_cluster_gives_no_bounds(name: str) -> None:
    y, a, b = sample()
    for found in (won(name, y[:1], a[:1], b[:1]), won(name, y, a, b, clusters=np.zeros(200))):
        assert (found.lower, found.upper, found.error) == (-math.inf, math.inf, math.inf)


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_one_cluster_with_events_gives_no_bounds(name: str) -> None:
    y, a, b = sample()
    found = won(name, y, a, b, clusters=np.where(y == 1, -1, np.arange(200)), resamples=100)
    assert (found.lower, found.upper, found.error) == (-math.inf, math.inf, math.inf)


@pytest.mark.parametrize("name", METRICS)
def test_one_models_interval_is_in_the_metrics_own_direction(name: str) -> None:
    y, a, _ = sample()
    found = metrics.interval(name, Sample(y, weights()), a, Estimation(0.9, 200, 0, JUDGEMENT))
    assert isinstance(found, Interval)
    assert found.estimate == pytest.approx(metrics.compute(name, y, a, JUDGEMENT, weights()), abs=1e-14)
    assert found.lower < found.estimate < found.upper


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", METRICS)
def test_scores_that_are_no_numbers_are_refused(name: str, bad: float) -> None:
    y, a, b = sample()
    broken = a.copy()
    broken[[3, 5]] = bad
    said = "2 of 200 scores are not finite numbers; a model must score every row"
    for call in (
        lambda: metrics.compute(name, y, broken, JUDGEMENT),
        lambda: metrics.interval(name, Sample(y), broken, Estimation(0.9, 100, 0, JUDGEMENT)),
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
    with pytest.raises(ValueError, match="unequal lengths: 200 outcomes, 199 scores"):
        metrics.compute(name, y, a[1:])


@pytest.mark.parametrize("name", METRICS)
def test_weights_that_are_no_positive_numbers_are_refused(name: str) -> None:
    y, a, b = sample()
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="200 of 200 weights are not finite numbers above 0"):
            won(name, y, a, b, weights=np.full(200, bad))
