"""What came true: whole cohorts, the promise, and whether the promised gain came true."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import brier_score_loss, roc_auc_score

from titleholder.formatting import MINUS
from titleholder.validation.metrics import Estimation, Interval, Sample
from titleholder.validation.monitoring.outcomes import ScoredOutcomes, cohorts, estimate, promise, review, whole_cohorts
from titleholder.validation.monitoring.report import RealisedCohort, Span

HOW = Estimation(confidence=0.95, resamples=100, seed=1)
MONTHS = [date(2024, m, 1) for m in range(1, 8)]


def scored(rng: np.random.Generator, months: int, rows: int = 600, skill: float = 1.0) -> ScoredOutcomes:
    n = months * rows
    x = rng.normal(size=n)
    y = (rng.random(n) < special.expit(-1.5 + skill * x)).astype(float)
    starts = np.array([day.toordinal() for day in MONTHS[:months]])
    days = np.repeat(starts, rows) + rng.integers(0, 28, n)
    return ScoredOutcomes(
        days.astype(float),
        Sample(y),
        special.expit(-1.5 + x),
        special.expit(-1.5 + 0.3 * rng.normal(size=n)),
        days.astype(float),
    )


def pairs(months: int) -> list[tuple[date, date]]:
    return list(pairwise(MONTHS))[:months]


def test_only_months_that_are_matured_to_their_end_are_cohorts() -> None:
    assert whole_cohorts(date(2024, 1, 1), date(2024, 2, 29)) == [(date(2024, 1, 1), date(2024, 2, 1))]
    assert whole_cohorts(date(2024, 1, 1), date(2024, 1, 31)) == []
    assert whole_cohorts(date(2024, 1, 31), date(2024, 2, 1)) == [(date(2024, 1, 31), date(2024, 2, 1))]
    assert whole_cohorts(date(2024, 12, 5), date(2025, 1, 1)) == [(date(2024, 12, 5), date(2025, 1, 1))]


@pytest.mark.parametrize(("metric", "reference"), [("roc_auc", roc_auc_score), ("brier", brier_score_loss)])
def test_each_cohort_has_scikit_learns_metric_and_what_was_expected(metric: str, reference: object) -> None:
    rows = scored(np.random.default_rng(1), 3)
    found = list(cohorts(rows, pairs(3), metric, HOW, None, 20))
    assert [(one.start, one.end) for one in found] == pairs(3)
    for one in found:
        inside = (rows.days >= one.start.toordinal()) & (rows.days < one.end.toordinal())
        expected = reference(rows.sample.y[inside], rows.scores[inside])  # type: ignore[operator]
        assert one.realised.estimate == pytest.approx(expected, abs=1e-12)
        assert (one.rows, one.scored, one.events) == (600, 600, int(rows.sample.y[inside].sum()))
        assert one.estimated
        assert one.estimated.lower < one.realised.estimate < one.estimated.upper
        assert one.gain
        assert one.gain.estimate > 0, "the predecessor knows nothing"


def test_a_month_with_too_few_events_is_joined_with_the_next_and_the_last_waits() -> None:
    rows = scored(np.random.default_rng(2), 5, rows=100)
    found = list(cohorts(rows, pairs(5), "roc_auc", HOW, None, 30))
    assert found[0].start == MONTHS[0]
    assert all(one.events >= 30 for one in found)
    assert [a.end for a in found[:-1]] == [b.start for b in found[1:]]
    assert found[-1].end < MONTHS[5]


def test_what_cannot_be_estimated_is_none() -> None:
    p = np.array([0.1, 0.4])
    assert estimate("ks", p, 0.95, None, weighted=False) is None
    assert estimate("roc_auc", p, 0.95, None, weighted=True) is None
    assert estimate("rmse", np.array([3.0, 9.0]), 0.95, None, weighted=False) is None
    assert estimate("brier", p, 0.95, None, weighted=False) is not None


def cohort(n: int, value: float, error: float = 0.01, gain: float | None = None) -> RealisedCohort:
    def spanned(v: float) -> Span:
        return Span(estimate=v, lower=v - 1.96 * error, upper=v + 1.96 * error)

    return RealisedCohort(
        start=MONTHS[n], end=MONTHS[n + 1], rows=900, events=90, scored=900, realised=spanned(value),
        gain=None if gain is None else spanned(gain),
    )  # fmt: skip


def promised(metric: str, value: float, found: list[RealisedCohort], tolerated: float) -> object:
    at = Interval(value, value - 0.0196, value + 0.0196)
    return promise(metric, 3, at, found, confidence=0.95, tolerated=tolerated, budget=0.025)


def test_a_promise_is_broken_only_where_more_than_tolerated_is_missing() -> None:
    holds = promised("roc_auc", 0.72, [cohort(n, 0.71) for n in range(6)], 0.01)
    broken = promised("roc_auc", 0.72, [cohort(n, 0.60) for n in range(6)], 0.01)
    assert (holds.broken, broken.broken) == (False, True)  # type: ignore[attr-defined]
    assert broken.least > 0.01  # type: ignore[attr-defined]
    none = promised("roc_auc", 0.72, [], 0.01)
    assert (none.cohorts, none.missing, none.broken) == (0, None, False)  # type: ignore[attr-defined]


def test_where_less_is_better_a_larger_metric_breaks_the_promise_and_the_tolerance_is_a_share() -> None:
    better = promised("brier", 0.20, [cohort(n, 0.10) for n in range(6)], 0.005)
    worse = promised("brier", 0.20, [cohort(n, 0.35) for n in range(6)], 0.005)
    assert (better.broken, worse.broken) == (False, True)  # type: ignore[attr-defined]
    assert worse.tolerated == pytest.approx(0.001)  # type: ignore[attr-defined]


def reviewed(gains: list[float], gain: float = 0.03, error: float = 0.005) -> object:
    at = Interval(gain, gain - 1.96 * error, gain + 1.96 * error)
    return review("roc_auc", 9, 2, at, [cohort(n, 0.7, error, g) for n, g in enumerate(gains)], 0.95)


def test_the_review_says_whether_the_gain_came_true() -> None:
    yes, no, opened = reviewed([0.03] * 6), reviewed([-0.02] * 6), reviewed([0.012])
    assert [r.answer for r in (yes, no, opened, reviewed([]))] == ["yes", "no", "open", "open"]  # type: ignore[attr-defined]
    assert yes.sentence == (  # type: ignore[attr-defined]
        "The champion is better than version 2: of the promised gain of +0.0300, +0.0300 came true."
    )
    assert no.sentence.startswith("The promised gain over version 2 did not come true: of")  # type: ignore[attr-defined]
    assert "No matured cohort has scores of both versions yet" in reviewed([]).sentence  # type: ignore[attr-defined]
    assert no.sentence.endswith(f"of the promised gain of +0.0300, {MINUS}0.0200 came true.")  # type: ignore[attr-defined]
    less = reviewed([0.012] * 6, gain=0.08)
    assert less.answer == "no"  # type: ignore[attr-defined]
    assert "though the champion is better" in less.sentence  # type: ignore[attr-defined]


def test_a_cohort_without_the_predecessor_counts_for_the_promise_only() -> None:
    at = Interval(0.03, 0.02, 0.04)
    found = review("roc_auc", 9, 2, at, [cohort(0, 0.7), cohort(1, 0.7, gain=0.03)], 0.95)
    assert found.cohorts == 1


def test_true_gains_are_seldom_called_missed() -> None:
    """The promised gain is an estimate with an error of its own, and the cohorts have theirs."""
    rng = np.random.default_rng(12)
    wrong = [
        reviewed((0.02 + rng.normal(0, 0.01, 6)).tolist(), gain=0.02 + rng.normal(0, 0.01), error=0.01).answer == "no"  # type: ignore[attr-defined]
        for _ in range(200)
    ]
    assert np.mean(wrong) <= 0.05
