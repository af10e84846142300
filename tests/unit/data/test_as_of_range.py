"""As-of dates that are refused, and what the refusal says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from support.factories import AS_OF, a_spec, rows, spans_of
from titleholder.data import as_of_range
from titleholder.errors import ContractError, UsageError
from titleholder.spec import windows

NOWHERE = "postgresql://reader@127.0.0.1:1/warehouse"
SPEC = a_spec()


def enforce(frame: pd.DataFrame) -> None:
    as_of_range.enforce_contract(NOWHERE, SPEC, frame, spans_of(SPEC), AS_OF)


def test_a_valid_date_and_valid_rows_need_no_warehouse() -> None:
    assert as_of_range.intervals(NOWHERE, SPEC, AS_OF) == windows.intervals(SPEC, AS_OF)
    enforce(rows())


def test_the_future_is_refused_with_the_latest_valid_date() -> None:
    today = datetime.now(UTC).date()
    assert as_of_range.intervals(NOWHERE, SPEC, today).matured < today
    with pytest.raises(UsageError, match=f"lies in the future; the latest valid date is today, {today}"):
        as_of_range.intervals(NOWHERE, SPEC, today + timedelta(days=1))


def test_a_refusal_stands_where_the_warehouse_cannot_be_queried(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UsageError, match=r"as_of 1900-06-01 is too early.*before 1900-01-01$"):
        as_of_range.intervals(NOWHERE, SPEC, date(1900, 6, 1))
    with pytest.raises(ContractError, match=r"breaks its contract \(1 violation\).*\n  - too few rows"):
        enforce(rows().head(19))
    assert "the as_of dates that leave enough rows are not known" in caplog.text


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            rows().head(19),
            "^small: as_of 2024-07-01 leaves too few rows to train on: 19 in .*; the first as_of .* is 2025",
        ),
        (rows().head(19).assign(bad=2), r"(?s)\(3 violations\).*too few.*\nThe first as_of .* is 2025-01-01\.$"),
    ],
    ids=["nothing else is wrong", "something else is wrong"],
)
def test_too_few_rows_are_refused_with_the_dates_that_leave_enough(
    monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame, expected: str
) -> None:
    monkeypatch.setattr(windows, "first_as_of", lambda *_: date(2025, 1, 1))
    with pytest.raises(ContractError, match=expected):
        enforce(frame)


def test_other_violations_do_not_search_for_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("no search is needed")

    monkeypatch.setattr(windows, "first_as_of", refuse)
    with pytest.raises(ContractError, match=r"\(1 violation\)"):
        enforce(rows().assign(bad=[2, *rows()["bad"][1:]]))
