"""The command itself: what needs no service."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from typer.testing import CliRunner

from support.specs import write
from titleholder.cli import local_stack, main
from titleholder.cli.main import app
from titleholder.settings import code_version


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


COMPLETE = "from titleholder.cli.main import app; app(prog_name='titleholder')"


def completed(*words: str) -> list[str]:
    """What bash is offered for the last of these words."""
    asked = {
        "_TITLEHOLDER_COMPLETE": "complete_bash",
        "COMP_WORDS": shlex.join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", COMPLETE], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_models_and_lanes(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (models / "broken.yaml").write_text("a: [")
    monkeypatch.delenv("TITLEHOLDER_LEDGER_URL", raising=False)
    assert completed("titleholder", "history", "s") == ["small"]
    assert completed("titleholder", "leaktest", "") == ["broken", "small"]
    assert completed("titleholder", "history", "small", "--lane", "b") == ["backtest"]


def test_completion_is_silent_where_nothing_can_be_read(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(models / "gone"))
    monkeypatch.setenv("TITLEHOLDER_LEDGER_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/nothing")
    assert completed("titleholder", "history", "s") == []
    assert completed("titleholder", "history", "small", "--lane", "li") == ["live"]


def test_the_version_is_that_of_the_code() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.stdout == f"titleholder {code_version()}\n"


SAYS = """
import logging, sys
from titleholder.cli.main import main
sys.argv[1:] = ["--version"]
try:
    main()
except SystemExit:
    logging.getLogger("urllib3.connectionpool").warning("Retrying (Retry(total=2, connect=3)) after connection broken")
    logging.getLogger("other").warning("This is shown")
"""


def test_tries_of_a_request_that_failed_are_not_printed() -> None:
    done = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, check=True)
    assert done.stderr == "WARNING: This is shown\n"


def test_the_command_has_room_for_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[str] = []
    monkeypatch.setattr(local_stack, "use_addresses", lambda: None)
    monkeypatch.setattr(main, "app", lambda: frames.extend(frame.name for frame in traceback.extract_stack()))
    main.main()
    assert "with_room" in frames
