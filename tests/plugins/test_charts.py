"""Coordinates of the page's charts."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.page_cases import decided, reigned
from titleholder.spec.windows import next_tick
from titleholder_airflow.page import axes, charts
from titleholder_airflow.page.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH

NOW = datetime(2025, 12, 1, tzinfo=UTC)


def test_a_line_of_succession_goes_from_the_first_decision_to_now() -> None:
    drawn = charts.succession([reigned(1, 1, 6), reigned(6, 6)], [decided(m) for m in (1, 3, 6)], "live", NOW)
    first, second = drawn.bars
    assert first.x + first.width == pytest.approx(second.x, abs=0.2)
    assert second.x + second.width == pytest.approx(WIDTH - RIGHT, abs=0.2)
    assert [mark.decision.id for mark in drawn.marks] == [1, 3, 6]
    assert drawn.marks[0].x == LEFT
    assert drawn.ticks[0].label == "2025-01"
    assert drawn.ticks[-1].label == "2025-11"


def test_another_lane_is_ordered_by_as_of_dates_and_ends_with_the_last() -> None:
    late = datetime(2026, 7, 1, tzinfo=UTC)
    rows = [decided(m, lane="backtest", created_at=late) for m in (1, 2, 3)]
    drawn = charts.succession([reigned(1, 1)], rows, "backtest", late)
    assert [mark.x for mark in drawn.marks][-1] == WIDTH - RIGHT
    assert drawn.bars[0].x + drawn.bars[0].width == pytest.approx(WIDTH - RIGHT, abs=0.2)


def test_a_single_decision_is_drawn() -> None:
    drawn = charts.succession([reigned(1, 1)], [decided(1, lane="backtest")], "backtest", NOW)
    assert len(drawn.marks) == len(drawn.ticks) == 1
    assert drawn.bars[0].width > 0


def test_without_decisions_nothing_is_drawn() -> None:
    assert charts.succession([], [], "live", NOW) == charts.Succession([], [], [])
    assert charts.metric([]) is None
    assert charts.metric([decided(kind="rollback", challenger_metric=None)]) is None


def test_the_champions_line_breaks_where_the_champion_changes() -> None:
    rows = [decided(m, judged_against=1 if m < 4 else 3) for m in range(1, 7)]
    drawn = charts.metric(rows)
    assert drawn is not None
    assert [len(line.split()) for line in drawn.lines] == [3, 3]
    assert len(drawn.challengers) == 6


def test_the_first_challenger_has_no_champion_beside_it() -> None:
    drawn = charts.metric([decided(1, champion_metric=None, champion_lower=None, champion_upper=None)])
    assert drawn is not None
    assert (drawn.champions[0].y, drawn.lines) == (None, [])


def test_a_metric_that_was_changed_in_the_spec_is_not_drawn_beside_the_new_one() -> None:
    drawn = charts.metric([decided(1, metric="gini", challenger_metric=0.4), decided(2), decided(3)])
    assert drawn is not None
    assert [p.decision.id for p in drawn.challengers] == [2, 3]


@pytest.mark.parametrize("schedule", ["@daily", "0 6 * * 1", "@monthly", "@yearly", None])
def test_the_ticks_of_ten_periods_are_told_apart(schedule: str | None) -> None:
    days = [date(2011, 6, 1)]
    for _ in range(9):
        days.append(next_tick(schedule, days[-1]))
    rows = [decided(1, id=n, as_of=day, schedule=schedule, lane="backtest") for n, day in enumerate(days)]
    drawn = charts.metric(rows)
    assert drawn is not None
    for ticks in (drawn.days, charts.succession([], rows, "backtest", NOW).ticks):
        labels = [tick.label for tick in ticks]
        assert 3 <= len(set(labels)) == len(labels) <= axes.LABELS


def test_two_dates_of_a_month_are_written_in_full() -> None:
    drawn = charts.metric([decided(1), decided(2, as_of=date(2025, 1, 15))])
    assert drawn is not None
    assert [tick.label for tick in drawn.days] == ["2025-01-01", "2025-01-15"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_everything_is_inside_the_chart(values: list[float]) -> None:
    rows = [
        decided(n % 12 + 1, challenger_metric=v, challenger_lower=v - 0.1, challenger_upper=v + 0.1)
        for n, v in enumerate(values)
    ]
    drawn = charts.metric(rows)
    assert drawn is not None
    for point in drawn.challengers:
        assert point.y is not None
        assert point.lower is not None
        assert TOP - 0.1 <= point.y <= HEIGHT - BOTTOM + 0.1
        assert point.lower >= point.y
        assert LEFT <= point.x <= WIDTH - RIGHT
    assert len(drawn.days) <= axes.LABELS
    assert 2 <= len(drawn.values) <= 9
    assert len({tick.label for tick in drawn.values}) == len(drawn.values)
