"""Random command lines: each ends with a message and one of the exit codes, and starts nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from support.factories import SQL, YAML
from support.fuzz import no_hang, share
from titleholder.cli import local_stack
from titleholder.cli.main import app
from titleholder.errors import TitleholderError

AWAY = "postgresql://ledger:secret@127.0.0.1:1/titleholder"
COMMANDS = [
    "new", "check", "schema", "run", "history", "champion", "rollback", "retire", "lanes", "audit", "reproduce", "leaktest",
    "backtest", "sql", "models", "lane", "archive", "delete", "migrate", "", "no-such",
]  # fmt: skip
WORDS = [
    "small", "smal", "broken", "", " ", "-", "--", "--json", "--help", "--version", "--all", "--yes", "--force", "--repair", "--as-of",
    "--until", "--lane", "--reason", "--to", "--leaving", "--candidate", "--from", "--connection", "--task", "--target",
    "--schedule", "--command", "--labels-as-of", "--html", "2024-01-01", "2024-13-01", "0001-01-01", "9999-12-31", "today", "live",
    "backtest", "LIVE", "0", "-1", "1", "1e9", "99999999999999999999", "nan", "inf", "@monthly", "x" * 300, "../../etc/passwd",
    "a;b", "'", '"', "[bold]x[/", "%s", "{0}", "é", "\x1b[31m", "\udcff", "x > 1", "regression", "select 1", "--no-such=1",
    "--as-of=2024-01-01", "--tolerated-loss=0.1", "--minimum-gain=nan", "--confidence=2", "--lane=backtest", "--app-role=x",
]  # fmt: skip
lines = st.tuples(
    st.sampled_from(COMMANDS), st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=8)), max_size=6)
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with a valid and a broken model, services that are away, and no program that could be started."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "small.yaml").write_text(YAML)
    (folder / "broken.yaml").write_text("a: [")
    (folder / "small.sql").write_text(SQL)

    def refuse(*args: Any, **_: Any) -> None:
        raise AssertionError(f"a program was started: {args}")

    class Refused(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, args: Any, **others: Any) -> None:
            if args[0] not in ("uname", "fc-list"):  # which libraries ask when they are imported
                refuse(args)
            super().__init__(args, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TITLEHOLDER_MODELS", str(folder))
        patch.setenv("TITLEHOLDER_CODE_VERSION", "fuzz")
        for name in ("TITLEHOLDER_LEDGER_URL", "TITLEHOLDER_LEDGER_OWNER_URL", "AIRFLOW_CONN_WAREHOUSE"):
            patch.setenv(name, AWAY)
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        patch.setenv("TITLEHOLDER_SNAPSHOTS", str(folder / "snapshots"))
        patch.setattr(local_stack, "psql", lambda: None)
        patch.setattr(subprocess, "Popen", Refused)
        patch.setattr(os, "execv", refuse)
        patch.setattr(os, "execve", refuse)
        yield folder


@share(0.1)
@given(lines)
def test_a_command_line_ends_with_a_message_and_an_exit_code(world: Path, line: tuple[str, list[str]]) -> None:
    before = sorted(path.name for path in world.iterdir())
    with no_hang():
        done = CliRunner().invoke(app, [line[0], *line[1]], input="n\n")
    error = done.exception
    assert error is None or isinstance(error, SystemExit | TitleholderError), (line, done.exc_info)
    code = error.exit_code if isinstance(error, TitleholderError) else done.exit_code
    assert code in range(5), line
    assert "secret" not in f"{done.output}{error}"
    assert sorted(path.name for path in world.iterdir()) == before
