"""The commands, without a stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from localstack.cli import app
from localstack.keys import ensure_keys
from localstack.state import Record, State

PORTS = {"postgres": 1, "mlflow": 2, "airflow": 3}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("TITLEHOLDER_STATE", str(tmp_path / "state"))
    return State.locate()


@pytest.fixture
def stopped(state: State) -> State:
    state.prepare()
    ensure_keys(state)
    state.write(Record(ports=PORTS))
    return state


def test_status_of_nothing_is_all_down(state: State) -> None:
    result = CliRunner().invoke(app, ["status", "--json"])
    assert result.exit_code == 3
    assert {item["up"] for item in json.loads(result.stdout)} == {False}
    assert not state.root.exists()


def test_down_of_nothing_is_no_error(state: State) -> None:
    result = CliRunner().invoke(app, ["down"])
    assert result.exit_code == 0
    assert "Nothing was running" in result.stdout
    assert not state.root.exists()


def test_env_before_the_first_up_says_what_to_do(state: State) -> None:
    result = CliRunner().invoke(app, ["env"])
    assert result.exit_code == 3
    assert "titleholder stack up" in result.stderr


def test_env_is_for_a_shell_to_evaluate(stopped: State) -> None:
    lines = CliRunner().invoke(app, ["env"]).stdout.splitlines()
    assert all(line.startswith("export ") for line in lines)
    values = json.loads(CliRunner().invoke(app, ["env", "--json"]).stdout)
    assert len(values) == len(lines)
    assert values["TITLEHOLDER_STATE"] == str(stopped.root)


def test_the_password_is_printed_only_when_asked_for(stopped: State) -> None:
    keys = ensure_keys(stopped)
    assert CliRunner().invoke(app, ["status", "--password"]).stdout == keys.admin + "\n"
    assert CliRunner().invoke(app, ["status", "--password", "--mlflow"]).stdout == keys.mlflow["reader"] + "\n"
    assert not [
        known for known in (keys.admin, *keys.mlflow.values()) if known in CliRunner().invoke(app, ["status"]).output
    ]


def test_clean_asks(stopped: State) -> None:
    assert CliRunner().invoke(app, ["clean"], input="n\n").exit_code == 1
    assert stopped.secrets.exists()
    assert CliRunner().invoke(app, ["clean", "--yes"]).exit_code == 0
    assert not stopped.root.exists()


@pytest.mark.parametrize("command", ["up", "down", "status", "env", "clean"])
def test_every_command_explains_itself(command: str) -> None:
    assert len(CliRunner().invoke(app, [command, "--help"]).stdout) > 200
