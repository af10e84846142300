"""The commands of the local stack are there where the stack is installed, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localstack import settings
from localstack.state import State
from titleholder.cli import local_stack
from titleholder.errors import ServiceError

COMMANDS = """
import sys
if sys.argv[1] == "without":
    sys.modules["localstack"] = None  # as where the package is not installed
import typer
from titleholder.cli import main
print(*typer.main.get_command(main.app).commands)
main.app(["--help"])
"""


def commands(stack: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", COMMANDS, stack], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[0].split())


def test_without_the_stack_the_command_runs_and_has_no_stack_and_no_load() -> None:
    assert commands("with") - commands("without") == {"stack", "load"}
    assert {"run", "history", "champion", "audit", "backtest"} <= commands("without")


def test_addresses_of_the_stack_never_replace_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = dict.fromkeys(("TITLEHOLDER_LEDGER_URL", "TITLEHOLDER_LOADER_URL", "MLFLOW_TRACKING_URI", "HOME"), "stack")
    monkeypatch.setattr(settings, "environment", lambda state: found)
    monkeypatch.setenv("TITLEHOLDER_LEDGER_URL", "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("MLFLOW_TRACKING_URI", "TITLEHOLDER_LOADER_URL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    local_stack.use_addresses()
    assert os.environ["TITLEHOLDER_LEDGER_URL"] == "mine"
    assert os.environ["MLFLOW_TRACKING_URI"] == "stack"
    assert "TITLEHOLDER_LOADER_URL" not in os.environ, "a command that runs models cannot write to the warehouse"
    assert os.environ["HOME"] == str(tmp_path), "only the variables of this project are set"


def test_without_a_running_stack_the_environment_alone_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(state: State) -> dict[str, str]:
        raise ServiceError("no local stack")

    monkeypatch.setattr(settings, "environment", none)
    before = dict(os.environ)
    local_stack.use_addresses()
    assert dict(os.environ) == before
