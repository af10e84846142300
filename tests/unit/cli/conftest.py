"""What the tests of several commands share: a ledger in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from support.factories import SQL, YAML, a_lane
from titleholder.cli.main import app
from titleholder.ledger import lane_records, queries, store


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """What `titleholder history small --json` prints of a ledger with these rows."""
    (tmp_path / "small.yaml").write_text(YAML)
    (tmp_path / "small.sql").write_text(SQL)
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    for name in ("TITLEHOLDER_LEDGER_URL", "MLFLOW_TRACKING_URI", "TITLEHOLDER_SNAPSHOTS"):
        monkeypatch.setenv(name, "unused")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example/")
    monkeypatch.delenv("TITLEHOLDER_MLFLOW_ADDRESS", raising=False)
    monkeypatch.setattr(lane_records, "newest", lambda *_: {})
    monkeypatch.setattr(store, "lanes", lambda *_: ["dev", "trial"])
    monkeypatch.setattr(queries, "lanes", lambda *_: [a_lane("dev"), a_lane("trial")])

    def printed(*rows: Any) -> list[dict[str, Any]]:
        monkeypatch.setattr(store, "read", lambda *_: list(rows))
        done = CliRunner().invoke(app, ["history", "small", "--json"], catch_exceptions=False)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    return printed
