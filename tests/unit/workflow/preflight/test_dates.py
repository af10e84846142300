"""What `titleholder check` says of a schedule's as-of dates."""

from __future__ import annotations

from datetime import date

import pytest

from support.factories import a_spec
from titleholder.workflow.preflight.dates import schedule_goes_on


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
