"""The first and the last as-of date that leave enough: each works, and no earlier or later one does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.factories import a_regression, a_spec
from titleholder.data import enough_rows
from titleholder.spec import as_of_dates, windows
from titleholder.spec.as_of_dates import AsOfDates, DayCount, find
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import intervals, midnight
from titleholder.validation.evidence import informative

BEGIN, LATEST = date(2020, 1, 1), date(2024, 1, 1)
BOTH = DayCount(1, 0, 1, 1)
FIRST = {BEGIN + timedelta(days=n): BOTH for n in range(800)}
"""One row a day, which counts as one of each class."""

Known = Callable[[date], dict[date, DayCount]]


def spec_with(maturity: str, holdout: str, train: str, **more: Any) -> ModelSpec:
    return a_spec(windows={"label_maturity": maturity, "holdout": holdout, "train": train}, **more)


def asked(known: Known, spec: ModelSpec, latest: date, about: date = BEGIN) -> tuple[AsOfDates | None, list[date]]:
    """What was found, and the days for which counts were asked."""
    days: list[date] = []

    def counts(day: date) -> dict[date, DayCount]:
        days.append(day)
        return known(day)

    return find(spec, counts, about, latest), days


def enough(known: Known, spec: ModelSpec, day: date) -> bool:
    spans, there = intervals(spec, day), known(day)
    inside = {d: n for d, n in there.items() if spans.train_start <= d < spans.holdout_start}
    after = [d for d in there if spans.holdout_start <= d < spans.matured]
    return sum(n.rows for n in inside.values()) >= spec.training.minimum_rows and len(after) >= 2


def by_hand(known: Known, spec: ModelSpec, latest: date) -> tuple[date, date] | None:
    """The first and the last, day by day."""
    days = [d for n in range((latest - BEGIN).days + 1) if enough(known, spec, d := BEGIN + timedelta(days=n))]
    return (days[0], days[-1]) if days else None


def known_with_delay(delay: int) -> Known:
    return lambda day: {d: n for d, n in FIRST.items() if d + timedelta(days=delay) <= day}


def loaded_on(loaded: date) -> Known:
    """History that came all at once."""
    return lambda day: FIRST if day >= loaded else {}


@pytest.mark.parametrize("train", ["12 months", "2 months", "all"])
@pytest.mark.parametrize(
    "known", [known_with_delay(0), known_with_delay(45), loaded_on(date(2020, 10, 6)), loaded_on(date(2021, 12, 31))]
)
def test_the_first_and_last_dates_are_those_by_hand(known: Known, train: str) -> None:
    spec = spec_with("1 month", "1 month", train)
    found, days = asked(known, spec, LATEST)
    assert found is not None
    assert (found.first, found.last) == by_hand(known, spec, LATEST)
    assert found.last < date(2022, 5, 12), "the holdout must have rows"
    assert len(days) < 40, "each day that is asked for is a query"


def test_no_date_works_where_what_there_is_came_too_late() -> None:
    spec = spec_with("1 month", "1 month", "2 months")
    assert asked(loaded_on(date(2023, 6, 1)), spec, LATEST)[0] is None
    assert asked(loaded_on(BEGIN), spec, date(2020, 1, 31))[0] is None
    assert asked(lambda _: {}, spec, LATEST) == (None, [LATEST])


def test_no_date_works_where_outcomes_arrive_after_the_holdout() -> None:
    spec = spec_with("1 month", "1 month", "2 months")
    assert asked(known_with_delay(75), spec, LATEST)[0] is None


def test_a_default_date_long_ago_is_no_row_to_train_on() -> None:
    """1900-01-01 is what many tables have for nothing."""
    spec = spec_with("1 month", "1 month", "12 months")
    rows = {date(1900, 1, 1): DayCount(19, 0, 1, 9), **FIRST}
    found, _ = asked(lambda _: rows, spec, LATEST)
    assert found is not None
    assert (found.first, found.last) == by_hand(lambda _: FIRST, spec, LATEST)


@pytest.mark.parametrize("holdout", ["1 month", "3 months"])
def test_the_last_date_with_a_whole_holdout_is_named_too(holdout: str) -> None:
    """The very last leaves two rows to judge by."""
    spec = spec_with("1 month", holdout, "12 months")
    found, days = asked(known_with_delay(0), spec, LATEST)
    assert found is not None
    assert intervals(spec, found.whole).matured == max(FIRST) + timedelta(days=1)
    assert found.whole < found.last
    assert len(days) < 40
    until_then, _ = asked(known_with_delay(0), spec, found.whole)
    assert until_then is not None
    assert until_then.last == until_then.whole == found.whole


def test_where_no_whole_holdout_is_enough_the_last_date_stands_for_it() -> None:
    """All came on the last day that is enough for the windows."""
    spec = spec_with("1 month", "1 month", "12 months")
    found, _ = asked(loaded_on(date(2022, 5, 1)), spec, LATEST)
    assert found is not None
    assert found.whole == found.last == date(2022, 5, 9)


def test_no_date_after_the_end_of_the_data_is_offered() -> None:
    """Unless every event had matured by then."""
    spec = spec_with("1 month", "1 month", "12 months")
    matured = max(FIRST) + timedelta(days=1) + spec.windows.label_maturity
    for ended, late in ((date(2021, 6, 1), False), (matured, True)):
        found = find(spec, lambda _: FIRST, BEGIN, LATEST, ended)
        assert found is not None
        assert (found.last > ended) is late
        assert found.whole == min(ended, matured)


def test_in_a_gap_the_last_date_before_it_is_named_too() -> None:
    spec = spec_with("1 month", "1 month", "2 months")
    gap = {d: n for d, n in FIRST.items() if not date(2020, 9, 1) <= d < date(2021, 6, 1)}
    found, _ = asked(lambda _: gap, spec, LATEST, date(2021, 3, 1))
    assert found is not None
    assert found.before is not None
    assert found.first < found.before < date(2021, 3, 1) < found.last
    assert enough(lambda _: gap, spec, found.before)
    assert not enough(lambda _: gap, spec, found.before + timedelta(days=1))


def test_a_date_outside_the_range_needs_no_other_before_it() -> None:
    spec = spec_with("1 month", "1 month", "2 months")
    for about in (BEGIN, date(2023, 12, 1)):
        found, _ = asked(lambda _: FIRST, spec, LATEST, about)
        assert found is not None
        assert found.before is None


def a_frame(rng: np.random.Generator, spec: ModelSpec) -> pd.DataFrame:
    """Rows over a year and a half in random bursts; the outcomes are rare, and some are corrected after months."""
    n = int(rng.integers(150, 400))
    time = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(rng.choice(rng.integers(0, 540, 60), n), unit="D")
    late = pd.to_timedelta(rng.integers(30, 200, n), unit="D")
    outcome = (rng.random(n) < 0.08).astype(float)
    return pd.DataFrame({spec.columns.event_time: time, "corrected_at": time + late, spec.columns.target: outcome})


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_the_contract_finds_enough_at_each_date_that_is_named(seed: int, regression: bool) -> None:
    """An outcome is 0 until it is corrected: the classes of a window depend on the day from which one looks."""
    make = a_regression if regression else a_spec
    spec = make(
        windows={"label_maturity": "1 month", "holdout": "1 month", "train": "4 months"}, training__minimum_rows=30
    )
    time, target = spec.columns.event_time, spec.columns.target
    frame = a_frame(np.random.default_rng(seed), spec)

    def as_known(day: date) -> pd.DataFrame:
        seen = frame[frame[time] < midnight(day)]
        return seen.assign(**{target: seen[target].where(seen["corrected_at"] <= midnight(day), 0.0)})

    def counts(day: date) -> dict[date, DayCount]:
        grouped = as_known(day).groupby(frame[time].dt.date)[target]
        return {d: DayCount(len(g), g.min(), g.max(), int((g == 1).sum())) for d, g in grouped}

    def fulfilled(day: date) -> bool:
        spans = intervals(spec, day)
        rows = as_known(day)
        inside = rows[(rows[time] >= midnight(spans.train_start)) & (rows[time] < midnight(spans.matured))]
        return not enough_rows.too_little(inside, spec, spans)

    found = find(spec, counts, date(2020, 12, 1), LATEST)
    if found is None:
        return
    assert found.first <= found.last
    for day in filter(None, found):
        assert fulfilled(day), day


def grouped(frame: pd.DataFrame, spec: ModelSpec) -> dict[date, DayCount]:
    outcomes = frame.groupby(frame[spec.columns.event_time].dt.date)[spec.columns.target]
    return {d: DayCount(len(y), y.min(), y.max(), int((y == 1).sum())) for d, y in outcomes}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_ticks_that_fall_short_are_those_of_which_the_rows_themselves_say_so(seed: int, regression: bool) -> None:
    """One holdout was looked at; the runs of all others could fail or be won by nobody."""
    spec = (a_regression if regression else a_spec)(
        windows={"label_maturity": "1 month", "holdout": "1 month", "train": "4 months"},
        training__minimum_rows=30,
        judgement__minimum_events=4,
    )
    frame = a_frame(np.random.default_rng(seed), spec)
    counts = grouped(frame, spec)
    time, ticks = frame[spec.columns.event_time], windows.ticks("@weekly", date(2020, 3, 1), date(2021, 9, 1))
    refused, to_judge_by, to_train_on, undivided = [], [], [], []
    for day in ticks:
        spans = intervals(spec, day)
        inside = frame[(time >= midnight(spans.train_start)) & (time < midnight(spans.matured))]
        enough_there = as_of_dates.leaves_enough(spec, lambda _: counts, day)
        little = enough_rows.too_little(inside, spec, spans)
        assert enough_there <= (not little)
        if not enough_there:
            refused.append(day)
            undivided += [] if little else [day]
            continue
        held = inside[spec.columns.event_time] >= midnight(spans.holdout_start)
        for short, rows in ((to_judge_by, inside[held]), (to_train_on, inside[~held])):
            if informative(spec, rows[spec.columns.target].to_numpy()) < 4:
                short.append(day)
    found = as_of_dates.shortfalls(spec, counts, ticks)
    assert found == as_of_dates.Shortfalls(tuple(refused), tuple(to_judge_by), tuple(to_train_on), tuple(undivided))


def test_of_dates_asked_for_those_are_left_out_that_were_too_early_or_came_after_the_end() -> None:
    spec = spec_with("1 month", "1 month", "2 months")
    dates = windows.ticks("@monthly", date(2020, 2, 1), date(2022, 8, 1))
    calls: list[date] = []

    def counts(day: date) -> dict[date, DayCount]:
        calls.append(day)
        return loaded_on(date(2020, 10, 6))(day)

    found = sorted(as_of_dates.enough_of(spec, counts, dates, LATEST))
    assert (found[0], found[-1]) == (date(2020, 11, 1), date(2022, 5, 1))
    assert found == windows.ticks("@monthly", found[0], found[-1])
    assert len(calls) < 9, "each call is a query"
    assert as_of_dates.enough_of(spec, lambda _: {}, dates, LATEST) == frozenset()
    watched = as_of_dates.enough_of(spec, counts, dates, LATEST, date(2021, 6, 15))
    assert max(watched) == date(2021, 6, 1), "within the pause that is usual"
    assert max(as_of_dates.enough_of(spec, counts, dates, LATEST, date(2022, 4, 30))) == date(2022, 5, 1), "all matured"
