"""Who is accepted, what that is worth, and the expected maximum profit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import integrate

from support.metric_samples import A, B, Y, sample
from titleholder.spec.criteria import CutOff, Emp, Judgement, Profit
from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Estimation, Sample


def test_at_stake_is_what_a_perfect_answer_earns_over_the_worst_one() -> None:
    terms = Profit(accepted_1=-40.0, accepted_0=10.0, declined_1=1.0, declined_0=-2.0)
    y, weights = np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 2.0, 1.0, 3.0])
    judgement = Judgement(metric="profit", profit=terms, cut_off=CutOff(accept="below", score=0.5))
    perfect, worst = (metrics.compute("profit", y, p, judgement, weights) for p in (y, 1 - y))
    assert metrics.at_stake(terms, Sample(y, weights)) == pytest.approx(perfect - worst)


P = np.array([0.3, 0.1, 0.2, 0.3, 0.2, 0.5])


@pytest.mark.parametrize(
    ("cut_off", "expected"),
    [
        (CutOff(accept="below", score=0.3), [0, 1, 1, 0, 1, 0]),
        (CutOff(accept="above", score=0.3), [1, 0, 0, 1, 0, 1]),
        (CutOff(accept="below", share=0.5), [0, 1, 1, 0, 1, 0]),
        (CutOff(accept="below", share=0.6), [1, 1, 1, 0, 1, 0]),  # 3.6 rows are 4: the earlier of the two at 0.3
        (CutOff(accept="below", share=0.26), [0, 1, 1, 0, 0, 0]),
        (CutOff(accept="above", share=0.25), [1, 0, 0, 0, 0, 1]),  # a row and a half are two
        (CutOff(accept="above", share=0.5), [1, 0, 0, 1, 0, 1]),
        (CutOff(accept="above", share=0.05), [0, 0, 0, 0, 0, 0]),
    ],
)
def test_who_is_accepted(cut_off: CutOff, expected: list[int]) -> None:
    found = metrics.accepted(cut_off, P)
    assert found.dtype == bool
    assert_array_equal(found, np.array(expected, dtype=bool))


def test_profit_is_the_mean_of_what_rows_are_worth() -> None:
    y = np.array([1.0, 0, 0, 1, 1, 0])
    terms = Profit(accepted_1=-10, accepted_0=2, declined_1=1, declined_0=-0.5)
    judgement = Judgement(metric="profit", profit=terms, cut_off=CutOff(accept="below", share=0.5))
    worth = np.array([1, 2, 2, 1, -10, -0.5])
    w = np.array([1.0, 2, 3, 4, 5, 6])
    assert metrics.compute("profit", y, P, judgement) == pytest.approx(worth.mean())
    assert metrics.compute("profit", y, P, judgement, w) == pytest.approx(worth @ w / w.sum())


def test_whom_a_share_accepts_is_found_before_resampling() -> None:
    """Half the rows are accepted, the same half each time: the draws' mean is the profit, their spread that of rows."""
    y, a, _ = sample(400)
    terms = Profit(accepted_1=-1, accepted_0=1)
    judgement = Judgement(metric="profit", profit=terms, cut_off=CutOff(accept="below", share=0.5))
    worth = np.where(metrics.accepted(judgement.cut_off, a), 1 - 2 * y, 0.0)
    how = Estimation(0.95, 2000, 0, judgement)
    first, second = metrics.resample("profit", Sample(y), [a, -a], how, stratify=False)
    draws = first - second
    other = np.where(metrics.accepted(judgement.cut_off, -a), 1 - 2 * y, 0.0)
    assert draws.mean() == pytest.approx((worth - other).mean(), abs=4 * draws.std() / math.sqrt(2000))
    assert draws.std() == pytest.approx((worth - other).std() / 20, rel=0.1)


@pytest.mark.parametrize("accept", ["below", "above"])
def test_of_equal_scores_the_earlier_rows_are_accepted_also_when_rows_are_resampled_by_class(accept: str) -> None:
    """All scores equal, all events last: the first half is accepted, none of them an event."""
    y = np.repeat([0.0, 1.0], 20)
    terms = Profit(accepted_1=-1, accepted_0=1)
    judgement = Judgement(metric="profit", profit=terms, cut_off=CutOff(accept=accept, share=0.5))
    for outcomes, expected in ((y, 0.5), (1 - y, -0.5)):
        same = np.full(40, 0.5)
        found = metrics.interval("profit", Sample(outcomes), same, Estimation(0.9, 100, 0, judgement))
        assert found.values == (expected,) * 3


def of(terms: Emp) -> Judgement:
    return Judgement(metric="emp", emp=terms)


@pytest.mark.parametrize(
    ("scores", "terms", "expected"),
    [
        (A, Emp(), 0.11855883887272727),
        (B, Emp(), 0.11162037074666667),
        (A, Emp(p0=0.3, p1=0.4, roi=0.1), 0.28186818181818185),
        (B, Emp(p0=0.3, p1=0.4, roi=0.1), 0.2773233333333333),
    ],
)
def test_emp_is_that_of_empulse(scores: Array, terms: Emp, expected: float) -> None:
    """empulse 0.13.1, `empcs_score(y, p, success_rate=p0, default_rate=p1, roi=roi)`."""
    assert metrics.compute("emp", Y, scores, of(terms)) == pytest.approx(expected, abs=1e-12)


def emp_oracle(y: Array, p: Array, terms: Emp, w: Array) -> float:
    """The definition: the best threshold for each loss given an event, averaged over its distribution."""
    cuts = [math.inf, *np.unique(p)]
    lost = np.array([w @ ((p >= c) & (y == 1)) for c in cuts]) / w.sum()
    missed = np.array([w @ ((p >= c) & (y == 0)) for c in cuts]) / w.sum()

    def best(loss: float) -> float:
        return float((loss * lost - terms.roi * missed).max())

    between = integrate.quad(best, 0, 1, limit=500, epsabs=1e-9)[0]
    return terms.p0 * best(0.0) + (1 - terms.p0 - terms.p1) * between + terms.p1 * best(1.0)


@pytest.mark.parametrize("ties", [None, 10, 1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("terms", [Emp(), Emp(p0=0.0, p1=0.0, roi=0.5), Emp(p0=0.2, p1=0.8, roi=0.05)])
def test_emp_is_what_its_definition_says(terms: Emp, ties: int | None, weighted: bool) -> None:
    y, p, _ = sample(150)
    if ties:
        p = np.round(p * ties) / ties
    w = np.random.default_rng(0).gamma(1.0, size=150) if weighted else np.ones(150)
    assert metrics.compute("emp", y, p, of(terms), w) == pytest.approx(emp_oracle(y, p, terms, w), abs=1e-6)


def test_the_best_that_can_be_is_to_decline_all_events_and_no_others() -> None:
    """The mean loss given an event, as often as there is one."""
    y, _, _ = sample()
    assert metrics.compute("emp", y, y, of(Emp())) == pytest.approx((0.35 / 2 + 0.10) * y.mean())


def test_scores_that_mislead_are_worth_no_more_than_accepting_everybody_or_nobody() -> None:
    y, p, _ = sample(rate=0.05)
    assert metrics.compute("emp", y, -p, of(Emp())) == pytest.approx(0.0, abs=1e-3)
