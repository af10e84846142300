"""Errors that follow from influences, and which of two estimates is further from 1, against a plain paired bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from titleholder.validation.metrics import Array, Sample
from titleholder.validation.metrics.calibration import slope
from titleholder.validation.metrics.linearised import Linearised, further_from_one, variance
from titleholder.validation.metrics.means import ratio_of_means


def an_estimate(value: float, *influence: float, freedom: float = math.inf) -> Linearised:
    return Linearised(value, np.array(influence or (0.1, -0.1)), freedom)


def test_the_variance_of_a_mean_is_the_usual_one() -> None:
    values = np.random.default_rng(0).normal(size=30)
    influence = (values - values.mean()) / 30
    assert variance(influence) == (pytest.approx(values.var(ddof=1) / 30), 29)
    assert variance(np.repeat(influence, 2) / 2, np.repeat(np.arange(30), 2)) == (
        pytest.approx(variance(influence)[0]),
        29,
    )
    assert variance(influence, np.zeros(30)) == (math.inf, 1)


def test_a_logarithm_is_by_the_delta_method() -> None:
    found = an_estimate(4.0, 0.2, -0.2).log()
    assert found.estimate == pytest.approx(math.log(4))
    assert found.error == pytest.approx(an_estimate(4.0, 0.2, -0.2).error / 4)
    low, high = found.interval(0.95).exp().values[1:]
    assert low * high == pytest.approx(16)


def two_models(n: int, level: float, seed: int) -> tuple[Sample, Array, Array]:
    """Log odds of two models around the truth, the first off by this level and the second by a third of it."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1.5, 1.0, n)
    y = (rng.random(n) < special.expit(odds)).astype(float)
    first, second = odds + 0.2 * rng.normal(size=(2, n))
    return Sample(y), special.expit(first + level), special.expit(second - level / 3)


def distance(measure: Linearised) -> float:
    return abs(math.log(measure.estimate))


@pytest.mark.parametrize("measure", [ratio_of_means, slope])
@pytest.mark.parametrize("level", [0.5, -0.5])
def test_which_is_further_off_agrees_with_a_paired_bootstrap(measure, level: float) -> None:
    sample, first, second = two_models(2000, level, seed=1)
    if measure is slope:
        first, second = special.expit(1.6 * special.logit(first)), special.expit(1.2 * special.logit(second))
    rng, drawn = np.random.default_rng(2), []
    for _ in range(400):
        rows = rng.integers(0, 2000, 2000)
        again = sample.at(rows)
        drawn.append(distance(measure(again, first[rows])) - distance(measure(again, second[rows])))
    found = further_from_one(measure(sample, first), measure(sample, second), 0.95)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.estimate == pytest.approx(distance(measure(sample, first)) - distance(measure(sample, second)))
    assert (found.lower, found.upper) == pytest.approx((low, high), abs=0.15 * (high - low))


def test_what_moves_both_estimates_alike_counts_for_nothing() -> None:
    one, other = an_estimate(4.0, 0.1, -0.1), an_estimate(2.0, 0.05, -0.05)
    assert further_from_one(one, other, 0.95).values == pytest.approx((math.log(2),) * 3)
    assert further_from_one(one, one, 0.95).values == pytest.approx((0.0,) * 3)


def test_what_moves_them_apart_does() -> None:
    found = further_from_one(an_estimate(4.0, 0.1, -0.1), an_estimate(2.0, -0.05, 0.05), 0.95)
    assert found.upper - found.lower == pytest.approx(2 * 1.959964 * math.sqrt(2 * 2 * 0.05**2))


def test_a_half_is_as_far_off_as_two() -> None:
    found = further_from_one(an_estimate(0.5), an_estimate(2.0), 0.95)
    assert found.estimate == pytest.approx(0.0)
    assert further_from_one(an_estimate(0.25), an_estimate(2.0), 0.95).estimate == pytest.approx(math.log(2))


@pytest.mark.parametrize(("one", "other", "further"), [(-0.1, 0.5, math.inf), (0.5, 0.0, -math.inf), (-1.0, -2.0, 0.0)])
def test_what_is_not_above_zero_is_infinitely_far_off(one: float, other: float, further: float) -> None:
    assert further_from_one(an_estimate(one), an_estimate(other), 0.95).values == (further,) * 3


def test_an_equal_estimate_is_seldom_shown_to_be_further_off() -> None:
    """At 95 % in 2.5 of 100, where both are off by as much; on the same side or on two."""
    shown = np.zeros(2)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        odds = rng.normal(-1.5, 1.0, 500)
        sample = Sample((rng.random(500) < special.expit(odds)).astype(float))
        one, other = special.expit(odds + 0.6 + 0.2 * rng.normal(size=(2, 500)))
        across = special.expit(odds - 0.6 + 0.2 * rng.normal(size=500))
        scale = special.expit(odds).sum() ** 2 / (special.expit(odds + 0.6).sum() * across.sum())
        for k, against in enumerate((other, across * scale)):
            found = further_from_one(ratio_of_means(sample, one), ratio_of_means(sample, against), 0.95)
            shown[k] += found.lower > 0
    assert (shown / 400 <= 0.05).all()
