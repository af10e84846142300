"""The exit code of `titleholder check`."""

from __future__ import annotations

import pytest

from titleholder.workflow.preflight.report import Finding, Outcome, Preflight


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([("ok", 0), ("warning", 0)], 0),
        ([("ok", 0), ("not tested", 0)], 4),
        ([("not tested", 0), ("fault", 1), ("fault", 2)], 1),
        ([], 0),
    ],
)
def test_the_exit_code_is_the_first_faults(found: list[tuple[Outcome, int]], code: int) -> None:
    findings = tuple(Finding(step="s", outcome=o, explanation="", exit_code=n) for o, n in found)
    assert Preflight(model="small", as_of=None, findings=findings).exit_code == code
