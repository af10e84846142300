"""The checks in the order in which people want to read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from titleholder.formatting import NOTHING
from titleholder.validation.checks.base import Result


class Told(NamedTuple):
    """Checks with the same outcome; `tone` names its looks, `mark` its sign."""

    title: str
    word: str
    mark: str
    tone: str
    results: tuple[Result, ...]


_OUTCOMES = (
    ("Failed, and keeps the challenger from winning", "fail", "✕", "bad"),
    ("Failed, as a warning", "warning", "!", "warn"),
    ("Passed", "pass", "✓", "good"),
    ("Not applicable", "not applicable", NOTHING, "none"),
)


def outcome_of(result: Result) -> str:
    """`fail` where it blocks, `warning` where it does not, `pass` or `not applicable`."""
    if result.status == "fail":
        return "fail" if result.severity == "block" else "warning"
    return "pass" if result.status == "pass" else "not applicable"


def grouped(results: Sequence[Result]) -> list[Told]:
    """All results by outcome, the failed first; groups without any are left out."""
    told = [
        Told(title, word, mark, tone, tuple(r for r in results if outcome_of(r) == word))
        for title, word, mark, tone in _OUTCOMES
    ]
    return [each for each in told if each.results]


def counted(results: Sequence[Result]) -> str:
    """`1 failed, 2 warnings, 17 passed, 3 not applicable`."""
    words = {"fail": "failed", "warning": "warnings", "pass": "passed", "not applicable": "not applicable"}
    found = [(sum(outcome_of(r) == word for r in results), said) for word, said in words.items()]
    return ", ".join(f"{n} {'warning' if (n, said) == (1, 'warnings') else said}" for n, said in found if n) or "none"
