"""What `titleholder check` prints of its findings."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from typer.testing import CliRunner

from titleholder.cli.main import app
from titleholder.workflow.preflight import run
from titleholder.workflow.preflight.report import Finding, Preflight

WAITS = "Not before `query` passes."


def printed(monkeypatch: pytest.MonkeyPatch, *findings: dict[str, Any]) -> list[str]:
    report = Preflight(model="small", as_of=date(2026, 3, 1), findings=[Finding(**each) for each in findings])
    monkeypatch.setattr(run, "check", lambda *_, **__: report)
    monkeypatch.setenv("COLUMNS", "100")
    return CliRunner().invoke(app, ["check", "small"]).stdout.splitlines()


def test_the_state_comes_first_and_the_next_step_last(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, {"step": "spec", "outcome": "ok", "explanation": "Fine."})
    assert lines[0] == "small as of 2026-03-01: ready."
    assert lines[-1] == "Next: titleholder run small --as-of 2026-03-01"


def test_what_was_not_tested_for_the_same_reason_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """One mistyped column was followed by seven lines, each with another step that could not give what it needs."""
    skipped = [{"step": step, "outcome": "not tested", "explanation": WAITS} for step in ("as-of dates", "leaks")]
    lines = printed(
        monkeypatch, {"step": "query", "outcome": "fault", "explanation": "No column x.", "exit_code": 1}, *skipped
    )
    assert lines[0] == "small as of 2026-03-01: 1 fault, 2 not tested."
    (line,) = (line for line in lines if WAITS in line)
    assert line.strip() == f"not tested  as-of dates, leaks: {WAITS}"
