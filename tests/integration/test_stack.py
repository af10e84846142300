"""The embedded stack for real: its own state folder, its own ports, crashes included."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from localstack import postgres, processes, services, stack, start
from localstack.keys import ensure_keys
from localstack.ports import choose_ports
from localstack.settings import database_url
from localstack.state import PROJECT, Record, State
from titleholder.errors import ServiceError

pytestmark = pytest.mark.slow


def start_postgres(state: State, ports: dict[str, int] | None = None) -> start.Starter:
    """PostgreSQL alone, as `up` starts it."""
    state.prepare()
    keys = ensure_keys(state)
    record = Record(ports=ports or choose_ports({}, (), str(state.root)))
    state.write(record)
    starter = start.Starter(state, keys, record, start.ignore)
    starter.run([starter.postgres(services.services(state, keys, record.ports)["postgres"])])
    return starter


def run_sql(starter: start.Starter, role: str, database: str, *statements: str) -> list[tuple[object, ...]]:
    url = database_url(starter.keys, role, database, starter.record.ports["postgres"], driver="")
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def leftovers(state: State) -> list[psutil.Process]:
    marked = [process for group in processes.find(str(state.root)).values() for process in group]
    return [*postgres._servers(state), *marked]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[start.Starter]:
    state = State(tmp_path_factory.mktemp("stack") / "state")
    yield start_postgres(state)
    stack.clean(state)
    assert not state.root.exists()
    assert not leftovers(state)


def test_the_server_speaks_utf8_and_utc_on_loopback_only(database: start.Starter) -> None:
    names = ("server_encoding", "timezone", "listen_addresses", "password_encryption")
    shown = [run_sql(database, "loader", "warehouse", f"SHOW {name}")[0][0] for name in names]
    assert shown == ["UTF8", "UTC", "127.0.0.1", "scram-sha-256"]


def test_what_the_loader_makes_later_the_reader_reads_and_cannot_change(database: start.Starter) -> None:
    run_sql(database, "loader", "warehouse", "CREATE SCHEMA lender", "CREATE TABLE lender.loans AS SELECT 1 AS id")
    assert run_sql(database, "reader", "warehouse", "SELECT id FROM lender.loans") == [(1,)]
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        run_sql(database, "reader", "warehouse", "DELETE FROM lender.loans")
    for statement in (
        "DELETE FROM lender.loans",
        "CREATE TABLE lender.mine (x int)",
        "CREATE TABLE public.mine (x int)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run_sql(database, "reader", "warehouse", "SET TRANSACTION READ WRITE", statement)


@pytest.mark.parametrize(
    ("role", "mine"),
    [
        ("airflow", {"airflow"}),
        ("mlflow", {"mlflow"}),
        ("loader", {"warehouse"}),
        ("reader", {"warehouse"}),
        ("ledger", {"titleholder"}),
        ("ledger_owner", {"titleholder"}),
    ],
)
def test_each_role_reaches_its_own_database_and_no_other(database: start.Starter, role: str, mine: set[str]) -> None:
    reached = set()
    for name in ("airflow", "mlflow", "warehouse", "titleholder", "postgres", "template1"):
        with contextlib.suppress(psycopg2.OperationalError):
            run_sql(database, role, name, "SELECT 1")
            reached.add(name)
    assert reached == mine


def test_a_wrong_password_is_refused(database: start.Starter) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(
            host="127.0.0.1", port=database.record.ports["postgres"], user="postgres", password="x", dbname="postgres"
        )


def test_data_survives_a_kill_of_the_server_and_a_lost_record(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    try:
        first = start_postgres(state)
        run_sql(first, "loader", "warehouse", "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(first.record.services["postgres"].pid, signal.SIGKILL)
        (state.root / "stack.json").unlink()
        stack.down(state)
        assert not leftovers(state)
        # The id in the stale file now belongs to a living process: ours.
        (state.postgres / "postmaster.pid").write_text(f"{os.getpid()}\n")
        second = start_postgres(state)
        assert run_sql(second, "reader", "warehouse", "SELECT answer FROM kept") == [(42,)]
        (state.root / "stack.json").unlink()
        assert stack.down(state)
        assert not leftovers(state)
        assert not stack.down(state)
    finally:
        stack.clean(state)


def test_an_interrupted_initdb_is_started_over(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    try:
        state.prepare()
        (state.root / "postgres.new").mkdir()
        (state.root / "postgres.new" / "PG_VERSION").write_text("18\n")
        assert run_sql(start_postgres(state), "loader", "warehouse", "SELECT 1") == [(1,)]
    finally:
        stack.clean(state)


def test_a_server_that_cannot_start_names_its_log_and_its_last_words(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        try:
            with pytest.raises(ServiceError, match=r"(?s)postgres ended.*logs/postgres\.log.*in use"):
                start_postgres(state, {"postgres": port, "mlflow": 1, "airflow": 2})
        finally:
            stack.clean(state)


def listening(state: State) -> set[str]:
    running = [process for group in processes.find(str(state.root)).values() for process in group]
    found = [c for process in running for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    return {connection.laddr.ip for connection in found}


def test_the_whole_stack_up_twice_broken_and_down(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    called: list[str] = []
    try:
        first = stack.up(state, after_postgres=[lambda env: called.append(env["TITLEHOLDER_LEDGER_OWNER_URL"])])
        assert [item.name for item in first if item.up] == list(services.ORDER)
        assert len(called) == 1
        assert listening(state) == {"127.0.0.1"}

        began = time.monotonic()
        assert stack.up(state) == first
        assert time.monotonic() - began < 15

        scheduler = state.read().services["scheduler"]
        os.kill(scheduler.pid, signal.SIGKILL)
        wait_until_gone(scheduler.pid)
        assert {item.name for item in stack.status(state) if not item.up} == {"scheduler"}
        assert processes.find(str(state.root))["scheduler"], "its workers are still there"

        (state.root / "stack.json").unlink()
        assert stack.down(state)
        assert not leftovers(state)
        assert not stack.down(state)
    finally:
        stack.clean(state)


FORKED = """
import os, sys, threading
sys.argv = ["airflow", "scheduler"]
import airflow_local_settings
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
assert {"mlflow", "skops.io", "sklearn.ensemble", "pyarrow.parquet"} <= set(sys.modules)
assert "titleholder.workflow.steps" in sys.modules
import gc
if child := os.fork():
    frozen, later = gc.get_freeze_count(), [[] for _ in range(10_000)]
    assert frozen > 100_000, "memory that the collector leaves alone in tasks"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with open(sys.modules["titleholder.errors"].__file__, "a") as file:
        file.write("EDITED = True")
    child = os.fork()
    assert gc.get_freeze_count() <= frozen, "no later garbage is kept"
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    from titleholder.errors import EDITED
    os._exit(0)
assert "titleholder.workflow.steps" in sys.modules, "nothing was edited"
import numpy, pyarrow, pyarrow.parquet
from sklearn.ensemble import HistGradientBoostingClassifier
X = numpy.random.default_rng(1).normal(size=(20_000, 10))
X @ X.T[:, :500]
HistGradientBoostingClassifier(max_iter=5).fit(X, X[:, 0] > 0)
pyarrow.parquet.write_table(pyarrow.table({"x": X[:, 0]}), os.environ["TARGET"])
assert pyarrow.parquet.read_table(os.environ["TARGET"]).num_rows == 20_000
os._exit(0)
"""


def test_a_task_forked_from_the_preloaded_scheduler_can_compute_and_sees_edits(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "include", tmp_path / "include", ignore=shutil.ignore_patterns("__pycache__"))
    path = os.pathsep.join([str(PROJECT / "config"), str(tmp_path / "include")])
    env = {**os.environ, "PYTHONPATH": path, "TARGET": str(tmp_path / "x.parquet"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    env.pop("COVERAGE_PROCESS_CONFIG", None)  # the copy's files are not the project's
    done = subprocess.run([sys.executable, "-c", FORKED], env=env, check=False, timeout=300)
    assert done.returncode == 0
    assert (tmp_path / "x.parquet").stat().st_size > 0


def wait_until_gone(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
