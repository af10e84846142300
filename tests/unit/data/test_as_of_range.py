"""As-of dates that are refused, and what the refusal says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from support.factories import AS_OF, a_spec, rows, spans_of
from titleholder.data import as_of_range, data_end
from titleholder.data.data_end import TableEnd
from titleholder.errors import ContractError, UsageError
from titleholder.spec import as_of_dates, windows
from titleholder.spec.as_of_dates import AsOfDates, DayCount

NOWHERE = "postgresql://reader@127.0.0.1:1/warehouse"
SPEC, TODAY = a_spec(), date(2026, 3, 1)


def enforce(frame: pd.DataFrame) -> None:
    as_of_range.enforce_contract(NOWHERE, SPEC, frame, spans_of(SPEC), AS_OF)


def test_a_valid_date_and_valid_rows_need_no_warehouse() -> None:
    assert as_of_range.intervals(NOWHERE, SPEC, AS_OF) == windows.intervals(SPEC, AS_OF)
    enforce(rows())


def test_the_future_is_refused() -> None:
    today = datetime.now(UTC).date()
    assert as_of_range.intervals(NOWHERE, SPEC, today).matured < today
    with pytest.raises(UsageError, match=rf"lies in the future \(today is {today}\)$"):
        as_of_range.intervals(NOWHERE, SPEC, today + timedelta(days=1))


def test_a_refusal_stands_where_the_warehouse_cannot_be_queried(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UsageError, match=r"as_of 1900-06-01 is too early.*before 1900-01-01$"):
        as_of_range.intervals(NOWHERE, SPEC, date(1900, 6, 1))
    with pytest.raises(ContractError, match=r"breaks its contract \(1 violation\).*\n  - too few rows"):
        enforce(few_rows())
    assert "the as_of dates that leave enough rows are not known" in caplog.text


def few_rows() -> pd.DataFrame:
    """Too few to train on, and enough to judge by."""
    return pd.concat([rows().head(19), rows().tail(20)], ignore_index=True)


@pytest.mark.parametrize(
    ("frame", "found", "expected"),
    [
        (
            few_rows(),
            AsOfDates(date(2025, 1, 1), date(2025, 9, 1), None, date(2025, 9, 1)),
            "^small: as_of 2024-07-01 leaves too few rows to train on: 19 in .*; "
            "the first as_of with enough rows is 2025-01-01, the last is 2025-09-01$",
        ),
        (
            rows().head(19),
            AsOfDates(date(2024, 1, 1), date(2025, 9, 1), date(2024, 4, 1), date(2025, 7, 1)),
            r"to train on: 19 in .* \(training.minimum_rows\), and too few rows to judge by: 0 in .*; "
            "the first as_of with enough rows is 2024-01-01, the last before 2024-07-01 is 2024-04-01, "
            "the last with a whole holdout is 2025-07-01, and the last is 2025-09-01$",
        ),
        (
            rows().head(96),
            AsOfDates(date(2024, 1, 1), TODAY, None, TODAY),
            "leaves too few rows to judge by: 0 in .*, the last is today, 2026-03-01$",
        ),
        (rows().head(96), None, "leaves too few rows to judge by: 0 in .*; no as_of up to today has enough rows$"),
        (
            few_rows().assign(bad=2),
            AsOfDates(date(2025, 1, 1), date(2025, 9, 1), None, date(2025, 9, 1)),
            r"(?s)\(4 violations\).*too few.*\nThe first as_of .* is 2025-01-01, the last is 2025-09-01\.$",
        ),
    ],
    ids=["too early", "in a gap", "until today", "none", "something else is wrong"],
)
def test_too_little_is_refused_with_the_dates_that_leave_enough(
    monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame, found: AsOfDates | None, expected: str
) -> None:
    monkeypatch.setattr(as_of_dates, "find", lambda *_: found)
    monkeypatch.setattr(as_of_range, "today_utc", lambda: TODAY)
    error = ContractError if "violations" in expected else UsageError
    with pytest.raises(error, match=expected):
        enforce(frame)


def test_events_that_nobody_watched_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has no fact of the last months, so that everything newer looked as if it had ended well."""
    end = TableEnd("loans", date(2024, 5, 1), timedelta(days=31))
    found = AsOfDates(date(2024, 1, 1), date(2024, 5, 2), None, date(2024, 5, 2))
    monkeypatch.setattr(data_end, "newest_facts", lambda *_: [end])
    monkeypatch.setattr(as_of_dates, "find", lambda *_: found)
    with pytest.raises(UsageError) as error:
        enforce(rows())
    assert "as_of 2024-07-01 is after the end of the data: the facts of loans end on 2024-05-01, and " in str(
        error.value
    )
    assert "so their outcomes are not final; the first as_of with enough rows is 2024-01-01" in str(error.value)
    assert str(error.value).endswith("declare source.tables.loans.longest_gap.")
    monkeypatch.setattr(data_end, "newest_facts", lambda *_: [end._replace(usual=timedelta(days=365))])
    enforce(rows())


def test_other_violations_do_not_search_for_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("no search is needed")

    monkeypatch.setattr(as_of_dates, "find", refuse)
    with pytest.raises(ContractError, match=r"\(1 violation\)"):
        enforce(rows().assign(bad=[2, *rows()["bad"][1:]]))


@pytest.mark.parametrize(
    ("first", "last", "watched", "said"),
    [
        ("2020-11-01", "2022-05-01", None, ""),
        (
            "2020-09-01",
            "2022-07-01",
            None,
            r"4 of 23 as-of dates \(first 2020-09-01, last 2022-07-01\) have too few rows, or lie",
        ),
        (
            "2020-11-01",
            "2022-05-01",
            date(2022, 3, 15),
            r"2 of 19 as-of dates \(first 2022-04-01, last 2022-05-01\) have too few",
        ),
        ("2022-08-01", "2022-09-01", None, "no other is left. Nothing was run; the first as_of with enough rows is"),
    ],
)
def test_a_series_of_dates_is_refused_before_any_is_run_with_those_that_can_be(
    monkeypatch: pytest.MonkeyPatch, first: str, last: str, watched: date | None, said: str
) -> None:
    """All dates before the first that leaves too little were run, and then the command ended with an error."""
    spec = a_spec(windows={"label_maturity": "1 month", "holdout": "1 month", "train": "2 months"})
    days = {date(2020, 1, 1) + timedelta(days=n): DayCount(2, 0, 1, 1) for n in range(800)}
    ends = [TableEnd("loans", watched - timedelta(days=31), timedelta(days=30))] if watched else []
    monkeypatch.setattr(data_end, "newest_facts", lambda *_: ends)
    monkeypatch.setattr(as_of_range, "counts_by_day", lambda _, __, day: days if day >= date(2020, 10, 6) else {})
    monkeypatch.setattr(as_of_range, "today_utc", lambda: TODAY)
    dates = windows.ticks("@monthly", date.fromisoformat(first), date.fromisoformat(last))
    if not said:
        as_of_range.refuse_undecidable(NOWHERE, spec, dates)
        return
    with pytest.raises(UsageError, match=said) as error:
        as_of_range.refuse_undecidable(NOWHERE, spec, dates)
    if watched:
        assert "the others are `--as-of 2020-11-01 --until 2022-03-01`. Nothing was run; the first" in str(error.value)
    elif "23" in said:
        assert "the others are `--as-of 2020-11-01 --until 2022-05-01`. Nothing was run; the first" in str(error.value)


def test_a_series_is_not_refused_where_nobody_can_say(caplog: pytest.LogCaptureFixture) -> None:
    as_of_range.refuse_undecidable(NOWHERE, SPEC, [date(2024, 1, 1), date(2024, 2, 1)])
    assert "it is not known whether each as_of date has enough rows" in caplog.text
