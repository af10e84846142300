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
    ("start", "end", "labels"),
    [
        (date(2024, 6, 1), date(2026, 3, 1), ["2024-07", "2025-01", "2025-07", "2026-01"]),
        (date(2010, 1, 1), date(2019, 6, 1), ["2010-01", "2012-01", "2014-01", "2016-01", "2018-01"]),
        (date(2026, 1, 15), date(2026, 3, 2), ["2026-01-15", "2026-01-29", "2026-02-12", "2026-02-26"]),
        (date(2026, 1, 2), date(2026, 1, 11), [f"2026-01-{day:02}" for day in (2, 4, 6, 8, 10)]),
        (date(2026, 1, 5), date(2026, 3, 16), []),
    ],
    ids=["monthly", "yearly", "weeks", "ten days", "ten weeks"],
)
def test_a_time_axis_has_a_few_even_marks_that_are_told_apart(start: date, end: date, labels: list[str]) -> None:
    marks = windows.time_marks(start, end)
    found = list(marks.values())
    assert 3 <= len(found) == len(set(found)) <= 6
    assert all(start <= day <= end for day in marks)
    assert not labels or found == labels
