"""What the embedded services keep and nobody needs: files of deleted MLflow runs, old rows of Airflow, old logs.

`titleholder gc` says which runs and models may go, and deletes them in MLflow; this frees their files. Nothing here
touches the ledger, the warehouse or the snapshots.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from localstack import environments
from localstack.keys import load_keys
from localstack.ports import HOST
from localstack.services import executable
from localstack.settings import mlflow_database
from localstack.state import State
from titleholder.errors import ServiceError

TABLES = (
    "asset_event", "callback", "dag_run", "deadline", "import_error", "job", "revoked_token", "task_instance",
    "task_instance_history", "task_reschedule", "trigger", "xcom",
)  # fmt: skip
"""What of Airflow's database is cleaned. Its audit log, its DAGs and their versions stay."""
PATIENCE = 1800
"""Seconds that one clean-up may take."""


class OldLogs(NamedTuple):
    """The logs of tasks that were last written before a day."""

    files: int
    bytes: int


def prune(state: State, days: int, *, delete: bool, on_step: Callable[[str], None] = lambda _: None) -> OldLogs:
    """Delete, or only look at, what is older than so many days; `on_step` gets what is done next.

    Raises:
        ServiceError: when no stack was ever started here, or a clean-up fails, with its last lines.
    """
    then = datetime.now(UTC) - timedelta(days=days)
    on_step("logs of tasks")
    logs = list(_old_logs(state, time.time() - days * 86400))
    found = OldLogs(len(logs), sum(path.stat().st_size for path in logs))
    if delete:
        for path in logs:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # a folder that is not empty stays
                path.parent.rmdir()
    on_step("rows of Airflow")
    _run("airflow-migration", state, _airflow(then, delete=delete))
    if delete:
        on_step("files of deleted runs and models in MLflow")
        _run("mlflow-gc", state, _mlflow(state, days))
    return found


def _old_logs(state: State, before: float) -> Iterator[Path]:
    for folder, _, names in os.walk(state.airflow / "logs"):
        for path in (Path(folder) / name for name in names):
            if path.suffix == ".log" and path.lstat().st_mtime < before:
                yield path


def _airflow(then: datetime, *, delete: bool) -> list[str]:
    command = [executable("airflow"), "db", "clean", "--clean-before-timestamp", then.isoformat()]
    how = ["--skip-archive", "--error-on-cleanup-failure"] if delete else ["--dry-run"]
    return [*command, "--tables", ",".join(TABLES), "--yes", *how]


def _mlflow(state: State, days: int) -> list[str]:
    ports = state.read().ports
    served = [
        "--backend-store-uri",
        mlflow_database(ports["postgres"]),
        "--tracking-uri",
        f"http://{HOST}:{ports['mlflow']}",
    ]
    return [executable("mlflow"), "gc", "--older-than", f"{days}d", *served]


def _run(process: str, state: State, command: list[str]) -> None:
    """Run a command in the environment of one of the stack's processes."""
    environment = environments.of(process, state, load_keys(state), state.read().ports)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise ServiceError(f"{' '.join(command[:3])} has not ended after {PATIENCE} s") from None
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise ServiceError(f"{' '.join(command[:3])} failed. Is the stack up? Its last lines:\n{last}")
