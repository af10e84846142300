"""Processes of the stack: start them in sessions of their own, find them, stop them.

A process is found by its recorded id or, when the record is lost or a parent has died, by a mark in its
environment that every child inherits. Nothing without the mark, or the recorded identity, gets a signal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from localstack.state import Running
from titleholder.errors import ServiceError

STACK_MARK = "TITLEHOLDER_STACK"
SERVICE_MARK = "TITLEHOLDER_SERVICE"
_LOG_BYTES = 20_000_000
_TAIL = 15


@dataclass(frozen=True)
class SystemUser:
    """The user that a process runs as when the command itself runs as root."""

    name: str
    uid: int
    gid: int


def start(
    service: str,
    argv: Sequence[str],
    *,
    mark: str,
    log: Path,
    cwd: Path,
    env: Mapping[str, str],
    user: SystemUser | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, marked, its output appended to `log`.

    Raises:
        ServiceError: it cannot be executed.
    """
    # setproctitle, which Airflow uses, clears the visible environment (with our mark) unless SPT_NOENV is set.
    marked = {**env, STACK_MARK: mark, SERVICE_MARK: service, "SPT_NOENV": "1"}
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        try:
            return subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=marked,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user.uid if user else None,
                group=user.gid if user else None,
                extra_groups=[] if user else None,
            )
        except OSError as error:
            raise ServiceError(f"{service} cannot be started: {argv[0]}: {error.strerror}.") from error


def log_tail(log: Path) -> str:
    """A log's name and its last lines, for a message."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-_TAIL:]
    except OSError:
        lines = []
    tail = "\n".join(f"    {line}" for line in lines) or "    (empty)"
    return f"Its log is {log} and ends with:\n{tail}"


def identify(pid: int) -> Running | None:
    """The identity to record of a process just started; None if it has ended already."""
    try:
        return Running(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(running: Running | None) -> bool:
    """Whether this very process still runs (a zombie does not, nor another one with the same id)."""
    return running is not None and _process(running) is not None


def find(mark: str) -> dict[str, list[psutil.Process]]:
    """Every live process that carries the mark, by service; never the caller or one of its ancestors."""
    excluded = _own_pids()
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            if process.pid in excluded or process.status() == psutil.STATUS_ZOMBIE:
                continue
            environ = process.environ()
        except (psutil.Error, OSError):
            continue
        if environ.get(STACK_MARK) == mark:
            found.setdefault(environ.get(SERVICE_MARK, ""), []).append(process)
    return found


def recorded(runnings: Iterable[Running]) -> list[psutil.Process]:
    """The recorded processes that still run, with their descendants."""
    processes: dict[int, psutil.Process] = {}
    for running in runnings:
        process = _process(running)
        if process is None:
            continue
        processes[process.pid] = process
        try:
            processes |= {child.pid: child for child in process.children(recursive=True)}
        except psutil.Error:
            continue
    return list(processes.values())


def stop(processes: Iterable[psutil.Process], *, first: signal.Signals = signal.SIGTERM, grace: float = 6) -> None:
    """Send `first`, wait up to `grace` seconds, then kill."""
    excluded = _own_pids()
    targets = [process for process in processes if process.pid not in excluded]
    for process in targets:
        _signal(process, first)
    remaining = _wait(targets, grace)
    for process in remaining:
        _signal(process, signal.SIGKILL)
    _wait(remaining, 5)


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those still running after so many seconds. A zombie counts as ended: only its parent can reap it."""
    deadline = time.monotonic() + seconds
    while (processes := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return processes


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _own_pids() -> set[int]:
    return {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise ServiceError(
            f"Process {process.pid} belongs to {process.username()} and may not be stopped by this user. "
            "Run the command as the user who started the stack."
        ) from error


def _process(running: Running) -> psutil.Process | None:
    try:
        process = psutil.Process(running.pid)
        # The system derives this time from the clock, which may be adjusted a little.
        same = abs(process.create_time() - running.created) < 2
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None
