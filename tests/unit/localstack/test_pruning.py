"""What the embedded services keep: old logs go, young ones stay, and passwords are no arguments."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from localstack import pruning
from localstack.cli import app
from localstack.keys import ensure_keys, load_keys
from localstack.state import Record, State
from titleholder.errors import ServiceError
from titleholder_mlflow.login import WRITER


class Commands:
    """What would have been run, and how it ended."""

    def __init__(self) -> None:
        self.seen: list[tuple[list[str], dict[str, str]]] = []
        self.code = 0

    def __call__(self, command: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.seen.append((command, env))
        return subprocess.CompletedProcess(command, self.code, "out\n", "the reason\n")


@pytest.fixture
def commands(state: State, monkeypatch: pytest.MonkeyPatch) -> Commands:
    ensure_keys(state)
    state.write(Record(ports={"postgres": 1, "mlflow": 2, "airflow": 3}))
    monkeypatch.setenv("TITLEHOLDER_STATE", str(state.root))
    found = Commands()
    monkeypatch.setattr(pruning.subprocess, "run", found)
    return found


def a_log(state: State, name: str, days: float) -> Path:
    path = state.airflow / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("12345")
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_old_logs_go_with_their_folders_and_nothing_else(state: State, commands: Commands) -> None:
    old, young = a_log(state, "dag_id=a/run_id=1/attempt=1.log", 100), a_log(state, "dag_id=a/run_id=2/x.log", 80)
    other = a_log(state, "dag_id=a/notes.txt", 100)
    assert pruning.prune(state, 90, delete=False) == (1, 5)
    assert old.exists()
    assert [command[1:3] for command, _ in commands.seen] == [["db", "clean"]]
    assert "--dry-run" in commands.seen[0][0]
    assert pruning.prune(state, 90, delete=True) == (1, 5)
    assert not old.parent.exists()
    assert young.exists()
    assert other.exists()


def test_airflow_and_mlflow_are_asked_for_what_is_as_old(state: State, commands: Commands) -> None:
    pruning.prune(state, 30, delete=True)
    (airflow, _), (mlflow, env) = commands.seen
    assert "--dry-run" not in airflow
    assert "--yes" in airflow
    assert ",log," not in f",{airflow[airflow.index('--tables') + 1]},", "Airflow's audit log stays"
    assert mlflow[1:4] == ["gc", "--older-than", "30d"]
    keys = load_keys(state)
    assert env["PGPASSWORD"] == keys.roles["mlflow"]
    assert (env["MLFLOW_TRACKING_USERNAME"], env["MLFLOW_TRACKING_PASSWORD"]) == (WRITER, keys.mlflow[WRITER])
    secret = {keys.roles["mlflow"], keys.mlflow[WRITER]}
    assert not any(password in argument for command, _ in commands.seen for argument in command for password in secret)


def test_a_clean_up_that_fails_is_named_with_its_last_lines(state: State, commands: Commands) -> None:
    commands.code = 1
    with pytest.raises(ServiceError, match=r"db clean failed\. Is the stack up\? Its last lines:\nout\nthe reason"):
        pruning.prune(state, 30, delete=True)


def test_the_command_deletes_only_with_yes(state: State, commands: Commands) -> None:
    old = a_log(state, "dag_id=a/run_id=1/attempt=1.log", 100)
    shown = CliRunner().invoke(app, ["prune"])
    assert "1 log (5 bytes) can be deleted" in shown.stdout
    assert old.exists()
    assert "1 log (5 bytes) deleted" in CliRunner().invoke(app, ["prune", "--yes"]).stdout
    assert not old.exists()
