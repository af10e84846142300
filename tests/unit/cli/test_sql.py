"""The command `sql`, without a warehouse: psql is started with the password in its environment alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from titleholder.cli import local_stack
from titleholder.cli.main import app
from titleholder.errors import ServiceError, UsageError

URL = "postgresql://reader:s3cr%40et@db.example:5433/warehouse?sslmode=require"
PSQL = f"""#!{sys.executable}
import json, os, sys
print(json.dumps([sys.argv[1:], dict(os.environ)]))
"""


def test_psql_gets_the_password_by_its_environment_alone(tmp_path: Path) -> None:
    program = tmp_path / "psql"
    program.write_text(PSQL)
    program.chmod(0o755)
    env = {**os.environ, "PATH": str(tmp_path), "AIRFLOW_CONN_WAREHOUSE": URL, "TITLEHOLDER_STATE": str(tmp_path / "s")}
    command = [sys.executable, "-m", "titleholder.cli.main", "sql"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    words, environment = json.loads(done.stdout)
    assert {"user=reader", "dbname=warehouse", "host=db.example", "port=5433", "sslmode=require"} <= {*words[0].split()}
    assert environment["PGREQUIREAUTH"] == "scram-sha-256"
    assert environment["PGPASSWORD"] == "s3cr@et"
    assert "default_transaction_read_only=on" in environment["PGOPTIONS"]


def test_without_psql_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", URL)
    monkeypatch.setattr(local_stack, "psql", lambda: None)
    found = CliRunner().invoke(app, ["sql"]).exception
    assert isinstance(found, UsageError)
    assert str(found).startswith(
        "psql is not in PATH. Install PostgreSQL's client, or print one result: titleholder sql"
    )


def test_psql_of_the_embedded_postgresql_is_found_where_path_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = local_stack.psql()
    assert found
    assert subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.startswith("psql")


@pytest.mark.parametrize(
    ("url", "words", "kind", "message"),
    [
        (
            "sqlite:///secret",
            ["-c", "select 1"],
            UsageError,
            "connection warehouse: an address of PostgreSQL cannot be read",
        ),
        (URL, ["--json"], UsageError, "--json needs a query"),
        (URL, ["--ledger", "--connection", "mart"], UsageError, "--ledger and --connection mart: give one of them"),
        ("postgresql://a:secret@127.0.0.1:1/b", ["-c", "select 1"], ServiceError, "cannot be reached: connection to"),
    ],
)
def test_what_cannot_be_opened_is_said_without_the_password(
    monkeypatch: pytest.MonkeyPatch, url: str, words: list[str], kind: type[Exception], message: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", url)
    found = CliRunner().invoke(app, ["sql", *words]).exception
    assert isinstance(found, kind)
    assert message in str(found)
    assert "secret" not in str(found)
