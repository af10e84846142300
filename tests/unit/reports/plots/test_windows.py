"""The time windows of a decision."""

from __future__ import annotations

from datetime import date

import pytest

from support.factories import a_spec, a_verdict
from support.report_cases import facts
from titleholder.reports.plots import windows


def test_windows_are_the_intervals_and_the_judged_rows() -> None:
    found = windows.time_windows(facts(), a_verdict(holdout_start=date(2023, 11, 1)))
    assert [(w.name, w.dates) for w in found] == [
        ("Champion's training", "all before 2023-09-01"),
        ("Challenger's training", "2022-10-01 to before 2023-10-01"),
        ("Judged rows", "2023-11-01 to before 2024-01-01"),
        ("Outcomes mature", "2024-01-01 to before 2024-07-01"),
    ]


def test_a_refit_reaches_to_the_end_of_the_judged_rows() -> None:
    found = windows.time_windows(facts(refitted=True), a_verdict(champion=None))
    assert [(w.name, w.dates) for w in found[:2]] == [
        ("Challenger's training", "2022-10-01 to before 2023-10-01"),
        ("Challenger's refit", "2022-10-01 to before 2024-01-01"),
    ]


def test_training_on_everything_has_no_start() -> None:
    spec = a_spec(windows__train="all")
    found = windows.time_windows(facts(spec), a_verdict(champion=None))
    assert [w.name for w in found] == ["Challenger's training", "Judged rows", "Outcomes mature"]
    assert found[0].dates == "all before 2023-10-01"
    assert windows.windows_picture(facts(spec), a_verdict(champion=None)).svg.startswith(b"<?xml")


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        (date(2024, 6, 1), date(2026, 3, 1), [date(2024, 7, 1), date(2025, 1, 1), date(2025, 7, 1), date(2026, 1, 1)]),
        (date(2026, 1, 15), date(2026, 3, 2), [date(2026, 2, 1), date(2026, 3, 1)]),
        (date(2026, 1, 2), date(2026, 1, 9), []),
    ],
)
def test_a_time_axis_has_a_few_even_marks(start: date, end: date, months: list[date]) -> None:
    assert windows.month_marks(start, end) == months
