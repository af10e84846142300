"""A backtest in a terminal: its periods are those of the schedule."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console, RenderableType

from support.backtest_cases import a_backtest
from support.factories import a_regression, a_spec
from titleholder.cli.backtest_tables import period_table, what_if_table


def printed(table: RenderableType) -> str:
    console = Console(width=160, record=True, file=StringIO())
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize(
    ("schedule", "plural", "changed"), [("@daily", "days", "2024-02-01"), ("@monthly", "months", "2024-02 ")]
)
def test_thresholds_name_the_periods_of_the_schedule(schedule: str, plural: str, changed: str) -> None:
    found = printed(what_if_table(a_backtest(a_spec(schedule=schedule)), 160))
    assert f"of {plural}" in found
    assert changed in found


def test_a_regression_has_no_events() -> None:
    assert "events" in printed(period_table(a_backtest(), 160))
    found = printed(period_table(a_backtest(a_regression(judgement__resamples=100)), 160))
    assert "events" not in found
    assert "mean of 3" in found
