"""A whole stack that tests break: its processes can be killed, its disks filled, its tasks held in a step."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from localstack import ports, postgres, processes
from localstack import stack as local
from localstack.airflow import Airflow
from localstack.cli import migrate_ledger
from localstack.keys import ensure_keys
from localstack.services import services
from localstack.settings import environment
from localstack.start import Starter, ignore
from localstack.state import State
from support.holding import FOLDER
from support.holds import Holds
from support.stacks import fill_tiny

HERE = Path(__file__).parent
log = logging.getLogger(__name__)
QUICKLY = {
    # A dead worker and a dead scheduler are noticed sooner than config/airflow.env says: after 20 seconds, not 90 and 30.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
PORTS = {"postgres": 25432, "mlflow": 25000, "airflow": 28080}
"""Ports that no other stack takes while one of these services is dead."""


@dataclass
class Fragile(Holds):
    """A running stack, and what can be done to it."""

    state: State
    holds: Path

    @functools.cached_property
    def airflow(self) -> Airflow:
        """Its admin."""
        return Airflow.of(self.state)

    def up(self) -> None:
        """Start what is down."""
        local.up(self.state, after_postgres=[migrate_ledger])

    def kill(self, service: str) -> None:
        """SIGKILL: of PostgreSQL and the scheduler the main process, whose children notice; of others every process."""
        found = processes.find(str(self.state.root))[service]
        if service in ("postgres", "scheduler"):
            found = [psutil.Process(self.state.read().services[service].pid)]
        processes.stop(found, first=signal.SIGKILL)

    def start_postgres(self) -> None:
        """PostgreSQL alone, as where it is another machine's: `up` starts everything anew that used it."""
        postgres.stop_server(self.state)  # its children may need a moment to notice that it is dead
        keys, record = ensure_keys(self.state), self.state.read()
        record.services.pop("postgres", None)
        starter = Starter(self.state, keys, record, ignore)
        starter.run([starter.postgres(services(self.state, keys, record.ports)["postgres"])])

    def supervise(self) -> None:
        """Start what has died, as a supervisor of services does; the tests' log says what did."""
        running = self.state.read().services
        if dead := [name for name, process in running.items() if not processes.is_alive(process)]:
            log.warning("%s died", ", ".join(dead))
            self.up()

    def shift_clock(self, reason: str, seconds: int) -> None:
        """Let the clock of the run's tasks be wrong."""
        (self.holds / f"{reason}.clock").write_text(str(seconds))


@contextmanager
def a_fragile_stack(models: Path, more: Mapping[str, str]) -> Iterator[Fragile]:
    """PostgreSQL, MLflow and Airflow with these models; `more` is the scheduler's environment besides.

    Where the user may mount, snapshots and MLflow's files each have a small disk of their own.
    """
    state = State(Path(tempfile.mkdtemp(prefix="titleholder-faults-")))
    holds = state.root / "holds"
    holds.mkdir()
    fragile = Fragile(state, holds)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ports, "PREFERRED", PORTS)
            patch.setenv("TITLEHOLDER_MODELS", str(models))
            patch.setenv("TITLEHOLDER_RETRY_SECONDS", "4")
            _adapt_scheduler(patch, {FOLDER: str(holds), **more})
            for disk in (state.snapshots, state.artifacts):
                disk.mkdir()
                if os.geteuid() == 0:
                    _mount(disk)
            fragile.up()
            fill_tiny(environment(state)["TITLEHOLDER_LOADER_URL"])
            yield fragile
    finally:
        local.down(state)
        for disk in (state.snapshots, state.artifacts):
            subprocess.run(["umount", "--lazy", str(disk)], check=False, capture_output=True)
        local.clean(state)
        shutil.rmtree(state.root, ignore_errors=True)


def _adapt_scheduler(patch: pytest.MonkeyPatch, more: Mapping[str, str]) -> None:
    started = processes.start

    def start(service: str, argv: Sequence[str], *, env: Mapping[str, str], **options: Any) -> Any:
        if service == "scheduler":
            path = os.pathsep.join([str(HERE / "scheduler"), env["PYTHONPATH"]])
            env = {**env, **QUICKLY, **more, "PYTHONPATH": path}
        return started(service, argv, env=env, **options)

    patch.setattr(processes, "start", start)


def _mount(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m,mode=700", "tmpfs", str(folder)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """A disk without a free byte."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"0")
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """A disk that refuses every write."""
    _remount(disk, "ro")
    try:
        yield
    finally:
        _remount(disk, "rw")


def _remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


Harm = Callable[[Path], contextlib.AbstractContextManager[None]]


def wrong_clock(folder: Path) -> Path | None:
    """A library with a clock that can be set wrong, for LD_PRELOAD; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "wrong_clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "wrong_clock.c", "-ldl"], check=True)
    return library
