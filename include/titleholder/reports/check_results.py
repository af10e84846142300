"""Results of the checks, grouped by outcome, the failed first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from titleholder.formatting import NOTHING
from titleholder.validation.checks.base import Result


class ResultGroup(NamedTuple):
    """Results with the same outcome; `tone` is its CSS class, `mark` its sign.

    >>> result = Result(code="TH401", title="Scores", severity="warn", status="fail", numbers={}, explanation="Drift.")
    >>> [(group.word, group.tone) for group in result_groups([result])]
    [('warning', 'warn')]
    """

    title: str
    word: str
    mark: str
    tone: str
    results: tuple[Result, ...]


_OUTCOMES = (
    ("Failed, and bars an automatic promotion", "fail", "✕", "bad"),
    ("Failed, as a warning", "warning", "!", "warn"),
    ("Beyond a threshold, though a failure is not shown", "beyond", "!", "warn"),
    ("Passed", "pass", "✓", "good"),
    ("Not applicable", "not applicable", NOTHING, "none"),
)


def outcome_of(result: Result) -> str:
    """`fail` if it blocks, `warning` if it does not, `beyond`, `pass` or `not applicable`."""
    if result.status == "fail":
        return "fail" if result.severity == "block" else "warning"
    return result.status.replace("_", " ")


def result_groups(results: Sequence[Result]) -> list[ResultGroup]:
    """All results by outcome, the failed first, then those beyond a threshold; empty groups are left out."""
    groups = [
        ResultGroup(title, word, mark, tone, tuple(r for r in results if outcome_of(r) == word))
        for title, word, mark, tone in _OUTCOMES
    ]
    return [group for group in groups if group.results]


def result_counts(results: Sequence[Result]) -> str:
    """`1 failed, 2 warnings, 17 passed, 3 not applicable`."""
    words = {
        "fail": "failed",
        "warning": "warnings",
        "beyond": "beyond a threshold but not shown",
        "pass": "passed",
        "not applicable": "not applicable",
    }
    counts = [(sum(outcome_of(r) == word for r in results), label) for word, label in words.items()]
    return (
        ", ".join(f"{n} {'warning' if (n, label) == (1, 'warnings') else label}" for n, label in counts if n) or "none"
    )
