"""When a table's facts are said to have ended, and which events nobody watched until they matured."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from support.factories import AS_OF, a_spec, rows
from titleholder.data.data_end import TableDays, TableEnd, ended, judged, unwatched

MONTH = timedelta(days=31)
SPEC = a_spec()


def a_table(newest: date | None, usual: timedelta = MONTH, name: str = "loans") -> TableEnd:
    return TableEnd(name, newest, usual)


def test_a_month_in_the_middle_of_the_data_is_not_affected() -> None:
    assert unwatched(rows(), SPEC, [a_table(AS_OF - timedelta(days=1))]) == ""
    assert unwatched(rows(), SPEC, [a_table(AS_OF - timedelta(days=32))]) == "", "a period without a fact is usual"
    assert unwatched(rows(), SPEC, []) == "", "nothing is declared"


@pytest.mark.parametrize("days", [1, 40, 200])
def test_each_event_whose_maturity_lies_after_the_end_is_counted(days: int) -> None:
    """Against one event after another."""
    frame, maturity = rows(), SPEC.windows.label_maturity
    newest = (
        frame[SPEC.columns.event_time].max() + pd.DateOffset(months=maturity.months, years=maturity.years)
    ).date() - MONTH
    newest -= timedelta(days=days)
    last = pd.Timestamp(newest + timedelta(days=1) + MONTH, tz="UTC")
    late = sum(
        at + pd.DateOffset(months=maturity.months, years=maturity.years, days=maturity.days) > last
        for at in frame[SPEC.columns.event_time]
    )
    said = unwatched(frame, SPEC, [a_table(AS_OF), a_table(newest, name="outcomes")])
    assert late
    assert f"the facts of outcomes end on {newest}, and {late:,} event" in said


def test_a_table_with_few_facts_is_judged_only_where_all_have_few() -> None:
    daily, rare = TableDays(a_table(AS_OF), None), TableDays(a_table(date(2020, 1, 1), name="regions"), 3)
    assert [end.usual for end in judged([daily, rare])] == [MONTH, None]
    older = TableDays(a_table(date(2019, 1, 1), name="rates"), 1)
    assert [end.usual for end in judged([older, rare])] == [None, MONTH]
    often = TableDays(a_table(date(2020, 1, 1)), 20)
    assert [end.usual for end in judged([daily, often])] == [MONTH, MONTH], "its own facts ended"


def test_a_table_without_facts_is_never_the_end() -> None:
    empty = a_table(None)
    assert (empty.ended, empty.watched_until, unwatched(rows(), SPEC, [empty])) == (None, None, "")
    assert ended([empty, a_table(date(2024, 1, 1))], date(2024, 3, 1)) == date(2024, 1, 2)
    assert ended([empty, a_table(date(2024, 1, 1))], date(2024, 2, 1)) is None
