"""The registry of checks: stable codes, one result each, in the order of reading."""

from __future__ import annotations

from factories import evidence

from titleholder import checks


def test_codes_are_stable() -> None:
    """A code is written into every ledger row: it may be added to, never renamed."""
    assert list(checks.CHECKS)[:3] == ["TH101", "TH201", "TH301"]


def test_every_check_answers_under_its_own_code_in_one_sentence() -> None:
    found = checks.run(evidence())
    assert [result.code for result in found] == list(checks.CHECKS)
    assert all(result.title and result.explanation.endswith(".") for result in found)
