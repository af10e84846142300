"""What age costs, in a sentence, and what retraining more often is worth."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from support.ageing_cases import cells, results, trained
from titleholder.spec.cadence import Cadence
from titleholder.validation.ageing import Cell
from titleholder.validation.cohort_record import CohortRecord, Member
from titleholder.workflow.backtest.advice import advice, further_periods, often_enough
from titleholder.workflow.backtest.ageing import Ageing, ageing, recorded

NOISE: dict[str, Any] = {"versions": 0.006, "noise": 0.005}


def aged(
    periods: int, decay: float, *, metric: str = "roc_auc", schedule: str = "@monthly", tolerated: float = 0.01,
    sign: float = 1.0, profit: float = 0.0, **variation: Any,
) -> Ageing:  # fmt: skip
    found = cells(periods, decay, schedule=schedule, **variation)
    made = results(found, tolerated=tolerated, sign=sign, profit=profit)
    return ageing(made, trained(found), metric=metric, confidence=0.95)


def sentence(found: Ageing, metric: str = "roc_auc", noun: Any = "month") -> str:
    return advice(found, metric, 0.95, Cadence(noun))


def test_retraining_monthly_instead_of_yearly_wins_half_of_the_eleven_months() -> None:
    found = aged(24, 0.001)
    assert [one.name for one in found.worth] == ["monthly", "quarterly", "yearly"]
    assert [one.gain.estimate for one in found.worth] == pytest.approx([0.0055, 0.0045, 0.0], rel=0.06)
    assert [one.loss.estimate for one in found.worth] == pytest.approx([0.0, 0.001, 0.0055], rel=0.06)
    assert found.tolerated == pytest.approx(0.01)


def test_what_is_lost_at_once_and_no_more_later_is_seen_where_a_straight_line_would_miss_it() -> None:
    """The newest version is better than all others, which are alike: eleven months of twelve lose that."""
    found = [cell._replace(value=cell.value + 0.01 * (cell.age < 6.7)) for cell in cells(24, 0.0)]
    got = ageing(results(found), trained(found), metric="roc_auc", confidence=0.95)
    assert got.metric is not None
    assert got.metric.month.times(5.5).estimate < 0.006
    assert got.worth[0].gain.estimate == pytest.approx(0.01 * 11 / 12, rel=0.01)
    assert got.worth[1].loss.estimate == pytest.approx(0.01 * 2 / 3, rel=0.01)


def test_profit_is_told_beside_the_metric_where_it_is_known() -> None:
    found = aged(24, 0.001, profit=0.02)
    assert found.profit is not None
    assert found.profit.month.estimate == pytest.approx(0.02)
    assert [one.profit and one.profit.estimate for one in found.worth] == pytest.approx([0.11, 0.09, 0.0], rel=0.06)
    assert aged(24, 0.001).profit is None


def test_an_error_that_rises_with_age_is_a_cost() -> None:
    found = aged(24, 0.001, metric="rmse", sign=-1.0)
    assert found.metric is not None
    assert found.metric.month.estimate == pytest.approx(0.001)
    assert "a month of age costs 0.0010 of RMSE" in sentence(found, "rmse")


@pytest.mark.parametrize(
    ("schedule", "periods", "names"),
    [
        ("@daily", 20, ["daily", "weekly"]),
        ("@daily", 60, ["daily", "weekly", "monthly"]),
        ("0 6 * * 1", 30, ["weekly", "monthly", "quarterly"]),
        ("@monthly", 12, ["monthly", "quarterly"]),
        ("@monthly", 18, ["monthly", "quarterly", "yearly"]),
        ("0 6 1 */3 *", 12, ["quarterly", "yearly"]),
        ("@yearly", 12, []),
    ],
)
def test_only_frequencies_of_which_the_ages_tell_are_compared(schedule: str, periods: int, names: list[str]) -> None:
    assert [one.name for one in aged(periods, 0.001, schedule=schedule).worth] == names


@pytest.mark.parametrize(
    ("decay", "tolerated", "begins", "has"),
    [
        (0.004, 0.001, "Retrain monthly: a month of age costs", "quarterly could lose up to"),
        (0.003, 0.01, "Retrain quarterly: a month of age costs", "yet quarterly loses at most"),
        (0.002, 0.02, "Retrain yearly: a month of age costs", "yet yearly loses at most"),
        (0.0, 0.02, "No cost of age can be shown: a month of age costs", "is frequent enough."),
        (0.0, 0.0005, "No cost of age can be shown: a month of age costs", "monthly is the cautious choice"),
        (-0.004, 0.01, "Newer versions did worse: a month of age costs \N{MINUS SIGN}0.00", "find out why"),
    ],
)
def test_the_sentence_says_first_what_to_do_then_why(decay: float, tolerated: float, begins: str, has: str) -> None:
    found = aged(24, decay, tolerated=tolerated, **NOISE)
    said = sentence(found)
    assert said.startswith(begins)
    assert has in said
    assert "95% interval" in said
    assert said.count(". ") == 0
    assert said.endswith(".")


def test_the_choice_loses_no_more_than_is_tolerated_at_the_worst() -> None:
    found = aged(24, 0.003, **NOISE)
    chosen = often_enough(found)
    assert chosen.loss.upper <= found.tolerated
    later = [one for one in found.worth if one.loss.estimate > chosen.loss.estimate]
    assert all(one.loss.upper > found.tolerated for one in later)
    assert often_enough(aged(24, 0.003, tolerated=0.0, **NOISE)).name == "monthly"


@pytest.mark.parametrize(
    ("periods", "said"),
    [
        (1, "0 months with final outcomes have two versions or more to compare, and it takes 10, so 10 months more."),
        (2, "1 month with final outcomes has two versions or more to compare, and it takes 10, so 9 months more."),
        (10, "9 months with final outcomes have two versions or more to compare, and it takes 10, so 1 month more."),
    ],
)
def test_with_too_little_it_says_how_much_more_it_takes(periods: int, said: str) -> None:
    found = aged(periods, 0.001)
    assert found.metric is None
    assert found.worth == ()
    assert sentence(found) == f"The cost of age cannot be estimated yet: {said}"


def test_what_cannot_be_known_by_waiting_is_said_otherwise() -> None:
    found = cells(20, 0.001)
    two = [cell for cell in found if cell.version < 3]
    said = sentence(ageing(results(two), trained(two), metric="roc_auc", confidence=0.95))
    assert said == "The cost of age cannot be estimated: it takes 5 versions of different ages on the same rows."
    assert sentence(aged(12, 0.001, schedule="@yearly"), noun="year").startswith("No advice on how often to retrain")


def test_more_periods_are_asked_for_only_where_they_would_tell() -> None:
    open_ = aged(24, 0.0, tolerated=0.003, **NOISE)
    more = further_periods(open_)
    assert more > 0
    assert f"some {more} months more would tell" in sentence(open_)
    assert further_periods(aged(24, 0.0, tolerated=0.05, **NOISE)) == 0, "known already"
    assert further_periods(aged(24, 0.004, tolerated=0.001, **NOISE)) == 0, "the estimate itself is beyond"


@pytest.mark.parametrize(("schedule", "noun", "unit"), [("@daily", "day", "day"), ("0 6 * * 1", "week", "week")])
def test_age_is_told_in_the_schedules_own_unit(schedule: str, noun: str, unit: str) -> None:
    said = sentence(aged(30, 0.01, schedule=schedule), noun=noun)
    assert f"a {unit} of age costs" in said


def a_record(found: list[Cell], metric: str = "roc_auc") -> list[CohortRecord]:
    """These cells as cohorts of the ledger's record."""
    cohorts = []
    for start, end in dict.fromkeys((cell.start, cell.end) for cell in found):
        own = [cell for cell in found if cell.start == start]
        members = tuple(Member(version=c.version, trained_through=c.trained, judged_through=start) for c in own)
        size = len(own) * (len(own) + 1) // 2
        record = CohortRecord(
            start=start, end=end, events=60, metric=metric, basis="b", members=members,
            values=tuple(c.value for c in own), covariance=(0.0,) * size,
        )  # fmt: skip
        cohorts.append(record)
    return cohorts


def test_where_final_outcomes_are_too_few_the_ledgers_record_says_it_and_that_is_said() -> None:
    found = cells(14, 0.001)
    record = recorded([*a_record(found), *a_record(found, "brier")], "roc_auc", "b")
    assert [c._replace(weight=0) for c in record] == [c._replace(weight=0) for c in found]
    assert recorded(a_record(found), "roc_auc", "another meaning") == []
    early = results(found[:6])
    got = ageing(early, trained(found), metric="roc_auc", confidence=0.95, record=record, tolerated=0.02)
    assert (got.source, got.cohorts, got.more) == ("record", 2, 8)
    assert got.metric is not None
    assert got.metric.month.estimate == pytest.approx(0.001)
    assert "by the ledger's record, since 8 months with final outcomes are still missing, so" in sentence(got)
    whole = ageing(results(found), trained(found), metric="roc_auc", confidence=0.95, record=record[:50])
    assert whole.source == "outcomes"
    assert "record" not in sentence(whole)
    thin = ageing(early, trained(found), metric="roc_auc", confidence=0.95, record=record[:9])
    assert (thin.source, thin.metric) == ("outcomes", None)


def test_periods_without_figures_and_versions_of_unknown_age_are_left_out() -> None:
    found = cells(14, 0.001)
    made = results(found)
    empty = made[3].model_copy(update={"estimates": {}, "informative": 0, "why": "outcomes are not final yet"})
    nan = made[4].model_copy(update={"estimates": {**made[4].estimates, 1: float("nan")}})
    known = {version: end for version, end in trained(found).items() if version != 2}
    got = ageing([*made[:3], empty, nan, *made[5:]], known, metric="roc_auc", confidence=0.95)
    assert got.metric is not None
    assert (got.metric.versions, got.cohorts) == (13, 11)
    assert got.metric.month.estimate == pytest.approx(0.001)
    assert trained(found)[1] < date(2020, 1, 1)
