"""Within a horizon less evidence is enough, and a line that is no better still wins at most as often as promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from titleholder.validation.horizon import ALPHAS, HORIZONS, THRESHOLDS, threshold
from titleholder.validation.sequential import beginnings, mixing_variance, needed_evidence

errors, horizons = st.floats(0.001, 0.5), st.integers(1, 120)


def mixtures(z: np.ndarray, k: float) -> np.ndarray:
    """The evidence of many reigns after each look, by the formula of the docstring; z has the shape (reigns, looks)."""
    sums = np.concatenate([np.zeros((len(z), 1)), np.cumsum(z, axis=1)], axis=1)
    found = []
    for n in range(1, z.shape[1] + 1):
        weights, s, t = beginnings(n), sums[:, [n]] - sums[:, :n], n - np.arange(n)
        parts = (
            2 / np.sqrt(1 + k * t) * np.exp(k * s**2 / (2 * (1 + k * t))) * special.ndtr(s * np.sqrt(k / (1 + k * t)))
        )
        found.append(parts @ weights + 1 - weights.sum())
    return np.array(found).T


@pytest.mark.parametrize(("alpha", "horizon"), [(0.3, 5), (0.2, 12), (0.1, 36)])
def test_a_line_that_is_no_better_hardly_ever_wins_within_the_horizon_or_after_it(alpha: float, horizon: int) -> None:
    """2,000 reigns of 60 looks, drawn without the importance sampling that made the table."""
    reigns, looks = 2_000, 60
    found = np.log(mixtures(np.random.default_rng(3).standard_normal((reigns, looks)), mixing_variance(1 - alpha)))
    needed = [needed_evidence(n, confidence=1 - alpha, horizon=horizon) for n in range(1, looks + 1)]
    wins = (found >= needed).any(axis=1).mean()
    without = (found >= -np.log(alpha)).any(axis=1).mean()
    assert without < wins <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / reigns)


@given(errors, horizons)
def test_less_evidence_than_without_a_horizon_is_enough_and_more_than_none(alpha: float, horizon: int) -> None:
    assert 1 < threshold(alpha, horizon) < 1 / alpha


@given(errors, st.tuples(horizons, horizons).map(sorted))
def test_a_longer_horizon_needs_more(alpha: float, pair: list[int]) -> None:
    assert threshold(alpha, pair[0]) <= threshold(alpha, pair[1])


@given(st.tuples(errors, errors).map(sorted), horizons)
def test_a_smaller_error_needs_more(pair: list[float], horizon: int) -> None:
    assert threshold(pair[0], horizon) >= threshold(pair[1], horizon)


def test_the_table_is_kept_exactly() -> None:
    for alpha, line in zip(ALPHAS, THRESHOLDS, strict=True):
        assert [threshold(alpha, horizon) for horizon in HORIZONS] == pytest.approx(line, rel=1e-9)


def test_after_the_horizon_the_threshold_without_one_holds_again() -> None:
    needed = [needed_evidence(n, confidence=0.95, horizon=36) for n in (1, 36, 37, 500)]
    assert needed == pytest.approx(np.log([9.246, 9.246, 20, 20]), abs=1e-6)


def test_an_error_smaller_than_the_table_has_the_threshold_without_a_horizon() -> None:
    assert threshold(0.0004, 12) == 2_500
