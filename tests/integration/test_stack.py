"""The embedded stack for real: its own state folder, its own ports, crashes included."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import yaml
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from localstack import postgres, processes, roles, services, stack, start
from localstack.keys import ROLES, Keys, ensure_keys
from localstack.loading import load
from localstack.ports import choose_ports
from localstack.settings import airflow_database, database_url, ledger_url
from localstack.state import PROJECT, Record, State
from support.impostors import CLEARTEXT, asking_for_a_password
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


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own, which each new session closes to PostgreSQL's user: see `a_stack`."""
    with tempfile.TemporaryDirectory(prefix="titleholder-stack-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def database() -> Iterator[start.Starter]:
    state = State(Path(tempfile.mkdtemp(prefix="titleholder-stack-")))
    yield start_postgres(state)
    stack.clean(state)
    assert not state.root.exists()
    assert not leftovers(state)


def test_the_server_speaks_utf8_and_utc_on_loopback_only(database: start.Starter) -> None:
    names = ("server_encoding", "timezone", "listen_addresses", "password_encryption")
    shown = [run_sql(database, "loader", "warehouse", f"SHOW {name}")[0][0] for name in names]
    assert shown == ["UTF8", "UTC", "127.0.0.1", "scram-sha-256"]


def by_asyncpg(url: str) -> tuple[object, ...]:
    """Who one is and over which address, as Airflow's API server asks."""

    async def ask() -> tuple[object, ...]:
        engine = create_async_engine(url.replace("+psycopg2", "+asyncpg"), connect_args={"timeout": 2})
        async with engine.connect() as connection:
            row = (await connection.execute(text("SELECT current_user, inet_server_addr()"))).one()
        await engine.dispose()
        return tuple(row)

    return asyncio.run(ask())


def test_airflow_reaches_its_database_through_the_socket(database: start.Starter) -> None:
    url = airflow_database(database.state, database.keys, database.record.ports["postgres"])
    assert by_asyncpg(url) == ("airflow", None)
    with create_engine(url).connect() as connection:
        assert connection.execute(text("SELECT inet_server_addr()")).scalar() is None
    owner = postgres.system_user()
    shown = database.state.sockets.stat()
    assert stat.S_IMODE(shown.st_mode) & 0o022 == 0
    assert shown.st_uid == (owner.uid if owner else os.geteuid())


def test_whoever_sits_on_the_port_gets_nothing_of_airflow(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare()
    keys = ensure_keys(state)
    with asking_for_a_password(CLEARTEXT) as (port, received):
        with pytest.raises(OSError, match="No such file"):
            by_asyncpg(airflow_database(state, keys, port))
        assert bytes(received) == b""
        with pytest.raises(TimeoutError):  # it waits for what comes after the password
            by_asyncpg(database_url(keys, "airflow", "airflow", port))
        assert keys.roles["airflow"].encode() in bytes(received), "a client that the port would fool"


def test_where_the_path_is_too_long_for_a_socket_there_is_none(tmp_path: Path) -> None:
    state = State(tmp_path / ("a" * 100))
    state.prepare()
    assert "unix_socket_directories=" in postgres.argv(state, 5432)
    assert airflow_database(state, ensure_keys(state), 5432).endswith("@127.0.0.1:5432/airflow")


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
    ("role", "name"), [("reader", "warehouse"), ("ledger_reader", "titleholder"), ("ledger", "titleholder")]
)
@pytest.mark.parametrize("made", ["lo_creat(-1)", "lo_create(0)", "lo_from_bytea(0, 'x')"])
def test_nobody_leaves_large_objects_in_a_database_of_others(
    database: start.Starter, role: str, name: str, made: str
) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run_sql(database, role, name, "SET TRANSACTION READ WRITE", f"SELECT {made}")
    assert run_sql(database, "postgres", name, "SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]


def test_the_reader_sees_no_password_of_a_role_and_nothing_that_the_loader_did_not_make(
    database: start.Starter,
) -> None:
    for catalogue in ("pg_authid", "pg_shadow", "pg_user_mapping", "pg_largeobject", "pg_statistic"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run_sql(database, "reader", "warehouse", f"SELECT * FROM pg_catalog.{catalogue}")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run_sql(database, "reader", "warehouse", "SELECT pg_read_file('postgresql.conf')")
    run_sql(database, "postgres", "warehouse", "CREATE SCHEMA internal", "CREATE TABLE internal.secrets (x int)")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run_sql(database, "reader", "warehouse", "SELECT * FROM internal.secrets")
    assert run_sql(database, "reader", "warehouse", "SELECT pg_has_role('pg_read_all_data', 'MEMBER')") == [(False,)]


def test_a_file_loaded_later_is_readable_also_when_it_replaces_another(
    database: start.Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database_url(database.keys, "loader", "warehouse", database.record.ports["postgres"])
    monkeypatch.setenv("TITLEHOLDER_LOADER_URL", url)
    file = tmp_path / "loans.csv"
    for table in ("loans", "later.loans"):
        for n, replace in enumerate((False, True), start=1):
            file.write_text("id,name\n" + "1,a\n" * n)
            load(file, table, replace=replace, on_rows=lambda *_: None)
            assert run_sql(database, "reader", "warehouse", f"SELECT count(*) FROM {table}") == [(n,)]


RIGHTS = """
SELECT 'role', rolname, concat_ws(' ', rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
       rolinherit, rolconnlimit, rolconfig) FROM pg_roles WHERE rolname !~ '^pg_'
UNION ALL SELECT 'member', roleid::regrole::text, member::regrole::text FROM pg_auth_members
UNION ALL SELECT 'database', datname, concat_ws(' ', datdba::regrole, datacl) FROM pg_database
UNION ALL SELECT 'schema', nspname, concat_ws(' ', nspowner::regrole, nspacl) FROM pg_namespace
          WHERE nspname !~ '^pg_(temp|toast)'
UNION ALL SELECT 'default', defaclrole::regrole::text, concat_ws(' ', defaclobjtype, defaclnamespace, defaclacl)
          FROM pg_default_acl
ORDER BY 1, 2, 3
"""


def rights(starter: start.Starter) -> dict[str, list[tuple[object, ...]]]:
    return {name: run_sql(starter, "postgres", name, RIGHTS) for name in ("postgres", *DATABASES)}


DATABASES = ("airflow", "mlflow", "warehouse", "titleholder")


def test_both_stacks_have_the_same_roles_and_rights(database: start.Starter, folder: Path) -> None:
    """The local one by `provision`, at every start; the other as PostgreSQL's image runs the file, on an empty volume.

    Both on servers of their own; what a server of the local stack has had since is not compared.
    """
    provided = State(folder / "state")
    composed = State(folder / "composed")
    try:
        ours = start_postgres(provided)
        roles.provision(ours.keys, ours.record.ports["postgres"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(roles, "provision", as_the_image_does)
            theirs = start_postgres(composed)
        found = rights(ours)
        assert found == rights(theirs)
        named = {name for kind, name, _ in found["postgres"] if kind == "role"}
        assert named == set(ROLES), "no role is left out, and none is there besides"
        assert {name for kind, name, _ in found["postgres"] if kind == "database"} >= set(DATABASES)
        for role in ROLES:
            assert run_sql(theirs, role, {"postgres": "postgres", "reader": "warehouse", "loader": "warehouse"}.get(
                role, role if role in DATABASES else "titleholder"), "SELECT 1") == [(1,)]  # fmt: skip
    finally:
        stack.clean(provided)
        stack.clean(composed)


def as_the_image_does(keys: Keys, port: int) -> None:
    """Run the files of compose/initdb, with the variables that docker-compose.yaml gives to PostgreSQL."""
    given = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())["services"]["postgres"]
    folder = next(mount for mount in given["volumes"] if "initdb" in mount).split(":")[0]
    passwords = {f"{role.upper()}_DB_PASSWORD": password for role, password in keys.roles.items()}
    known = passwords | {"POSTGRES_PASSWORD": keys.roles["postgres"]}
    env = {name: known[name] for name in given["environment"] if name in known}
    env |= {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGPASSWORD": env["POSTGRES_PASSWORD"]}
    psql = [str(postgres.binaries() / "psql"), "-v", "ON_ERROR_STOP=1", "--username", "postgres", "--no-password",
            "--no-psqlrc", "--dbname", "postgres"]  # fmt: skip
    for file in sorted((PROJECT / folder).glob("*.sql")):
        subprocess.run([*psql, "-f", str(file)], env=env, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("role", "mine"),
    [
        ("airflow", {"airflow"}),
        ("mlflow", {"mlflow"}),
        ("loader", {"warehouse"}),
        ("reader", {"warehouse"}),
        ("ledger", {"titleholder"}),
        ("ledger_reader", {"titleholder"}),
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


def test_data_survives_a_kill_of_the_server_and_a_lost_record(folder: Path) -> None:
    state = State(folder / "state")
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
        assert_stops_without_its_record(state)
    finally:
        stack.clean(state)


def assert_stops_without_its_record(state: State) -> None:
    (state.root / "stack.json").unlink()
    assert stack.down(state)
    assert not leftovers(state)
    assert not stack.down(state)


def test_an_interrupted_initdb_is_started_over(folder: Path) -> None:
    state = State(folder / "state")
    try:
        state.prepare()
        (state.root / "postgres.new").mkdir()
        (state.root / "postgres.new" / "PG_VERSION").write_text("18\n")
        assert run_sql(start_postgres(state), "loader", "warehouse", "SELECT 1") == [(1,)]
    finally:
        stack.clean(state)


def test_a_server_that_cannot_start_names_its_log_and_its_last_words(folder: Path) -> None:
    state = State(folder / "state")
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


def test_the_whole_stack_up_twice_broken_and_down(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(folder / "state")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-services")
    called: list[str] = []
    try:
        first = stack.up(state, after_postgres=[called.append])
        assert [item.name for item in first if item.up] == list(services.ORDER)
        assert called == [ledger_url(state, "ledger_owner")]
        assert_environments(state)
        assert listening(state) == {"127.0.0.1"}

        began = time.monotonic()
        assert stack.up(state) == first
        assert time.monotonic() - began < 15

        scheduler = state.read().services["scheduler"]
        os.kill(scheduler.pid, signal.SIGKILL)
        wait_until_gone(scheduler.pid)
        assert {item.name for item in stack.status(state) if not item.up} == {"scheduler"}
        assert processes.find(str(state.root))["scheduler"], "its workers are still there"

        assert_stops_without_its_record(state)
    finally:
        stack.clean(state)


def assert_environments(state: State) -> None:
    """What the real processes of a running stack, children included, know of its passwords and of their caller."""
    keys, environments = ensure_keys(state), dict[str, str]()
    for service, group in processes.find(str(state.root)).items():
        for process in group:
            with contextlib.suppress(psutil.NoSuchProcess):
                environments[service] = environments.get(service, "") + Path(f"/proc/{process.pid}/environ").read_text()
    assert set(environments) == set(services.ORDER)
    knows = {
        service: {role for role, password in keys.roles.items() if password in text}
        for service, text in environments.items()
    }
    assert knows == {
        "postgres": set(), "mlflow": {"mlflow"}, "triggerer": {"airflow"}, "scheduler": {"airflow", "ledger", "reader"},
        "api-server": {"airflow", "ledger_reader"}, "dag-processor": {"airflow", "ledger_reader"},
    }  # fmt: skip
    logs_in = {
        service: {user for user, password in keys.mlflow.items() if password in text}
        for service, text in environments.items()
    }
    assert logs_in == {
        "mlflow": {"titleholder", "reader"}, "scheduler": {"titleholder"}, "api-server": {"reader"},
        "postgres": set(), "triggerer": set(), "dag-processor": set(),
    }  # fmt: skip
    assert not [service for service, text in environments.items() if "not-for-services" in text]


FORKED = """
import os, sys, threading
sys.argv = ["airflow", "scheduler"]
import airflow_local_settings
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
assert {"mlflow", "skops.io", "sklearn.ensemble", "pyarrow.parquet"} <= set(sys.modules)
assert "titleholder.workflow.steps" in sys.modules
from titleholder.reports import rendering
compiled = rendering._environment(rendering.PACKAGE).cache
assert any(name == "card.html.j2" for _, name in compiled.keys()), "templates are compiled"
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
