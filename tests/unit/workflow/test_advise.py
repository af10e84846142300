"""When enough outcomes will be final for an advice."""

from __future__ import annotations

from datetime import date

import pytest

from support.ageing_cases import cells, results
from support.factories import a_spec
from titleholder.workflow.advise import earliest
from titleholder.workflow.backtest.policies import IMMATURE, PeriodResult

TODAY = date(2020, 8, 1)


def lane(periods: int, immature: int) -> list[PeriodResult]:
    """Monthly periods from January 2020 on, the last ones without final outcomes."""
    found = results(cells(periods, 0.001))
    late = [m.model_copy(update={"estimates": {}, "why": IMMATURE}) for m in found[periods - immature :]]
    return [*found[: periods - immature], *late]


@pytest.mark.parametrize(
    ("immature", "more", "day"),
    [
        (3, 1, date(2020, 12, 1)),
        (3, 3, date(2021, 2, 1)),
        (3, 5, date(2021, 4, 1)),
        (0, 2, date(2021, 4, 1)),
        (3, 0, None),
    ],
)
def test_it_is_the_label_maturity_after_the_last_period_that_is_missing(immature: int, more: int, day: object) -> None:
    """Seven months of decisions until July; those of May to July have not matured; then the schedule goes on."""
    assert earliest(lane(7, immature), more, a_spec(), TODAY) == day


def test_without_a_schedule_only_decisions_that_were_made_are_waited_for() -> None:
    assert earliest(lane(7, 3), 3, a_spec(schedule=None), TODAY) == date(2021, 2, 1)
    assert earliest(lane(7, 3), 4, a_spec(schedule=None), TODAY) is None


def test_a_day_that_is_past_is_no_answer() -> None:
    """The data ended: the rows that are missing will not come."""
    assert earliest(lane(7, 0), 2, a_spec(), date(2022, 1, 1)) is None
