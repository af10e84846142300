"""The command itself: what needs no service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from support.specs import write
from titleholder.cli.main import app


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    write(tmp_path)
    return tmp_path


def test_models_names_a_file_that_looks_like_a_spec_and_is_not_read(models: Path) -> None:
    stray = models / "churn.yaml.txt"
    stray.write_text("name: churn")
    shown = CliRunner().invoke(app, ["models"])
    assert shown.exit_code == 0
    assert f"Not read: {stray}. The name of a spec's file ends in .yaml or .yml." in shown.stderr
    assert json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)["not_read"] == [str(stray)]
