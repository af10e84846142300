"""The periods of a lane, and which version each policy used in them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from support.backtest_cases import LANE, a_lane
from support.factories import a_decision, a_rollback
from titleholder.workflow.backtest.periods import decisions, periods_of


def test_each_month_ends_where_the_next_begins_and_the_last_at_the_next_tick() -> None:
    found = periods_of(a_lane("reject", "promote", "keep", "promote"), "@monthly")
    assert [(m.as_of.month, m.end.month) for m in found] == [(1, 2), (2, 3), (3, 4), (4, 5)]
    assert [m.gate for m in found] == [None, 2, 2, 4]
    assert [m.newest for m in found] == [1, 2, 3, 4]
    assert [m.never for m in found] == [None, 2, 2, 2]
    assert [m.versions for m in found] == [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]
    assert periods_of(a_lane("promote"), "0 6 * * 1")[0].end == date(2024, 1, 8)
    assert periods_of(a_lane("promote"), None)[0].end == date(2024, 2, 1)


def test_a_month_that_was_decided_again_counts_once_and_months_come_in_as_of_order() -> None:
    first, second, third = a_lane("promote", "keep", "keep")
    again = a_decision(4, lane=LANE, as_of=second.as_of, champion_before=1, champion_after=4)
    taken = decisions([first, third, second, again], LANE)
    assert [(r.as_of.month, r.challenger_version) for r in taken] == [(1, 1), (2, 4), (3, 3)]
    assert [r.as_of.month for r in decisions([first, third, second, again], LANE, date(2024, 2, 1))] == [
        1,
        2,
    ]


def test_in_the_live_lane_a_rollback_changes_the_gate_and_a_run_about_the_past_nothing() -> None:
    rows = [a_decision(1), a_decision(2, champion_before=1), a_decision(3, champion_before=2)]
    rows.append(a_rollback(4, 3, 1, as_of=date(2024, 3, 1)))
    rows.append(a_decision(5, as_of=date(2024, 2, 1), kind="keep", champion_before=1, champion_after=1))
    found = periods_of(decisions(rows, "live"), "@monthly")
    assert [(m.as_of.month, m.gate, m.newest, m.never) for m in found] == [(1, 1, 1, 1), (2, 2, 2, 1), (3, 1, 3, 1)]


def test_a_rollback_that_was_declined_is_no_period() -> None:
    declined = a_rollback(2, 1, 1, kind="decline", as_of=date(2024, 1, 1), created_at=datetime(2024, 1, 9, tzinfo=UTC))
    assert decisions([a_decision(1), declined], "live") == [a_decision(1)]


def test_a_champion_that_was_rolled_back_answers_for_the_days_on_which_it_was_in_use() -> None:
    rows = [a_decision(1), a_decision(2, champion_before=1)]
    day = date(2024, 2, 20)
    rows.append(a_rollback(3, 2, 1, as_of=date(2024, 2, 1), created_at=datetime(2024, 2, 20, 9, tzinfo=UTC)))
    found = periods_of(decisions(rows, "live"), "@monthly")
    assert [(m.as_of, m.end, m.gate, m.kind) for m in found] == [
        (date(2024, 1, 1), date(2024, 2, 1), 1, "promote"),
        (date(2024, 2, 1), day, 2, "promote"),
        (day, date(2024, 3, 1), 1, "rollback"),
    ]
    next_one = a_decision(4, as_of=date(2024, 3, 1), kind="keep", champion_before=1, champion_after=1)
    found = periods_of(decisions([*rows, next_one], "live"), "@monthly")
    assert [(m.as_of, m.end, m.gate) for m in found][1:] == [
        (date(2024, 2, 1), day, 2), (day, date(2024, 3, 1), 1), (date(2024, 3, 1), date(2024, 4, 1), 1),
    ]  # fmt: skip
    late = rows[2].model_copy(update={"created_at": datetime(2024, 5, 1, tzinfo=UTC)})
    found = periods_of(decisions([*rows[:2], late, next_one], "live"), "@monthly")
    assert [(m.as_of.month, m.gate) for m in found] == [(1, 1), (2, 2), (3, 1)], "made after the next as-of date"
