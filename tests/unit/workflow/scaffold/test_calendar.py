"""Schedule and windows of a new spec, from the dates of its rows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titleholder.spec.types import Duration
from titleholder.workflow.scaffold.calendar import History, plan
from titleholder.workflow.scaffold.rhythm import Rhythm

TODAY = date(2026, 11, 26)


def history(days: int, rows: int = 50_000, events: int | None = None, last: date = TODAY) -> History:
    return History(last - timedelta(days=days - 1), last, rows, rows if events is None else events)


@pytest.mark.parametrize(
    ("days", "schedule", "windows"),
    [
        (42, "@daily", ("1 day", "20 days", "7 days")),
        (365, "@weekly", ("1 week", "25 weeks", "4 weeks")),
        (5 * 365, "@monthly", ("1 month", "12 months", "3 months")),
    ],
)
def test_the_span_of_the_rows_says_how_often(days: int, schedule: str, windows: tuple[str, str, str]) -> None:
    found = plan(history(days), None, None, TODAY)
    assert found.schedule == schedule
    assert (found.label_maturity, found.train, found.holdout) == windows
    assert found.end_date is None


@pytest.mark.parametrize(
    ("days", "rhythm", "schedule", "windows", "why"),
    [
        (1_095, Rhythm(1.0, "store"), "@weekly", ("1 week", "12 months", "4 weeks"), "rows of one store are 1 day apart"),
        (547, Rhythm(1 / 24, "Dock"), "@daily", ("1 day", "26 weeks", "7 days"), "a day is the shortest period"),
        (1_095, Rhythm(0.25 / 24, None), "@daily", ("1 day", "12 months", "7 days"), "rows are 15 minutes apart"),
        (60, Rhythm(1.0, "store"), "@daily", ("1 day", "28 days", "7 days"), "over 60 days"),
        (1_095, Rhythm(7.0, "store"), "@monthly", ("1 month", "12 months", "3 months"), "7 days apart"),
    ],
)  # fmt: skip
def test_the_rhythm_of_one_entity_makes_the_schedule_finer(
    days: int, rhythm: Rhythm, schedule: str, windows: tuple[str, str, str], why: str
) -> None:
    found = plan(history(days), None, None, TODAY, rhythm)
    assert found.schedule == schedule
    assert (found.label_maturity, found.train, found.holdout) == windows
    assert why in found.why_schedule


def test_a_given_schedule_is_kept_and_brings_its_windows() -> None:
    found = plan(history(5 * 365), None, "0 6 * * 1", TODAY, Rhythm(1 / 24, None))
    assert (found.schedule, found.train, found.holdout) == ("0 6 * * 1", "26 weeks", "4 weeks")
    assert found.start_date.weekday() == 0


def test_the_maturity_is_the_lag_of_the_outcomes() -> None:
    assert plan(history(5 * 365), 170.0, None, TODAY).label_maturity == "6 months"
    assert plan(history(60), 2.5, None, TODAY).label_maturity == "3 days"


def test_rare_events_make_the_holdout_longer_and_few_rows_the_training() -> None:
    assert plan(history(10 * 365, events=1_200), None, None, TODAY).holdout == "8 months"
    assert plan(history(10 * 365, rows=6_000), None, None, TODAY).train == "20 months"


def test_rows_that_ended_long_ago_end_the_schedule() -> None:
    found = plan(history(5 * 365, last=date(2020, 12, 31)), None, None, TODAY)
    assert found.end_date == date(2021, 2, 1)
    assert "2020-12-31" in found.why_end


def test_a_schedule_ends_with_the_newest_outcome_though_the_last_rows_have_not_matured() -> None:
    newest = date(2021, 1, 15)
    past = history(5 * 365, last=date(2020, 12, 31))._replace(newest=newest)
    assert plan(past, 700.0, None, TODAY).end_date == date(2021, 1, 16)
    assert plan(past._replace(newest=date(2019, 1, 1)), 700.0, None, TODAY).end_date == date(2021, 1, 1)
    assert plan(past._replace(newest=date(2999, 1, 1)), 30.0, None, TODAY).end_date == date(2021, 2, 1)


@given(
    days=st.integers(1, 20_000), rows=st.integers(1, 10**9), share=st.floats(0.0, 1.0),
    lag=st.none() | st.floats(0, 2_000), schedule=st.sampled_from([None, "@daily", "@weekly", "@monthly", "@yearly"]),
    gap=st.integers(0, 5_000),
    rhythm=st.none() | st.builds(Rhythm, st.floats(1 / 86_400, 400), st.none() | st.just("shop")),
)  # fmt: skip
def test_any_history_gives_valid_windows(
    days: int, rows: int, share: float, lag: float | None, schedule: str | None, gap: int, rhythm: Rhythm | None
) -> None:
    past = history(days, rows, round(rows * share), last=TODAY - timedelta(days=gap))
    found = plan(past, lag, schedule, TODAY, rhythm)
    lengths = [Duration.parse(text) for text in (found.label_maturity, found.train, found.holdout)]
    ready = past.first
    for length in lengths:
        ready += length
    assert found.start_date >= ready - timedelta(days=1), "all windows lie within the rows"
    assert found.end_date is None or found.start_date < found.end_date <= TODAY
