"""What `titleholder check` says of a schedule's as-of dates."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from support.factories import a_regression, a_spec
from titleholder.data import as_of_range
from titleholder.spec.as_of_dates import AsOfDates, DayCount
from titleholder.workflow.preflight.dates import (
    check_dates,
    check_schedule,
    few_to_compare,
    last_compared,
    schedule_goes_on,
)
from titleholder.workflow.preflight.known import Known

BEGIN, END = date(2020, 1, 1), date(2024, 1, 1)
WINDOWS = {"label_maturity": "1 month", "holdout": "1 month", "train": "3 months"}
EVENTS = {"judgement__minimum_events": 50}


@pytest.mark.parametrize(
    ("end", "today", "said"),
    [
        (date(2024, 8, 12), date(2026, 11, 27), "end_date 2024-08-12 is after 2024-08-09, the last date with a whole"),
        (date(2024, 8, 9), date(2026, 11, 27), ""),
        (date(2027, 1, 1), date(2026, 11, 27), "end_date 2027-01-01 has not come, and the data end: 2024-08-09 is the"),
        (None, date(2026, 11, 27), "No end_date, and the data end: 2024-08-09 is the"),
        (None, date(2024, 8, 10), ""),
        (date(2024, 8, 12), date(2024, 8, 10), ""),
    ],
)
def test_a_schedule_that_goes_on_after_the_last_whole_holdout_is_named(
    end: date | None, today: date, said: str
) -> None:
    spec = a_spec(schedule="@daily", end_date=end and str(end))
    found = schedule_goes_on(spec, date(2024, 8, 9), date(2024, 8, 9), today)
    assert found.startswith(said)
    assert bool(said) is bool(found)


@pytest.mark.parametrize(("end", "warned"), [("2024-08-10", False), ("2024-08-11", True)])
def test_where_the_facts_end_first_the_schedule_may_go_on_for_a_period(end: str, warned: bool) -> None:
    """A run is not refused then, and its holdout has all of its days."""
    spec = a_spec(schedule="@daily", end_date=end)
    assert bool(schedule_goes_on(spec, date(2024, 8, 9), date(2024, 9, 9), date(2026, 11, 27))) is warned


@pytest.mark.parametrize(("as_of", "warned"), [(date(2024, 1, 1), False), (date(2024, 1, 2), True)])
def test_a_date_after_the_newest_facts_is_said_to_be_one(
    as_of: date, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is not refused within a table's usual pause; `check` tested such a date and said `ok`."""
    spec = a_spec(windows=WINDOWS, schedule="@monthly", **EVENTS)
    found = AsOfDates(date(2020, 3, 21), date(2024, 1, 1), None, date(2024, 1, 1))
    monkeypatch.setattr(as_of_range, "find", lambda *_: found)
    monkeypatch.setattr(as_of_range, "intervals", lambda *_: None)
    days = {BEGIN + timedelta(days=n): DayCount(10, 0, 1, 4) for n in range((END - BEGIN).days)}
    monkeypatch.setattr(as_of_range, "counts_by_day", lambda *_: days)
    warnings = [
        s.explanation for s in check_dates(Known("small", as_of, days=days, read=spec)) if s.outcome == "warning"
    ]
    assert warnings == [f"as_of {as_of} is after 2024-01-01, the last date that the facts reach: the newest events may "
                        "not have been watched until their label maturity, and count as if they had. Test as of "
                        "2024-01-01, or load newer facts."] * warned  # fmt: skip


def said(
    rare: dict[int, int] | None = None, gap: int = 0, ones_from: int = 0, *, make: Any = a_spec, **of: Any
) -> list[tuple[str, str]]:
    """What is said of four years with ten rows a day: the events of a day by year, and a year without any rows."""
    spec = make(**{"windows": WINDOWS, "schedule": "@monthly", "start_date": "2020-06-01", **EVENTS, **of})
    days = {
        day: DayCount(10, 0, 1, (rare or {}).get(day.year, 4)) if day.year >= ones_from else DayCount(10, 0, 0, 0)
        for day in (BEGIN + timedelta(days=n) for n in range((END - BEGIN).days))
        if day.year != gap
    }
    known = Known("small", None, days=days, read=spec)
    known.found = AsOfDates(date(2020, 3, 21), date(2024, 2, 20), None, date(2024, 2, 1))
    return [(s.outcome, s.explanation) for s in check_schedule(known)]


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(as_of_range, "today_utc", lambda: date(2024, 2, 1))


def test_a_schedule_of_which_each_tick_leaves_enough_is_counted() -> None:
    every = "45 of 45 ticks of the schedule (first 2020-06-01, last 2024-02-01): each has enough rows to train on and to judge by."
    assert said() == [("ok", every)]
    assert said(make=a_regression) == [("ok", every)], "rows of a regression are informative without events"
    assert said(schedule=None) == [("ok", "There is none: runs are asked for, or follow assets.")]
    assert said(start_date="2024-02-02")[0][1].startswith("It has no tick yet between start_date and the last")


def test_a_start_date_that_a_longer_maturity_left_too_early_comes_with_the_date_to_write() -> None:
    """`check` said only that the runs before it would fail."""
    assert said(start_date="2020-01-15") == [
        (
            "warning",
            "start_date 2020-01-15 is before 2020-03-21, the first date with enough rows that are older than "
            "windows.label_maturity (1 month) and windows.holdout (1 month): 2 of 49 ticks of the schedule (first "
            "2020-02-01, last 2020-03-01) would fail. Write start_date: 2020-04-01.",
        )
    ]


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (
            {"rare": {2020: 1}},
            "At 9 of 45 ticks of the schedule (first 2020-06-01, last 2021-02-01) the holdout has fewer than 50 rows of the "
            "rarer class (judgement.minimum_events): no challenger could win. Write start_date: 2021-03-01, "
            "or make windows.holdout longer.",
        ),
        (
            {"rare": {2021: 10}},
            "At 12 of 45 ticks of the schedule (first 2021-03-01, last 2022-02-01) the holdout has fewer than 50 rows of the "
            "rarer class (judgement.minimum_events): no challenger could win. Make windows.holdout longer.",
        ),
        (
            {"gap": 2021},
            "13 of 45 ticks of the schedule (first 2021-03-01, last 2022-03-01) would fail: there is too little to train on or "
            "to judge by. Look for a gap in the rows.",
        ),
        (
            {"ones_from": 2021},
            "2 of 45 ticks of the schedule (first 2021-04-01, last 2021-05-01) would fail: a fold of the search "
            "(training.search.folds) has one class only, or there are too few days for the folds. Use fewer folds, or make "
            "windows.train longer.",
        ),
    ],
    ids=["the first ticks", "ticks in the middle", "a gap", "folds"],
)
def test_ticks_that_fall_short_are_counted_and_the_first_and_last_named(world: dict[str, Any], expected: str) -> None:
    """One holdout was looked at, the last: the runs of all others could fail or be won by nobody."""
    found = said(**world)
    assert ("warning", expected) in found, found
    assert "ok" not in {outcome for outcome, _ in found}


@pytest.mark.parametrize(
    ("first", "last", "newest", "said"),
    [
        (
            "2020-03-21",
            "2024-02-20",
            "2023-12-31",
            "decisions as of up to 2023-12-01: later ones have no rows with a final",
        ),
        (
            "2020-03-21",
            "2024-02-20",
            "2024-02-19",
            "decisions as of up to 2024-01-01: later ones have no rows with a final",
        ),
        (
            "2020-03-21",
            "2024-02-02",
            "2024-02-01",
            "decisions as of up to 2024-01-01: later ones have no rows with a final",
        ),
        (
            "2020-03-21",
            "2024-02-01",
            "2024-02-01",
            "decisions as of up to 2023-12-01: later ones have no rows with a final",
        ),
        ("2024-01-10", "2024-02-02", "2024-02-01", "none yet: outcomes after 2024-01-10 are not final"),
    ],
)
def test_the_last_decision_that_a_backtest_can_compare_is_named(first: str, last: str, newest: str, said: str) -> None:
    """Only a backtest told, after all dates had been run."""
    dates = [date.fromisoformat(day) for day in (first, last)]
    found = AsOfDates(dates[0], dates[1], None, dates[1])
    spec = a_spec(windows=WINDOWS, schedule="@monthly")
    assert said in last_compared(spec, found, date.fromisoformat(newest))


@pytest.mark.parametrize(
    ("rare", "least", "said"),
    [
        (
            0,
            20,
            "At 44 of 44 ticks of the schedule (first 2020-04-01, last 2023-11-01) fewer than 20 rows of the rarer",
        ),
        (0, 5, "At 44 of 44 ticks"),
        (1, 20, ""),
        (1, 31, ""),
        (1, 32, "At 44 of 44 ticks of the schedule (first 2020-04-01, last 2023-11-01) fewer than 32"),
    ],
    ids=["none", "fewer than five", "enough", "too few in the shorter months only", "too few in each"],
)
def test_months_too_thin_to_be_compared_are_named_before_they_are_run(rare: int, least: int, said: str) -> None:
    """A book of 40 loans a month was `ready`, and after years of runs the backtest had no answer."""
    spec = a_spec(windows=WINDOWS, schedule="@monthly", judgement__minimum_new_events=least, start_date="2020-01-01")
    found = AsOfDates(date(2020, 3, 21), date(2024, 1, 1), None, date(2024, 1, 1))
    days = {BEGIN + timedelta(days=n): DayCount(10, 0, 1, rare) for n in range((END - BEGIN).days)}
    assert few_to_compare(spec, found, days)[: len(said)] == said
    assert bool(few_to_compare(spec, found, days)) is bool(said)
    unscheduled = a_spec(windows=WINDOWS, schedule=None, judgement__minimum_new_events=least)
    assert few_to_compare(unscheduled, found, days) == ""


def test_one_start_date_mends_all_that_a_later_one_can() -> None:
    """The first warning named a date that the second one refused."""
    early, few, *_ = (explanation for _, explanation in said({2020: 1}, start_date="2020-01-15"))
    assert early.endswith("would fail. Write start_date: 2021-03-01.")
    assert few.endswith("Write start_date: 2021-03-01, or make windows.holdout longer.")
    assert said({2020: 1}, start_date="2021-03-01")[0][0] == "ok"
