"""Outcomes beyond predicted quantiles: against SciPy and statsmodels, with ties, weights and clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from titleholder.validation.metrics import Sample
from titleholder.validation.metrics.coverage import Beyond


def drawn(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("quantile", [0.05, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("p", [-1.0, 0.4, 1.6])
def test_coverage_is_the_share_at_or_below_with_jeffreys_interval(quantile: float, p: float) -> None:
    y = drawn(400)
    found = Beyond.of(Sample(y), np.full(400, p), quantile).coverage(0.95)
    below = int((y <= p).sum())
    expected = stats.beta(below + 0.5, 400 - below + 0.5).ppf([0.025, 0.975])
    np.testing.assert_allclose(found.values, [below / 400, *expected], rtol=1e-10)


@pytest.mark.parametrize(("quantile", "status"), [(0.1, 0.1), (0.6, 0.6), (0.9, 0.7)])
def test_outcomes_that_equal_their_prediction_count_as_is_right(quantile: float, status: float) -> None:
    """Of ten outcomes seven are zero, as in claims: a prediction of zero is right for every quantile up to 0.7."""
    y = np.r_[np.zeros(7), 1.0, 2.0, 3.0]
    assert Beyond.of(Sample(y), np.zeros(10), quantile).coverage(0.95).estimate == pytest.approx(status)


def test_weights_count_and_clusters_widen() -> None:
    y, p = np.repeat(drawn(60), 5), np.full(300, 1.0)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 300)
    weighted = Beyond.of(Sample(y, weights), p, 0.8).coverage(0.95)
    assert weighted.estimate == pytest.approx(np.average(y <= p, weights=weights))
    plain, clustered = (
        Beyond.of(Sample(y, clusters=c), p, 0.8).coverage(0.95) for c in (None, np.repeat(np.arange(60), 5))
    )
    ratio = (clustered.upper - clustered.lower) / (plain.upper - plain.lower)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.1)


def test_no_outcome_beyond_has_an_interval() -> None:
    found = Beyond.of(Sample(drawn(50)), np.full(50, 9.0), 0.9)
    assert found.interval(0.95).values[:2] == (0.0, 0.0)
    assert 0.2 < found.interval(0.95).upper < 1


@given(st.floats(0.01, 0.99), st.lists(st.integers(-3, 3), min_size=2, max_size=40), st.integers(-3, 3))
def test_mirrored_outcomes_have_the_mirrored_coverage(quantile: float, outcomes: list[int], p: int) -> None:
    if quantile == 0.5:
        return
    y = np.array(outcomes, dtype=float)
    one = Beyond.of(Sample(y), np.full(len(y), float(p)), quantile)
    other = Beyond.of(Sample(-y), np.full(len(y), -float(p)), 1 - quantile)
    assert one.rows == pytest.approx(other.rows, abs=1e-9)
    assert one.ratio.estimate == pytest.approx(other.ratio.estimate, rel=1e-6, abs=1e-9)
