"""Which days a run trains on and is judged on, and what its as-of date is."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import assume, given
from hypothesis import strategies as st

from support.factories import a_spec
from titleholder.errors import UsageError
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import (
    BEGINNING,
    intervals,
    last_tick,
    longest_period,
    midnight,
    next_tick,
    remarks,
    resolve_as_of,
    short_history,
    short_holdout,
    undeclared_tables,
    with_rows,
)


def spec_with(maturity: str, holdout: str, train: str) -> ModelSpec:
    return a_spec(windows={"label_maturity": maturity, "holdout": holdout, "train": train})


@pytest.mark.parametrize(
    ("as_of", "maturity", "holdout", "train", "expected"),
    [
        ("2024-07-01", "6 months", "3 months", "12 months", ("2022-10-01", "2023-10-01", "2024-01-01")),
        # a day that the shorter month lacks becomes its last
        ("2023-03-31", "1 month", "1 month", "1 month", ("2022-12-28", "2023-01-28", "2023-02-28")),
        ("2024-03-31", "1 month", "1 month", "1 month", ("2023-12-29", "2024-01-29", "2024-02-29")),
        ("2024-02-29", "1 year", "1 month", "1 year", ("2022-01-28", "2023-01-28", "2023-02-28")),
        ("2024-03-01", "1 day", "1 day", "1 year", ("2023-02-28", "2024-02-28", "2024-02-29")),
        # the months go before the days: 31 May - 1 month = 30 April, - 1 day = 29 April
        ("2024-05-31", "1 month 1 day", "2 weeks", "90 days", ("2024-01-16", "2024-04-15", "2024-04-29")),
        ("2024-07-01", "6 months", "3 months", "all", (str(BEGINNING), "2023-10-01", "2024-01-01")),
    ],
)
def test_windows_by_the_calendar(
    as_of: str, maturity: str, holdout: str, train: str, expected: tuple[str, str, str]
) -> None:
    found = intervals(spec_with(maturity, holdout, train), date.fromisoformat(as_of))
    assert (str(found.train_start), str(found.holdout_start), str(found.matured)) == expected


def test_runs_of_following_months_hold_out_every_day_once() -> None:
    spec = spec_with("6 months", "1 month", "12 months")
    monthly = [intervals(spec, date(2023 + m // 12, m % 12 + 1, 1)) for m in range(24)]
    assert all(a.matured == b.holdout_start for a, b in itertools.pairwise(monthly))


@pytest.mark.parametrize("as_of", [date(1901, 6, 1), date(1, 2, 1)])
@pytest.mark.parametrize("train", ["12 months", "all"])
def test_too_early_says_which_windows_do_not_fit(as_of: date, train: str) -> None:
    with pytest.raises(UsageError) as caught:
        intervals(spec_with("18 months", "3 months", train), as_of)
    for part in (f"small: as_of {as_of} is too early", "1 year 6 months", "3 months", "before 1900-01-01"):
        assert part in str(caught.value)


def test_a_window_longer_than_the_calendar_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="too early"):
        intervals(spec_with("100 years", "100 years", "100 years"), date(200, 7, 1))


units = st.sampled_from(["day", "week", "month", "year"])
durations = st.lists(st.tuples(st.integers(1, 30), units), min_size=1, max_size=3)


def words(parts: list[tuple[int, str]]) -> str:
    return " ".join(f"{n} {unit}s" for n, unit in parts)


def oracle(parts: list[tuple[int, str]]) -> relativedelta:
    """The sum of the parts, by dateutil itself."""
    return sum((relativedelta(**{f"{unit}s": n}) for n, unit in parts), relativedelta())  # type: ignore[arg-type,misc]


@given(
    as_of=st.dates(date(1950, 1, 1), date(2100, 1, 1)),
    maturity=durations,
    holdout=durations,
    train=st.one_of(durations, st.none()),
)
def test_windows_are_ordered_adjacent_and_what_dateutil_says(
    as_of: date, maturity: list[tuple[int, str]], holdout: list[tuple[int, str]], train: list[tuple[int, str]] | None
) -> None:
    matured = as_of - oracle(maturity)
    holdout_start = matured - oracle(holdout)
    train_start = holdout_start - oracle(train) if train else BEGINNING
    assume(train_start >= BEGINNING and train_start < holdout_start)
    found = intervals(spec_with(words(maturity), words(holdout), words(train) if train else "all"), as_of)
    assert (found.train_start, found.holdout_start, found.matured) == (train_start, holdout_start, matured)
    assert found.train_start < found.holdout_start < found.matured < as_of


END = datetime(2024, 3, 1, tzinfo=UTC)
DUE = datetime(2024, 3, 9, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "end", "due", "expected"),
    [
        ("2020-02-29", END, DUE, date(2020, 2, 29)),
        (None, END, DUE, date(2024, 3, 1)),
        ("", END, DUE, date(2024, 3, 1)),
        (None, None, DUE, date(2024, 3, 9)),
        (None, datetime(2024, 2, 29, 23, 30, tzinfo=timezone(timedelta(hours=-5))), None, date(2024, 3, 1)),
        (None, datetime(2024, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))), None, date(2024, 2, 29)),
        (None, datetime(2024, 3, 1, 23, 59, 59, tzinfo=UTC), None, date(2024, 3, 1)),
    ],
)
def test_the_form_comes_before_the_interval_and_the_interval_before_the_due_time(
    form: str | None, end: datetime | None, due: datetime | None, expected: date
) -> None:
    assert resolve_as_of(form, end, due) == expected


@pytest.mark.parametrize("form", ["yesterday", "2024-02-30", "2024-03-01T00:00", "01/03/2024", " "])
def test_a_form_value_that_is_no_date_is_refused_with_the_way_to_write_it(form: str) -> None:
    with pytest.raises(UsageError, match=f"as_of: {form!r} is not a date; write it as YYYY-MM-DD"):
        resolve_as_of(form, END, DUE)


def test_without_any_moment_there_is_no_as_of() -> None:
    with pytest.raises(UsageError, match="as_of: not given"):
        resolve_as_of(None, None, None)


def test_a_day_stands_for_its_first_instant_in_utc() -> None:
    assert midnight(date(2024, 3, 1)).isoformat() == "2024-03-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("train", "first", "said"),
    [
        ("24 months", date(2022, 11, 5), "windows.train is 2 years, the rows begin on 2022-11-05: 10 months are there"),
        ("2 months", date(2023, 8, 25), "windows.train is 2 months, the rows begin on 2023-08-25: 37 days are there"),
        ("24 months", date(2021, 11, 1), ""),  # a month of 24 is less than a tenth
        ("all", date(2022, 11, 5), ""),
    ],
)
def test_a_window_longer_than_the_history_says_so(train: str, first: date, said: str) -> None:
    """Training ends on 2023-10-01."""
    spec = spec_with("6 months", "3 months", train)
    spans = with_rows(intervals(spec, date(2024, 7, 1)), [first, date(2023, 12, 31)])
    assert said in short_history(spec, spans)
    assert bool(said) is bool(short_history(spec, spans))


@pytest.mark.parametrize(
    ("last", "weekdays", "said"),
    [
        (24, range(7), "end on 2024-07-24, the holdout on 2024-07-28: 3 of 7 days are there"),
        (27, range(7), "end on 2024-07-27, the holdout on 2024-07-28: 6 of 7 days are there"),
        (31, range(7), ""),
        (26, range(5), ""),  # a Friday, and there is nothing on Saturdays and Sundays
        (25, range(5), "4 of 7 days"),
    ],
)
def test_a_holdout_of_which_only_a_part_has_rows_says_so(last: int, weekdays: range, said: str) -> None:
    """Such a challenger became the first champion without a word. The holdout is 22 to 28 July, Monday to Sunday."""
    spec = spec_with("1 day", "7 days", "28 days")
    days = [day for n in range(60) if (day := date(2024, 7, last) - timedelta(days=n)).weekday() in weekdays]
    spans = with_rows(intervals(spec, date(2024, 7, 30)), days)
    assert said in short_holdout(spans)
    assert bool(said) is bool(short_holdout(spans))
    assert remarks(spec, spans) == tuple(filter(None, [short_holdout(spans)]))


def test_tables_that_the_spec_does_not_declare_are_named_with_what_to_do() -> None:
    spec = a_spec()
    spans = intervals(spec, date(2024, 7, 1))
    assert undeclared_tables(spec, spans) == ""
    said = undeclared_tables(spec, spans.model_copy(update={"undeclared": ("lender.outcomes", "public.rates")}))
    assert "does not say when the rows of lender.outcomes, public.rates became known" in said
    assert said.endswith("run `titleholder leaktest small`.")


@pytest.mark.parametrize(
    ("schedule", "days"), [("@daily", 1), ("@weekly", 7), ("@monthly", 31), ("0 6 1,15 * *", 17), (None, 31)]
)
def test_a_short_month_does_not_make_the_period_shorter(schedule: str | None, days: int) -> None:
    for day in (date(2023, 2, 1), date(2023, 2, 14), date(2023, 3, 1), date(2023, 4, 1)):
        assert days - 3 <= longest_period(schedule, day).days <= days


@given(st.sampled_from(["@daily", "@weekly", "@monthly", "0 6 * * 1"]), st.dates(date(2000, 1, 1), date(2030, 1, 1)))
def test_the_last_tick_is_no_later_and_none_lies_between(schedule: str, day: date) -> None:
    last = last_tick(schedule, day)
    assert last <= day
    assert next_tick(schedule, last) >= day
    assert last_tick(None, day) == day
