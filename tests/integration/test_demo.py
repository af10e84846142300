"""The end of `make demo`: the lender, Airflow and its runs are others' tests, what follows them is done for real."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import demo.__main__ as demo
from localstack.state import State
from support.retraining import retrain
from support.succession_world import write_model
from titleholder.settings import Settings
from titleholder.workflow.audit import audit

pytestmark = pytest.mark.slow


def test_from_a_shell_that_knows_no_stack_the_demo_ends_with_the_backtests_answer(
    settings: Settings,
    state: State,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The backtest logs in to MLflow, which tasks had done before it. An audit then finds nothing."""
    write_model(tmp_path, "tiny_demo")
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    for month in (1, 2):
        retrain("tiny_demo", date(2024, month, 1), demo.BACKTEST, settings, report=True)
    retrain("tiny_demo", date(2024, 3, 1), demo.LIVE, settings, report=True)
    for name in [name for name in os.environ if name.startswith(("TITLEHOLDER_LEDGER", "MLFLOW_", "AIRFLOW_CONN_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("TITLEHOLDER_STATE", str(state.root))
    done = lambda *_: lambda: True  # noqa: E731
    others: dict[str, Any] = {
        "MODEL": "tiny_demo", "DAG": "tiny_demo.retrain", "stack": SimpleNamespace(up=lambda: None), "_fill_warehouse": done,
        "_backfill": done, "_live": done,
        "Airflow": SimpleNamespace(of=lambda _: SimpleNamespace(wait_for_dag=lambda _: None, address="http://airflow")),
    }  # fmt: skip
    for name, value in others.items():
        monkeypatch.setattr(demo, name, value)
    demo.run(months=2, at_once=1)
    printed = capsys.readouterr().out
    assert "Done in " in printed
    assert re.search(
        f"MLflow    {settings.tracking_uri} +user reader, password: .*titleholder stack status --password --mlflow",
        printed,
    )
    assert "Was retraining worth it? " in printed
    assert printed.rpartition("worth it? ")[2].strip()
    found = audit(["tiny_demo"], settings=settings)
    assert (found.findings, found.lanes, found.rows, found.champions) == ((), 2, 3, 1)
