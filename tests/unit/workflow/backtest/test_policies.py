"""Four policies over the months of a lane, against numbers worked out by hand and properties that must hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from support.backtest_cases import a_lane
from support.factories import a_decision, a_recall, a_regression, a_spec
from titleholder.spec.model import ModelSpec
from titleholder.workflow.backtest import policies, summary
from titleholder.workflow.backtest.periods import COMPARED, POLICIES, Period
from titleholder.workflow.backtest.policies import PeriodResult, ScoredRows, measure
from titleholder.workflow.backtest.summary import Setting, overall, same_line, what_if

Y = np.array([0.0, 0.0, 1.0, 1.0])
RIGHT, HALF = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.1, 0.4, 0.3, 0.2])
"""Areas under the curve of 1 and 1/2. Of HALF the placements are 1/2, 1/2 and 1, 0: DeLong's error is sqrt(0.5 / 2)."""


def a_month(n: int = 1, gate: int | None = 1, newest: int | None = 2, never: int | None = 1, of: int = 2) -> Period:
    return Period(
        as_of=date(2024, n, 1), end=date(2024, n + 1, 1), kind="keep", versions=tuple(range(1, of + 1)), gate=gate,
        newest=newest, never=never,
    )  # fmt: skip


def measured(
    month: Period, scores: dict[int, Any], spec: ModelSpec | None = None, y: Any = Y, **rows: Any
) -> PeriodResult:
    """Measured by a spec to which two outcomes of the rarer class are enough, unless one is given that says more."""
    spec = spec or a_spec()
    few = spec.judgement.model_copy(update={"minimum_new_events": 2})  # no real spec may ask for so few
    return measure(month, ScoredRows(y, scores, **rows), spec.model_copy(update={"judgement": few}), month.end)


def test_a_version_that_cannot_be_asked_is_left_out_and_its_months_say_so() -> None:
    found = measured(a_month(gate=1, newest=2, never=1), {1: RIGHT})
    assert found.why == "version 2 needs columns that these rows do not have"
    assert set(found.figures) == {"gate", "never", "hindsight"}
    nothing = measured(a_month(gate=1, newest=2, never=1), {})
    assert nothing.why == "versions 1 and 2 need columns that these rows do not have"
    assert nothing.figures == {}
    good = measured(a_month(2, gate=1, newest=1, never=1), {1: RIGHT})
    assert summary.mean_of([2, 1], [found, good]) == (1.0, 1)


def test_a_difference_without_a_variance_is_no_certainty() -> None:
    """Two of each class, told apart perfectly by one model and perfectly wrongly by the other."""
    perfect, wrong = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.9, 0.8, 0.2, 0.1])
    found = measured(a_month(gate=1, newest=2, never=1), {1: perfect, 2: wrong})
    assert found.contrasts["gate-newest"].metric.error == 0
    assert found.why == "the variance cannot be known on these rows"
    alike = measured(a_month(gate=1, newest=2, never=1), {1: perfect, 2: perfect})
    assert alike.compared


def test_figures_and_differences_worked_out_by_hand() -> None:
    found = measured(a_month(gate=1, newest=2, never=2), {1: RIGHT, 2: HALF})
    assert {p: (f.version, f.metric) for p, f in found.figures.items()} == {
        "gate": (1, 1.0), "newest": (2, 0.5), "never": (2, 0.5), "hindsight": (1, 1.0),
    }  # fmt: skip
    gain = found.contrasts["gate-never"].metric
    assert (gain.estimate, gain.error) == pytest.approx((0.5, 0.5))
    assert found.contrasts["newest-never"].metric == policies.PolicyGain(estimate=0, lower=0, upper=0, error=0)
    assert found.compared


def test_errors_of_months_add_up_in_squares_and_as_they_are_where_clusters_reach_over_months() -> None:
    one = measured(a_month(1, gate=1, newest=2, never=2), {1: RIGHT, 2: HALF})
    two = measured(a_month(2, gate=1, newest=2, never=2), {1: RIGHT, 2: HALF})
    three = measured(a_month(3, gate=2, newest=2, never=2), {1: RIGHT, 2: HALF})
    found = overall([one, two, three], confidence=0.95).contrasts["gate-never"].metric
    assert (found.estimate, found.error) == pytest.approx((1 / 3, np.sqrt(0.25 + 0.25) / 3))
    assert (found.lower, found.upper) == pytest.approx((1 / 3 - 1.959964 * found.error, 1 / 3 + 1.959964 * found.error))
    together = overall([one, two, three], confidence=0.95, together=True).contrasts["gate-never"].metric
    assert (together.estimate, together.error) == pytest.approx((1 / 3, 1 / 3))


def test_profit_is_summed_over_rows_and_months() -> None:
    spec = a_spec(
        judgement__cut_off={"accept": "below", "score": 0.25}, judgement__profit={"accepted_0": 1.0, "accepted_1": -8.0}
    )
    one = measured(a_month(1, gate=1, newest=2, never=2), {1: RIGHT, 2: HALF}, spec)
    weights = np.array([1.0, 1.0, 1.0, 3.0])
    two = measured(a_month(2, gate=1, newest=2, never=2), {1: RIGHT, 2: HALF}, spec, weights=weights)
    assert [one.figures[p].profit for p in POLICIES] == pytest.approx([2, 1 - 8, 1 - 8, 2])
    assert [two.figures[p].profit for p in POLICIES] == pytest.approx([2, 1 - 24, 1 - 24, 2])
    whole = overall([one, two], confidence=0.95)
    assert whole.policies["newest"].profit == pytest.approx(-30)
    assert whole.policies["newest"].profit_a_row == pytest.approx(-30 / (4 + 6))
    difference = whole.contrasts["gate-never"].profit
    assert difference is not None
    assert difference.estimate == pytest.approx(34)
    assert one.figures["gate"].profit is not None
    assert measured(a_month(), {1: RIGHT, 2: HALF}).figures["gate"].profit is None


@pytest.mark.parametrize(
    ("y", "why"),
    [
        ([], "no rows with a known outcome"),
        ([0.0, 0.0, 0.0, 0.0], "too few rows of the rarer class: 0 of 2 (minimum_new_events)"),
        ([0.0, 0.0, 0.0, 1.0], "too few rows of the rarer class: 1 of 2 (minimum_new_events)"),
    ],
)
def test_a_month_that_cannot_be_measured_says_why_and_is_kept(y: list[float], why: str) -> None:
    rows = np.array(y)
    bad = measured(a_month(2), {1: RIGHT[: len(y)], 2: HALF[: len(y)]}, y=rows)
    assert (bad.why, bad.figures, bad.rows) == (why, {}, len(y))
    good = measured(a_month(1), {1: RIGHT, 2: HALF})
    whole = overall([good, bad], confidence=0.95)
    assert (whole.periods, whole.of, whole.rows) == (1, 2, 4)
    assert overall([bad], confidence=0.95).policies == {}


def test_a_month_of_which_nothing_has_matured_says_so() -> None:
    """It was told like one without rows."""
    month = a_month()
    assert measure(month, ScoredRows(np.empty(0), {}), a_spec(), month.as_of).why == "outcomes are not final yet"


def test_the_coverage_of_a_quantile_is_the_share_of_outcomes_at_or_below_it() -> None:
    spec = a_regression(judgement__metric="pinball", judgement__quantile=0.75, judgement__resamples=100)
    y, weights = np.arange(8.0), np.array([1.0, 1, 1, 1, 1, 1, 1, 3])
    found = measured(a_month(), {1: np.full(8, 5.5), 2: np.full(8, 7.5)}, spec, y, weights=weights)
    assert found.figures["gate"].coverage == pytest.approx(6 / 10)
    assert found.figures["newest"].coverage == pytest.approx(1.0, abs=0.05)
    low = a_regression(judgement__metric="pinball", judgement__quantile=0.25, judgement__resamples=100)
    assert measured(a_month(), {1: y, 2: y - 1}, low, y).figures["newest"].coverage == pytest.approx(0.0, abs=0.05)
    assert measured(a_month(), {1: RIGHT, 2: HALF}).figures["gate"].coverage is None


def test_events_of_a_month_are_its_rows_with_target_1() -> None:
    mostly = measured(a_month(), {1: RIGHT, 2: HALF}, y=np.array([0.0, 1.0, 1.0, 1.0]))
    assert (mostly.rows, mostly.events) == (4, 3)
    assert mostly.why.startswith("too few rows of the rarer class: 1 of 2")


def test_before_the_first_champion_only_newest_and_hindsight_are_measured() -> None:
    early = measured(a_month(1, gate=None, newest=2, never=None), {1: RIGHT, 2: HALF})
    assert set(early.figures) == {"newest", "hindsight"}
    assert early.why == "no champion yet"
    later = measured(a_month(2, gate=1, newest=2, never=1), {1: RIGHT, 2: RIGHT})
    whole = overall([early, later], confidence=0.95)
    assert {p: s.mean for p, s in whole.policies.items()} == dict.fromkeys(POLICIES, 1.0), (
        "0.5 of the first is left out"
    )


def random_months(spec: ModelSpec, seed: int, promoted: bool) -> list[PeriodResult]:
    rng = np.random.default_rng(seed)
    found, gate = [], 1
    for n in range(1, 9):
        signal = rng.normal(size=60)
        y = (signal + rng.normal(size=60) > 0).astype(float) if spec.task == "classification" else signal
        noisy = {v: signal + rng.normal(size=60) * rng.uniform(0.5, 2) for v in range(1, n + 1)}
        scores = {v: 1 / (1 + np.exp(-p)) for v, p in noisy.items()} if spec.task == "classification" else noisy
        gate = int(rng.integers(gate, n + 1)) if promoted else gate
        found.append(measured(a_month(n, gate=gate, newest=n, never=1, of=n), scores, spec, y))
    return found


SPECS = [a_spec(), a_spec(judgement__metric="brier", judgement__floors={}), a_regression(judgement__resamples=100)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.judgement.metric)
def test_hindsight_is_never_worse_than_any_policy_and_gains_point_upwards(spec: ModelSpec, seed: int) -> None:
    found = random_months(spec, seed, promoted=True)
    sign = 1 if spec.judgement.greater_is_better else -1
    for m in found:
        best = m.figures["hindsight"].metric
        assert all(sign * (best - m.figures[p].metric) >= 0 for p in COMPARED)
        lead = sign * (m.figures["gate"].metric - m.figures["never"].metric)
        assert m.contrasts["gate-never"].metric.estimate == pytest.approx(lead)
    whole = overall(found, confidence=0.95)
    parts = {name: c.metric.estimate for name, c in whole.contrasts.items()}
    assert parts["gate-never"] == pytest.approx(parts["gate-newest"] + parts["newest-never"])
    assert parts["gate-never"] == pytest.approx(sign * (whole.policies["gate"].mean - whole.policies["never"].mean))


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.judgement.metric)
def test_where_nothing_is_promoted_the_gate_is_never_retraining(spec: ModelSpec) -> None:
    whole = overall(random_months(spec, 0, promoted=False), confidence=0.95)
    assert whole.policies["gate"] == whole.policies["never"]
    assert whole.contrasts["gate-never"].metric == policies.PolicyGain(estimate=0, lower=0, upper=0, error=0)
    assert (whole.policies["gate"].changes, whole.policies["newest"].changes) == (0, 7)


def test_changes_are_counted_over_the_whole_lane_and_over_the_periods_compared() -> None:
    found = [
        measured(a_month(1, gate=1, never=1), {1: RIGHT, 2: HALF}),
        measured(a_month(2, gate=2, never=1), {1: RIGHT, 2: HALF}),
        measured(a_month(3, gate=1, never=1), {1: RIGHT[:0], 2: HALF[:0]}, y=Y[:0]),
    ]
    gate = overall(found, confidence=0.95).policies["gate"]
    assert (gate.changes, gate.changes_compared) == (2, 1)
    assert summary.changes([None, 1, None, 1, 2, None, 1]) == 2


def test_clusters_that_reach_over_months_are_found() -> None:
    assert policies.shared([np.array([1, 1, 2]), np.array([3]), np.array([2, 4])])
    assert not policies.shared([np.array([1, 1, 2]), np.array([3])])


def test_clustered_rows_widen_the_interval() -> None:
    twice = {1: np.tile(RIGHT, 2), 2: np.tile(HALF, 2)}
    month, y = a_month(gate=1, newest=2, never=2), np.tile(Y, 2)
    apart = measured(month, twice, y=y).contrasts["gate-never"].metric
    paired = measured(month, twice, y=y, clusters=np.tile(np.arange(4), 2)).contrasts["gate-never"].metric
    assert paired.estimate == apart.estimate
    assert paired.error > 1.2 * apart.error


@pytest.mark.parametrize("metric", ["roc_auc", "brier"])
def test_regret_is_the_distance_to_hindsight_whichever_way_is_better(metric: str) -> None:
    policies = overall(random_months(a_spec(judgement__metric=metric), 1, promoted=True), confidence=0.95).policies
    assert policies["hindsight"].regret == 0
    for policy in policies.values():
        assert policy.regret == pytest.approx(abs(policies["hindsight"].mean - policy.mean))
    assert max(p.regret for p in policies.values()) > 0


def test_the_difference_so_far_ends_with_the_whole_difference() -> None:
    found = random_months(a_spec(), 1, promoted=True)
    steps = summary.running("gate-never", found, 0.95, together=False)
    assert [day for day, _ in steps] == [m.period.as_of for m in found]
    assert steps[0][1].metric.estimate == found[0].contrasts["gate-never"].metric.estimate
    assert steps[-1][1] == overall(found, confidence=0.95).contrasts["gate-never"]


def test_a_replayed_line_is_told_by_its_months_of_change_and_mean() -> None:
    found = [
        measured(a_month(1, of=1, newest=1), {1: HALF}),
        measured(a_month(2), {1: HALF, 2: RIGHT}),
        measured(a_month(3, of=3), {1: HALF, 2: RIGHT, 3: HALF}),
    ]
    setting = Setting.of(a_spec().judgement)
    counted = what_if(setting, a_lane("reject", "promote", "keep"), found, own=True)
    assert (counted.first, counted.changed, counted.champions) == (date(2024, 2, 1), (), (2,)), "it replaced nobody"
    assert (counted.mean, counted.periods) == (1.0, 2)
    without = what_if(setting, a_lane("reject", "reject", "reject"), found, own=False)
    assert (without.first, without.changed, without.champions) == (None, (), ())
    assert (without.mean, without.periods) == (None, 0)
    recalled = [a_decision(1), a_decision(2, champion_before=1), a_recall(3, 2, 1)]
    returned = what_if(setting, recalled, found, own=False)
    assert (returned.first, returned.champions, returned.periods) == (recalled[0].as_of, (1, 2, 1), 3)
    assert returned.changed == tuple(r.as_of for r in recalled[1:]), "a recall is a change"
    assert returned.mean == pytest.approx((0.5 + 1.0 + 0.5) / 3)


def test_two_lines_are_the_same_by_their_decisions() -> None:
    assert same_line(a_lane("promote", "keep"), a_lane("promote", "keep"))
    assert not same_line(a_lane("promote", "keep"), a_lane("promote", "reject"))
    assert not same_line(a_lane("promote"), a_lane("promote", "keep"))
