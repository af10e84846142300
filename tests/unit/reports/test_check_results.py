"""Results of the checks, grouped by outcome."""

from __future__ import annotations

from support.factories import result
from titleholder.reports.check_results import result_counts, result_groups


def test_checks_are_grouped_by_outcome_in_the_order_of_concern() -> None:
    results = (
        result("TH101"),
        result("TH102", "not_applicable"),
        result("TH103", "fail", "warn"),
        result("TH104", "fail"),
        result("TH105", "pass", "warn"),
        result("TH106", "fail", "warn"),
        result("TH107", "beyond"),
    )
    assert [(t.word, [r.code for r in t.results]) for t in result_groups(results)] == [
        ("fail", ["TH104"]),
        ("warning", ["TH103", "TH106"]),
        ("beyond", ["TH107"]),
        ("pass", ["TH101", "TH105"]),
        ("not applicable", ["TH102"]),
    ]
    assert (
        result_counts(results) == "1 failed, 2 warnings, 1 beyond a threshold but not shown, 2 passed, 1 not applicable"
    )
    assert result_counts(()) == "none"
