"""`titleholder doctor` on real services: a sound installation is quiet, and what is not as it should be is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner

from localstack.keys import load_keys
from localstack.settings import database_url, ledger_url, mlflow_login
from localstack.state import State
from support.object_stores import s3
from titleholder.cli.main import app
from titleholder.ledger.database import SCHEMA_VERSION
from titleholder.workflow.doctor import run, warehouse
from titleholder.workflow.doctor.report import Check

pytestmark = pytest.mark.slow
LEDGER, OWNER = "TITLEHOLDER_LEDGER_URL", "TITLEHOLDER_LEDGER_OWNER_URL"


@pytest.fixture(autouse=True)
def place(env: dict[str, str], state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of a worker, with a folder of its own for the snapshots."""
    monkeypatch.setenv("TITLEHOLDER_SNAPSHOTS", str(tmp_path))
    monkeypatch.setenv("TITLEHOLDER_SIGNING_KEY", load_keys(state).signing)


def found(service: str = "worker") -> dict[str, list[Check]]:
    by_name: dict[str, list[Check]] = {}
    for check in run.examine(service).checks:
        by_name.setdefault(check.name, []).append(check)
    return by_name


def not_ok(service: str = "worker") -> dict[str, str]:
    """What is wrong or a warning; tests/support/models has a spec that is broken on purpose, and no preload."""
    known = ("models", "preload")
    return {
        name: check.found
        for name, checks in found(service).items()
        for check in checks
        if check.state in ("wrong", "warning") and name not in known
    }


@contextmanager
def changed(state: State, do: str, undo: str, url: str = "") -> Iterator[None]:
    engine = create_engine(url or ledger_url(state, "ledger_owner"))
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(do)
        yield
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(undo)
        engine.dispose()


def test_a_sound_worker_has_nothing_to_do() -> None:
    assert not_ok() == {}
    states = {name: checks[0].state for name, checks in found().items()}
    assert {name for name, state in states.items() if state == "ok"} >= {
        "ledger", "ledger: clock", "ledger: PostgreSQL", "ledger: role", "ledger: roles", "ledger: own role",
        "ledger: schema and rights", "MLflow", "MLflow: login", "MLflow: anonymous", "MLflow: rights", "MLflow: version",
        "connection warehouse", "connection warehouse: role", "connection warehouse: rights", "snapshots: write",
        "snapshots: read", "TITLEHOLDER_SIGNING_KEY", "libraries",
    }  # fmt: skip


def test_a_service_that_only_reads_has_logins_that_only_read(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TITLEHOLDER_SIGNING_KEY")
    assert set(not_ok("api-server")) == {"ledger: own role", "MLflow: rights"}
    monkeypatch.setenv(LEDGER, ledger_url(state, "ledger_reader"))
    for name, value in mlflow_login(load_keys(state), "reader").items():
        monkeypatch.setenv(name, value)
    assert not_ok("api-server") == {}
    assert not_ok("worker")["MLflow: rights"] == "reader only reads"
    assert not_ok("worker")["ledger: own role"] == "ledger_reader only reads"


def test_a_right_too_many_and_a_lost_one_are_named(state: State) -> None:
    with changed(state, "GRANT INSERT ON titleholder.decisions TO ledger",
                 "REVOKE INSERT ON titleholder.decisions FROM ledger"):  # fmt: skip
        assert not_ok() == {
            "ledger: schema and rights": "The role ledger has the right to INSERT on titleholder.decisions, which no "
            "migration gave"
        }
    with changed(state, "REVOKE SELECT ON titleholder.reports FROM ledger_reader",
                 "GRANT SELECT ON titleholder.reports TO ledger_reader"):  # fmt: skip
        assert "lost the right to SELECT on titleholder.reports" in not_ok()["ledger: schema and rights"]
    assert not_ok() == {}


def test_a_schema_of_another_version_is_named(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWNER, ledger_url(state, "ledger_owner"))
    assert found("command-line")["ledger: owner"][0].state == "ok"
    with changed(state, "UPDATE titleholder.alembic_version SET version_num = '0000'",
                 f"UPDATE titleholder.alembic_version SET version_num = '{SCHEMA_VERSION}'"):  # fmt: skip
        assert not_ok("command-line") == {"ledger: owner": f"the schema has the version 0000, not {SCHEMA_VERSION}"}


def test_a_database_without_a_ledger_asks_for_the_migration(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LEDGER, env["AIRFLOW_CONN_WAREHOUSE"])
    check = found()["ledger: schema"][0]
    assert (check.state, check.found) == ("wrong", "the database has no schema titleholder")
    assert "titleholder migrate" in check.remedy


def test_a_role_that_may_write_to_the_warehouse_is_named(
    state: State, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", env["TITLEHOLDER_LOADER_URL"].replace("+psycopg2", ""))
    assert "loader may write to" in not_ok()["connection warehouse: rights"]
    assert not_ok()["connection warehouse: role"] == "loader owns the database"
    loader = env["TITLEHOLDER_LOADER_URL"]
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", env["AIRFLOW_CONN_WAREHOUSE"])
    with changed(state, "REVOKE SELECT ON tiny FROM reader", "GRANT SELECT ON tiny TO reader", loader):
        assert not_ok()["connection warehouse: tables"].startswith("tiny may not be read; read by ")


def test_a_table_that_is_not_there_is_named_with_the_models_that_read_it(env: dict[str, str]) -> None:
    """The demo's folder has a model whose loans are loaded by hand: the remedy was a grant, and no model was named."""
    (check,) = [c for c in warehouse.connection("warehouse", {"loans": ["sme", "retail"]}) if c.name.endswith("tables")]
    assert (check.state, check.found) == ("wrong", "loans does not exist, or may not be seen; read by sme, retail")
    assert check.remedy == "Load it, or give the right to see it: GRANT SELECT ON loans TO reader"


def test_a_wrong_password_is_no_service_that_is_down(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "tr0ub4dor"
    keys = replace(load_keys(state), roles={"ledger": secret})
    monkeypatch.setenv(LEDGER, database_url(keys, "ledger", "titleholder", state.read().ports["postgres"]))
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", secret)
    done = CliRunner().invoke(app, ["doctor", "--service", "worker", "--json"])
    assert done.exit_code == 1, done.output
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert "authentication failed" in checks["ledger"]["found"]
    assert "MLflow at" in checks["MLflow"]["found"]
    assert "refuses MLFLOW_TRACKING_USERNAME (titleholder)" in checks["MLflow"]["found"]
    assert checks["connection warehouse"]["state"] == "ok"
    assert secret not in done.output


def test_an_object_store_refuses_a_name_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3() as client:
        name = f"b-{uuid4().hex}"
        client.create_bucket(Bucket=name)
        monkeypatch.setenv("TITLEHOLDER_SNAPSHOTS", f"s3://{name}/titleholder")
        for _ in range(2):
            checks = found()
            assert checks["snapshots: taken names"][0].state == checks["snapshots: read"][0].state == "ok"
        monkeypatch.setenv("TITLEHOLDER_SNAPSHOTS", f"s3://{name}-gone/titleholder")
        (check,) = found()["snapshots"]
    assert check.state == "wrong"
    assert "cannot be used" in check.found
