"""Jeffreys' interval and test of an event rate, effective numbers of rows, and Holm's adjustment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from titleholder.validation.metrics import Sample
from titleholder.validation.metrics.jeffreys import Rate, effective_rates, holm


@pytest.mark.parametrize(
    ("events", "rows", "confidence", "lower", "upper"),
    [
        (2, 100, 0.95, 0.004178812447471804, 0.06260584878481137),
        (7, 300, 0.99, 0.0077224594350438205, 0.05377210308626666),
        (0, 50, 0.95, 0.0, 0.04875845944407139),
        (50, 50, 0.95, 0.9512415405559286, 1.0),
    ],
)
def test_the_interval_is_that_of_statsmodels(
    events: int, rows: int, confidence: float, lower: float, upper: float
) -> None:
    """statsmodels 0.15.0, `proportion_confint(method="jeffreys")`; 0 and 1 as Brown, Cai & DasGupta have them."""
    found = Rate(events, rows).interval(confidence)
    assert found.values == pytest.approx((events / rows, lower, upper), rel=1e-9)


def test_the_test_is_the_posteriors_distribution_function() -> None:
    rate = Rate(7, 300)
    assert rate.chance_up_to(0.01) == pytest.approx(stats.beta(7.5, 293.5).cdf(0.01), rel=1e-12)
    assert rate.beyond(0.01, 0.01) == pytest.approx(2 * stats.beta(7.5, 293.5).cdf(0.01), rel=1e-12)
    assert rate.beyond(0.05, 0.05) == pytest.approx(2 * stats.beta(7.5, 293.5).sf(0.05), rel=1e-9)
    assert rate.beyond(0.02, 0.03) == 1
    assert Rate(3, 5).beyond(0.9, 1.1) == pytest.approx(2 * stats.beta(3.5, 2.5).sf(0.9))


@given(st.integers(1, 400), st.floats(0, 1), st.floats(0.001, 0.999), st.floats(0.8, 0.99))
def test_a_rate_is_beyond_a_value_exactly_where_its_interval_leaves_it_out(
    rows: int, share: float, value: float, confidence: float
) -> None:
    rate = Rate(round(share * rows), rows)
    found, p = rate.interval(confidence), rate.beyond(value, value)
    if abs(p - (1 - confidence)) > 1e-9 and 0 < rate.events < rows:
        assert (p < 1 - confidence) == (not found.lower <= value <= found.upper)


def test_rows_that_are_alike_and_independent_count_as_they_are() -> None:
    assert effective_rates([Sample(np.array([1.0, 0, 0, 1, 0])), Sample(np.zeros(7))]) == [(2, 5), (0, 7)]


N = np.arange(40)
Y, W, G = (N * N % 7 < 2) * 1.0, 1.0 + N % 3 + 2 * (N * N % 7 < 2), N // 4


@pytest.mark.parametrize(
    ("sample", "rows"),
    [
        (Sample(Y, W), 35.970539892679575),
        (Sample(Y, W, G), 40.04514826992047),
        (Sample(Y, None, G), 43.4444444444444),
    ],
)
def test_the_effective_number_follows_from_the_variance_of_statsmodels(sample: Sample, rows: float) -> None:
    """statsmodels 0.15.0, `WLS(y, 1, w).fit(cov_type="HC0")`, or "cluster", times n / (n - 1) units: rate (1 - rate) / v."""
    (found,) = effective_rates([sample])
    assert found.rows == pytest.approx(rows, rel=1e-9)
    assert found.events / found.rows == pytest.approx(np.average(Y, weights=sample.weights))


def test_whole_clusters_count_once() -> None:
    y, clusters = np.repeat([1.0, 0, 0, 1, 0, 0, 0, 0], 25), np.repeat(np.arange(8), 25)
    (found,) = effective_rates([Sample(y, None, clusters)])
    assert found.rows == pytest.approx(7)
    assert effective_rates([Sample(np.zeros(200), None, clusters)]) == [(0, pytest.approx(8))]


def test_events_that_stand_for_ten_count_once_and_a_part_without_any_has_the_design_effect_of_the_others() -> None:
    y = np.repeat([1.0, 0.0], [30, 2700])
    found, none = effective_rates([Sample(y, np.where(y == 1, 10.0, 1.0)), Sample(np.zeros(91), np.ones(91))])
    assert found.events / found.rows == pytest.approx(0.1)
    assert found.events == pytest.approx(30, rel=0.15)
    assert none.events == 0
    assert none.rows / found.rows == pytest.approx(91 / 2730)


@pytest.mark.parametrize("kind", ["none", "events x 3", "others x 3", "clusters"])
def test_the_intervals_cover_the_truth_about_as_often_as_they_say(kind: str) -> None:
    rng, truths, missed = np.random.default_rng(7), (0.02, 0.05, 0.15), 0
    for _ in range(200):
        parts = []
        for truth in truths:
            groups = np.repeat(np.arange(100), 5) if kind == "clusters" else None
            p = truth if groups is None else rng.beta(truth * 5, (1 - truth) * 5, 100)[groups]
            y = (rng.random(500) < p).astype(float)
            thin = {"events x 3": 1.0, "others x 3": 0.0}.get(kind)
            kept = (y != thin) | (rng.random(500) < 1 / 3)
            parts.append(Sample(y[kept], None if thin is None else np.where(y == thin, 3.0, 1.0)[kept],
                                None if groups is None else groups[kept]))  # fmt: skip
        intervals = [rate.interval(0.95) for rate in effective_rates(parts)]
        missed += sum(not i.lower <= truth <= i.upper for i, truth in zip(intervals, truths, strict=True))
    assert missed <= 47  # of 600, where 30 are expected: three standard errors


def test_holms_adjusted_p_values_are_those_of_statsmodels() -> None:
    """statsmodels 0.15.0, `multipletests(p, method="holm")[1]`."""
    assert_allclose(holm([0.01, 0.04, 0.03, 0.005, 0.6, 0.04]), [0.05, 0.12, 0.12, 0.03, 0.6, 0.12])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusting_keeps_the_order_and_never_lowers(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    assert np.all(np.diff(np.array(adjusted)[np.argsort(p_values, kind="stable")]) >= 0)
    assert min(adjusted) == pytest.approx(min(1, len(p_values) * min(p_values)))
