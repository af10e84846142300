"""What `titleholder monitor` prints: the state first, the reason second, the numbers third."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from support.page_cases import a_report
from titleholder.cli import monitor
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.validation.monitoring.report import ASSUMPTION, MonitorReport


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int = 140, **changes: Any
) -> str:
    report = MonitorReport.model_validate(a_report("alarm") | changes)
    record = MonitorRecord(
        id=1, model="loans", lane="live", as_of=date(2026, 3, 1), version=7, decision=3, previous=None, score_runs=(1,),
        report=report, state=report.state, alarms=(), new_alarms=(), asks_retrain=False, ask_reason="", spec={}, actor="a",
        reason="", airflow_run="", code_version="", created_at=datetime.now(UTC), written_by="l",
    )  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(width))
    monitor._print(record)
    return capsys.readouterr().out


def test_the_state_comes_first_then_the_reason_then_the_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, reason="home has drifted.").splitlines()
    assert lines[:2] == ["ALARM: loans, version 7, as of 2026-03-01", "home has drifted."]
    text = "\n".join(lines)
    assert f"* {ASSUMPTION}" in text
    assert text.index("home has drifted.") < text.index("promised at promotion") < text.index("Drift: 10 looks")
    (home,) = [line for line in lines if line.split()[:1] == ["drift,"]]
    assert home.split()[1:4] == ["3", "home", "0.31"]
    assert "Performance, ROC AUC" in text
    assert [line.split()[0] for line in lines if " came true, " in line] == ["final"] * 3


def test_a_first_look_has_no_tables_of_drift_and_no_assumption(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {
        "state": "waiting",
        "reason": "120 rows.",
        "drift": None,
        "estimate": None,
        "cohorts": (),
        "promise": None,
    }
    text = printed(capsys, monkeypatch, **nothing, review=None, alarms=())
    assert text.startswith("WAITING: loans, version 7")
    assert "Drift" not in text
    assert ASSUMPTION not in text


def test_on_a_terminal_of_80_columns_the_numbers_are_in_tables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drift = a_report("alarm")["drift"]
    longest = {
        "name": "machine_hours_since_the_last_service",
        "psi": {"estimate": 17.18, "lower": 16.74, "upper": 17.63},
    }
    worst = {**drift["features"][0], **longest, "drifted": True, "in_a_row": 12, "log_evidence": 8796.3}
    lines = printed(capsys, monkeypatch, 80, drift={**drift, "features": [worst, *drift["features"]]}).splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line.split() for line in lines if line.startswith("state ")]
    assert heads[0] == ["state", "what", "rows", "metric", "interval", "expected", "*"]
    assert heads[1] == ["state", "feature", "PSI", "interval", "missing", "was", "new", "log", "e"]
