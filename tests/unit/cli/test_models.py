"""`titleholder models`: what can run, and each spec that cannot, with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from support.specs import bent, write
from titleholder.cli.main import app


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    return tmp_path


def listed(*options: str) -> Result:
    return CliRunner().invoke(app, ["models", *options])


def test_a_good_model_is_listed(models: Path) -> None:
    write(models)
    found = listed("--json")
    assert (found.exit_code, json.loads(found.stdout)["errors"]) == (0, {})
    assert [row["model"] for row in json.loads(found.stdout)["models"]] == ["small"]


def test_a_candidate_that_only_an_import_can_refuse_is_an_error(models: Path) -> None:
    """Its source does not say that LinearSVC has no probabilities."""
    write(
        models,
        bent(
            ("sklearn.linear_model.LogisticRegression", "sklearn.svm.LinearSVC"),
            ("params: {max_iter: 500}", "params: {}"),
        ),
    )
    found = listed("--json")
    assert found.exit_code == 2
    said = json.loads(found.stdout)["errors"]["small"]
    assert json.loads(found.stdout)["models"] == [], "valid or an error, never both"
    assert "training.candidates.line: sklearn.svm.LinearSVC has no predict_proba" in said
