"""Stacks for the slow tests, and the table `tiny` that their models are trained on."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import NullPool, create_engine

from localstack import postgres, processes
from localstack import stack as local
from localstack.airflow import Airflow
from localstack.cli import migrate_ledger
from localstack.settings import environment, ledger_url
from localstack.state import State
from support import tables

MODELS = Path(__file__).parent / "models"
MEASURED = ("api-server",)
"""The services whose coverage is measured, which slows Python by half: the page Champions runs in the API server. Of
MLflow only the login is code of this project, which unit tests measure; the steps that tasks run are measured by
tests/integration, tasks by tests/dags."""


AIRFLOW = {
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
}
"""More settings of Airflow: the successor of a killed scheduler has its tasks in 25 seconds at most, not in a minute."""


UNSYNCED = ["-c", "fsync=off"]
"""More arguments of PostgreSQL: it writes as ever, but does not wait for the disk. What it has committed survives its own
death, as tests show, and only a power cut could take it, which no test has. Those of tests/faults do without them."""


def execute_as(state: State, role: str, statement: str) -> None:
    """A statement in the ledger's database, in a transaction that asks to write."""
    connected = create_engine(ledger_url(state, role), poolclass=NullPool)
    with connected.begin() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        connection.exec_driver_sql(statement)


def adapt_services(patch: pytest.MonkeyPatch) -> None:
    """Let coverage measure only some of the services that are started, Airflow miss a scheduler sooner, PostgreSQL not wait."""
    started = processes.start

    def start(service: str, argv: Sequence[str], *, env: Mapping[str, str], **options: Any) -> subprocess.Popen[bytes]:
        measured = {k: os.environ[k] for k in ("COVERAGE_PROCESS_CONFIG",) if service in MEASURED and k in os.environ}
        argv = [*argv, *UNSYNCED] if service == "postgres" else argv
        return started(service, argv, env={**env, **measured, **AIRFLOW}, **options)

    patch.setattr(processes, "start", start)
    patch.setattr(postgres, "_CREATION", (*postgres._CREATION, "--no-sync"))


@contextmanager
def a_stack(*, airflow: bool) -> Iterator[State]:
    """A running stack whose models are those in tests/support/models, with the table `tiny` in its warehouse.

    Not below pytest's own folder: every pytest session closes that to all but its user, root for example, and then
    PostgreSQL, which is never root, cannot write its control file by its full path and panics at the next checkpoint.
    """
    state = State(Path(tempfile.mkdtemp(prefix="titleholder-stack-")))
    try:
        with pytest.MonkeyPatch.context() as patch:  # for the services only: unit tests read the shipped models
            patch.setenv("TITLEHOLDER_MODELS", str(MODELS))
            patch.setenv("TITLEHOLDER_RETRY_SECONDS", "1")
            patch.setenv("TITLEHOLDER_USERS", "risk-lead:op,cfo:op,intern:op,auditor:viewer")
            local.up(state, airflow=airflow, after_postgres=[migrate_ledger])
        fill_tiny(environment(state)["TITLEHOLDER_LOADER_URL"])
        yield state
    finally:
        local.clean(state)
        shutil.rmtree(state.root, ignore_errors=True)


def users_of(state: State, dags: Sequence[str], *others: str) -> dict[str, Airflow]:
    """Airflow as the admin and other users of a stack use it, with these DAGs switched on."""
    found = {name: Airflow.of(state, name) for name in ("admin", *others)}
    for dag in dags:
        found["admin"].wait_for_dag(dag)
        found["admin"].pause(dag, False)
    return found


def read_again(airflow: Airflow, dag: str) -> None:
    """Ask Airflow to read a DAG's file now, as its page can: by itself it does every half minute."""
    token = airflow.get(f"/dags/{dag}/details")["file_token"]
    airflow._send("PUT", f"/api/v2/parseDagFile/{token}")


def tiny_rows(seed: int = 11, months: int = 18, per_month: int = 400) -> pd.DataFrame:
    """Events from January 2023 on, whose outcome leans on `signal`; the lean turns around slowly."""
    rng = np.random.default_rng(seed)
    size = months * per_month
    month = np.repeat(np.arange(months), per_month)
    happened = pd.Timestamp("2023-01-01", tz="UTC") + pd.to_timedelta(month * 30.4 + rng.uniform(0, 30, size), unit="D")
    signal, noise = rng.normal(size=(2, size))
    kind = rng.choice(["red", "green", "blue"], size)
    lean = 1.2 * np.cos(month / 16) * signal + 1.2 * np.sin(month / 16) * noise + 0.8 * (kind == "red")
    bad = rng.uniform(size=size) < 1 / (1 + np.exp(1.5 - lean))
    frame = pd.DataFrame({"id": np.arange(size), "happened_at": happened, "bad": bad.astype(int)})
    frame["known_at"] = frame["happened_at"] + pd.to_timedelta(bad * rng.uniform(1, 40, size), unit="D")
    frame["signal"] = np.where(rng.uniform(size=size) < 0.05, np.nan, signal)
    frame["noise"], frame["price"], frame["kind"] = noise, rng.integers(100, 10_000, size) / 100, kind
    frame["amount"] = 3 * frame["noise"] + frame["price"] / 10 + rng.normal(size=size)
    return frame


def fill_tiny(url: str) -> None:
    """Make the table `tiny`, in place of one that is there; `price` is NUMERIC, as money is."""
    engine = create_engine(url)
    with engine.begin() as connection:
        tables.write(tiny_rows(), connection, "tiny")
        connection.exec_driver_sql("ALTER TABLE tiny ALTER COLUMN price TYPE numeric(12, 2)")
    engine.dispose()
