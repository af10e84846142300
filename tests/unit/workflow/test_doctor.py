"""What `titleholder doctor` makes of what it finds, without any service."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from support.factories import a_spec
from titleholder.cli.main import app
from titleholder.data import object_store
from titleholder.data.storage import storage_of
from titleholder.errors import UsageError
from titleholder.spec import loader
from titleholder.workflow.doctor import clock, environment, powers, run, store, tracking, warehouse
from titleholder.workflow.doctor.report import Check, Report
from titleholder.workflow.doctor.services import SERVICES

KEY = "TITLEHOLDER_SIGNING_KEY"
ROLE: dict[str, Any] = {"role": "r", "member_of": [], "owns_database": False, **dict.fromkeys(powers.ATTRIBUTES, False)}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in SERVICES.values():
        for name in (*service.variables, *service.foreign, "AIRFLOW_CONN_WAREHOUSE", "AIRFLOW_HOME", tracking.USER):
            monkeypatch.delenv(name, raising=False)


def by_name(checks: Iterator[Check] | tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.mark.parametrize(
    ("server", "state", "said"),
    [(10.4, "ok", "the same"), (13.5, "warning", "2.5 s ahead"), (7.0, "warning", "3.0 s behind"),
     (100.0, "wrong", "89.0 s ahead")],
)  # fmt: skip
def test_a_clock_is_compared_with_the_time_between_question_and_answer(server: float, state: str, said: str) -> None:
    check = clock.compared("clock", 10.0, server, 11.0)
    assert (check.state, said in check.found) == (state, True)


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({}, "ok", "without attributes"),
        ({"SUPERUSER": True, "CREATEDB": True}, "wrong", "r has SUPERUSER, CREATEDB"),
        ({"member_of": ["pg_read_all_data"]}, "warning", "has the rights of pg_read_all_data too"),
        ({"owns_database": True}, "warning", "owns the database"),
    ],
)
def test_a_role_has_no_other_powers(changes: dict[str, Any], state: str, said: str) -> None:
    check = powers.judged("role", {**ROLE, **changes})
    assert (check.state, said in check.found) == (state, True)


@pytest.mark.parametrize(
    ("key", "state", "said"),
    [("", "wrong", "not set"), ("x" * 31, "wrong", "31 bytes, of which 32"), ("x" * 32, "ok", "32")],
)
def test_a_worker_needs_a_signing_key_that_is_long_enough(
    key: str, state: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, key)
    check = by_name(environment.variables(SERVICES["worker"]))[KEY]
    assert (check.state, said in check.found) == (state, True)
    assert "x" * 31 not in check.found


def test_a_secret_that_a_service_does_not_need_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "x" * 32)
    monkeypatch.setenv("TITLEHOLDER_LEDGER_OWNER_URL", "postgresql://o@db/x")
    found = {name: by_name(environment.variables(service)) for name, service in SERVICES.items()}
    assert found["api-server"][KEY].state == found["dag-processor"][KEY].state == "warning"
    assert found["worker"]["TITLEHOLDER_LEDGER_OWNER_URL"].state == "warning"
    assert "TITLEHOLDER_LEDGER_OWNER_URL" not in found["command-line"]


def test_libraries_are_held_to_the_ranges_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_name(environment.versions())["libraries"].state == "ok"
    installed = metadata.version

    def older(name: str) -> str:
        if name == "scipy":
            raise metadata.PackageNotFoundError
        return {"pandas": "2.1.4", "apache-airflow": "2.11.0"}.get(name) or installed(name)

    monkeypatch.setattr(metadata, "version", older)
    found = by_name(environment.versions())["libraries"]
    assert found.state == "wrong"
    assert "apache-airflow 2.11.0 (<4,>=3." in found.found
    assert "pandas 2.1.4 (<4,>=3.1), scipy is not installed" in found.found


def test_the_preload_is_found_where_airflow_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert by_name(environment.preload())["preload"].state == "warning"
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "airflow_local_settings.py"
    file.write_text("policies = 1\n")
    assert "does not name titleholder" in by_name(environment.preload())["preload"].found
    file.write_text((Path(__file__).parents[3] / "config" / file.name).read_text())
    assert by_name(environment.preload())["preload"].state == "ok"


def test_only_where_tasks_run_is_a_preload_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's shell forks no tasks: after `make demo`, doctor warned of it there."""
    for name in ("TITLEHOLDER_LEDGER_URL", "MLFLOW_TRACKING_URI", "TITLEHOLDER_SNAPSHOTS"):
        monkeypatch.delenv(name, raising=False)
    having = [name for name in SERVICES if "preload" in {c.name for c in run.examine(name).checks}]
    assert having == ["worker"]


def test_a_folder_is_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITLEHOLDER_SNAPSHOTS", str(tmp_path))
    for _ in range(2):
        assert [(c.name, c.state) for c in store.store()] == [
            ("snapshots: write", "ok"), ("snapshots: read", "ok"), ("snapshots: taken names", "not checked"),
        ]  # fmt: skip
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["titleholder-doctor.txt"]


def test_a_store_without_conditional_writes_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    monkeypatch.setitem(object_store.SCHEMES, "memory", object_store.Scheme("fsspec", "memory"))
    monkeypatch.setenv("TITLEHOLDER_SNAPSHOTS", "memory://bucket/prefix")
    memory = fsspec.filesystem("memory")
    put = type(memory).put_file
    monkeypatch.setattr(type(memory), "put_file", lambda self, a, b, mode="overwrite", **more: put(self, a, b, **more))
    check = by_name(store.store())["snapshots: taken names"]
    assert (check.state, "If-None-Match" in check.remedy) == ("wrong", True)
    storage, root = storage_of("memory://bucket/prefix")
    with storage.open(f"{root}/{store.FILE}") as file:
        assert hashlib.sha256(file.read()).hexdigest() == store.SHA256


@contextmanager
def a_server(answers: dict[str, tuple[int, Any]]) -> Iterator[str]:
    """An MLflow that knows these paths, and asks nobody who they are."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = next(answer for path, answer in answers.items() if self.path.startswith(path))
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815  (http.server's name)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


ANYBODY = {
    "/api/2.0/mlflow/experiments/search": (200, {"experiments": []}),
    "/api/2.0/mlflow/runs/set-tag": (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No run"}),
    "/version": (200, "2.22.0"),
}


def test_an_mlflow_without_a_login_and_of_another_version_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_server(ANYBODY) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        found = by_name(tracking.tracking(SERVICES["worker"]))
    assert {name: check.state for name, check in found.items()} == {
        "MLflow": "ok", "MLflow: login": "ok", "MLflow: anonymous": "warning", "MLflow: rights": "ok",
        "MLflow: version": "warning",
    }  # fmt: skip
    assert found["MLflow: version"].found.startswith("server 2.22.0, client 3.")


def test_what_one_look_meets_stops_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = "tr0ub4dor"
    monkeypatch.setenv("TITLEHOLDER_LEDGER_URL", f"postgresql://ledger:{secret}@127.0.0.1:9/titleholder")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("TITLEHOLDER_SNAPSHOTS", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "not an address")
    monkeypatch.setattr(environment, "models", lambda: 1 / 0)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 3, done.output
    report = json.loads(done.stdout)
    found = {check["name"]: check for check in report["checks"]}
    assert (report["exit_code"], report["service"]) == (3, "command-line")
    assert [name for name, check in found.items() if check["down"]] == ["ledger", "MLflow"]
    assert found["models"]["found"] == "ZeroDivisionError: division by zero"
    assert "connection warehouse: an address of PostgreSQL cannot be read" in found["connection warehouse"]["found"]
    assert found["snapshots: write"]["state"] == "ok"
    assert secret not in done.output
    assert all(check["remedy"] for check in report["checks"] if check["state"] == "wrong")
    table = CliRunner().invoke(app, ["doctor"])
    assert table.exit_code == 3
    first, *others = table.stdout.splitlines()
    assert first.startswith("Service command-line: ")
    assert " wrong, " in first
    states = [word for line in others for word in ("wrong", "warning", "ok") if f" {word}  " in line]
    assert states == sorted(states, key=["wrong", "warning", "ok"].index), "what is wrong comes first"


def test_a_folder_of_models_may_be_named_by_dag_files_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loader, "DEFAULT_FOLDER", tmp_path / "gone")
    monkeypatch.delenv("TITLEHOLDER_MODELS", raising=False)
    check = by_name(environment.models())["models"]
    assert (check.state, f"{check.found} {check.remedy}".count("TITLEHOLDER_MODELS")) == ("not checked", 1)
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="no folder"):
        list(environment.models())


def test_connections_are_those_of_the_specs_or_else_the_databases_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MART", "postgresql://r@db/mart")
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", "smtp://mail")
    assert warehouse.connections({}) == {"mart": {}}
    assert warehouse.connections({"m": a_spec()}) == {"warehouse": {}}


def test_a_connection_that_only_airflow_can_read_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    (unset,) = warehouse.connection("warehouse", {})
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "postgres", "host": "db"}))
    (as_json,) = warehouse.connection("warehouse", {})
    assert unset.state == as_json.state == "not checked"
    assert "airflow connections get warehouse" in unset.remedy


def test_an_unknown_service_is_a_bad_request() -> None:
    with pytest.raises(UsageError, match="'workers' is none of command-line, worker, api-server"):
        run.examine("workers")


def test_a_triggerer_needs_only_the_package() -> None:
    assert {c.name for c in run.examine("triggerer").checks} == {"titleholder", "Python", "Airflow", "libraries"}


def test_exit_codes() -> None:
    wrong = Check(name="a", state="wrong", found="")
    warned = Check(name="b", state="warning", found="")
    assert [Report(service="worker", checks=found).exit_code for found in [(warned,), (warned, wrong)]] == [0, 1]
