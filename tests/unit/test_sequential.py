"""Evidence over a reign: the bound holds whenever one looks, steady gains add up, and no look drowns the others."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from titleholder.sequential import PLANNED, Accumulated, Look, _mixing_variance, accumulate


def looks(gains: Any, errors: Any = 0.01) -> list[Look]:
    day = date(2024, 1, 1)
    return [
        Look(as_of=day, start=day, end=day, rows=100, events=30, metric="roc_auc", gain=g, error=e)
        for g, e in zip(gains, np.broadcast_to(errors, len(gains)), strict=True)
    ]


def accumulated(gains: Any, errors: Any = 0.01, minimum_gain: float = 0.0, confidence: float = 0.95) -> Accumulated:
    found = accumulate(looks(gains, errors), minimum_gain=minimum_gain, confidence=confidence)
    assert found is not None
    return found


def test_no_look_says_nothing() -> None:
    assert accumulate([], minimum_gain=0.0, confidence=0.95) is None


@pytest.mark.parametrize("gains", [[0.02], [0.01, -0.005, 0.03], [-0.01] * 5])
def test_the_evidence_is_the_mixture_it_claims_to_be(gains: list[float]) -> None:
    """Against numerical integration of the likelihood ratio over the half-normal weight."""
    z, t = np.sum(gains) / 0.01, len(gains)
    spread = np.sqrt(_mixing_variance(0.95))
    mixed, _ = integrate.quad(lambda x: 2 * stats.norm.pdf(x / spread) / spread * np.exp(x * z - x**2 * t / 2), 0, 60)
    assert accumulated(gains).log_evidence == pytest.approx(np.log(mixed), abs=1e-9)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("gains", [[0.02], [0.01, -0.005, 0.03], [-0.01] * 5, [0.004] * 36])
def test_the_lower_bound_is_the_largest_minimum_that_is_excluded(gains: list[float], confidence: float) -> None:
    errors = np.linspace(0.005, 0.02, len(gains))
    lower = accumulated(gains, errors, confidence=confidence).lower
    assert accumulated(gains, errors, minimum_gain=lower - 1e-9, confidence=confidence).shown
    assert not accumulated(gains, errors, minimum_gain=lower + 1e-9, confidence=confidence).shown


def test_an_equal_line_of_challengers_hardly_ever_dethrones_in_a_whole_reign() -> None:
    """300 reigns, looked at seven times in 36 looks: well under 5 %; a 95 % interval a look fails in most reigns."""
    z = np.random.default_rng(0).normal(size=(3000, 36))
    fallen = sum(any(accumulated(row[:t] * 0.01).shown for t in (1, 2, 3, 6, 12, 24, 36)) for row in z[:300])
    assert fallen <= 0.05 * 300
    ever_single = (z > stats.norm.ppf(0.975)).any(axis=1).mean()
    assert ever_single > 0.5


def test_a_small_steady_gain_is_shown_in_the_end_and_a_large_one_at_once() -> None:
    assert not accumulated([0.01]).shown
    assert accumulated([0.01] * 24).shown
    assert accumulated([0.05]).shown


def test_a_challenger_that_hardly_differs_does_not_drown_the_others() -> None:
    one_alike = accumulated([0.00001, *[0.02] * 12], [0.00002, *[0.01] * 12])
    assert one_alike.shown
    assert one_alike.lower > -0.001


def test_a_negative_minimum_gain_is_shown_sooner() -> None:
    gains = [0.0] * 12
    assert accumulated(gains, minimum_gain=-0.02).shown
    assert not accumulated(gains, minimum_gain=0.0).shown


@given(st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=40), st.floats(-0.02, 0.02))
def test_the_bound_lies_below_the_mean_and_agrees_with_the_evidence(gains: list[float], minimum: float) -> None:
    found = accumulated(gains, minimum_gain=minimum)
    assert found.lower < found.gain
    if abs(found.lower - minimum) > 1e-9:
        assert found.shown == (found.lower > minimum)


@given(st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_looks_does_not_matter(gains: list[float], random: Any) -> None:
    other = gains.copy()
    random.shuffle(other)
    assert accumulated(other).log_evidence == pytest.approx(accumulated(gains).log_evidence, abs=1e-8)


@pytest.mark.parametrize("error", [0.0, float("inf"), float("nan"), -1.0])
def test_a_look_without_an_error_is_refused(error: float) -> None:
    with pytest.raises(ValueError, match="it must be positive and finite"):
        accumulated([0.01], error)


def test_the_bound_is_tightest_at_the_planned_number_of_looks() -> None:
    """Halving or doubling the mixture's variance widens the bound there."""
    from titleholder.sequential import _reach

    needed, k = float(np.log(20)), _mixing_variance(0.95)
    assert _reach(PLANNED, k, needed) < min(_reach(PLANNED, k * 3, needed), _reach(PLANNED, k / 3, needed))
