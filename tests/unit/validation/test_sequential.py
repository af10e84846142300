"""Evidence over a reign: the bound holds whenever one looks, steady gains add up, and no look drowns the others."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from titleholder.validation.sequential import LATER, Accumulated, Look, accumulate, log_evidence, mixing_variance


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


def integrated(z: np.ndarray) -> float:
    """The mixture by numerical integration: over the half-normal weight, and over the beginning."""
    spread, n = np.sqrt(mixing_variance(0.95)), len(z)
    total, left = 0.0, 1.0
    for j in range(n):
        tail = z[j:]
        ratio, _ = integrate.quad(
            lambda x, tail=tail: 2 * stats.norm.pdf(x / spread) / spread * np.exp(x * tail.sum() - x**2 * len(tail) / 2),
            0, 60, points=[1, 5],
        )  # fmt: skip
        weight = 0.5 if j == 0 else 0.5 / LATER * (1 - 1 / LATER) ** (j - 1)
        total, left = total + weight * ratio, left - weight
    return float(np.log(total + left))


@pytest.mark.parametrize("gains", [[0.02], [0.01, -0.005, 0.03], [-0.01] * 5, [-0.02, -0.02, 0.03, 0.03]])
def test_the_evidence_is_the_mixture_it_claims_to_be(gains: list[float]) -> None:
    assert accumulated(gains).log_evidence == pytest.approx(integrated(np.array(gains) / 0.01), abs=1e-7)


def test_a_reign_that_begins_well_and_ages_falls_by_its_later_looks() -> None:
    found = accumulated([*[-0.01] * 8, *[0.015] * 10])
    assert found.shown
    assert (found.counted, found.looks) == (10, 18)
    assert found.gain == pytest.approx(0.015)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("gains", [[0.02], [0.01, -0.005, 0.03], [-0.01] * 5, [0.004] * 36])
def test_the_lower_bound_is_the_largest_minimum_that_is_excluded(gains: list[float], confidence: float) -> None:
    errors = np.linspace(0.005, 0.02, len(gains))
    lower = accumulated(gains, errors, confidence=confidence).lower
    assert accumulated(gains, errors, minimum_gain=lower - 1e-9, confidence=confidence).shown
    assert not accumulated(gains, errors, minimum_gain=lower + 1e-9, confidence=confidence).shown


def test_an_equal_line_of_challengers_hardly_ever_dethrones_in_a_whole_reign() -> None:
    """400 reigns of 36 looks: well under 5 %; one interval of 95 % a look fails in more than half of them."""
    z = np.random.default_rng(0).normal(size=(400, 36))
    ones, needed = np.ones(36), np.log(20)

    def falls(row: np.ndarray) -> bool:
        each = (log_evidence(row[:t], ones[:t], minimum_gain=0.0, confidence=0.95) for t in range(1, 37))
        return any(e >= needed for e in each)

    assert sum(map(falls, z)) <= 0.05 * 400
    assert (z > stats.norm.ppf(0.975)).any(axis=1).mean() > 0.5


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


@pytest.mark.parametrize("error", [0.0, float("inf"), float("nan"), -1.0])
def test_a_look_without_an_error_is_refused(error: float) -> None:
    with pytest.raises(ValueError, match="it must be positive and finite"):
        accumulated([0.01], error)


@pytest.mark.parametrize("t", [1, 2, 3, 6, 12, 36])
def test_a_reign_needs_about_three_standard_errors_however_long(t: int) -> None:
    """Steady looks: what a single interval of 95 % asks is 1.96."""
    needed = optimize.brentq(lambda z: accumulated([z * 0.01 / np.sqrt(t)] * t).log_evidence - np.log(20), 0, 6)
    assert 2.7 < needed < 3.3
