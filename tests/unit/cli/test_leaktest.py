"""`titleholder leaktest`: the sentences of a report, and its exit code."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from titleholder.cli.main import app
from titleholder.data.leakage.report import LeakReport

DAY = date(2024, 7, 1)


def shown(monkeypatch: pytest.MonkeyPatch, **found: Any) -> Result:
    report = LeakReport(model="demo_default", as_of=DAY, **found)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgresql://u:p@localhost:1/x")
    monkeypatch.setattr("titleholder.data.leakage.leaktest.leaktest", lambda *_, **__: report)
    return CliRunner().invoke(app, ["leaktest", "demo_default", "--as-of", f"{DAY}"])


def test_a_table_that_is_not_declared_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    done = shown(monkeypatch, untested=("source.tables does not declare public.t",))
    assert done.exit_code == 4
    assert "Not tested: source.tables does not declare public.t." in done.stdout
    assert "No leak was found, but not everything was tested." in done.stdout


def test_a_clean_query_says_what_was_compared_and_what_is_on_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    done = shown(monkeypatch, rows=1_234, hashes={"original": "1"}, trusted=("public.t never changes",))
    assert done.exit_code == 0
    assert "Compared: 1,234 rows as of 2024-07-01" in done.stdout
    assert "Assumed: public.t never changes." in done.stdout
    assert done.stdout.splitlines()[-1] == "No leak."
