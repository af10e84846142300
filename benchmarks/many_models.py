"""Many small models due at the same tick, on docker-compose.yaml as processes: Celery, an object store, two cores.

    PYTHONPATH=include:tests python benchmarks/many_models.py --models 200

Measured from the outside while they run: connections to PostgreSQL, proportional memory (PSS) of each service, the age
of the scheduler's heartbeat. Afterwards: one decision and one version for each model, and how often tasks were tried.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
from sqlalchemy import create_engine

from localstack.airflow import Airflow
from localstack.ports import HOST
from localstack.processes import find
from support.audit_world import EASY
from support.celery_stack import CeleryStack, a_celery_stack, settings_of
from support.stacks import fill_tiny
from support.succession_world import write_model
from titleholder.ledger import store
from titleholder.registry.client import Registry
from titleholder.workflow.audit import audit

BOOSTING = "    boosting:"
EVERY = 5.0
AS_IN_USE = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30"}  # tests read the DAG files more often


def write_models(folder: Path, count: int) -> list[str]:
    """Models with one candidate, which differ by name only; each has a tick this month, and none before."""
    names = [f"model_{n:03}" for n in range(count)]
    for name in names:
        write_model(folder, name, judgement=EASY)
        text = (folder / f"{name}.yaml").read_text()
        start, end = text.index(BOOSTING), text.index("judgement:")
        text = re.sub(r"end_date: .*\n", "", text[:start] + text[end:])
        (folder / f"{name}.yaml").write_text(text)
    return names


def fill(url: str) -> None:
    """The table of the tests, moved so that its last month is the one before this."""
    fill_tiny(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        moved = "date_trunc('month', now()) - timestamptz '2024-07-01'"
        connection.exec_driver_sql(
            f"UPDATE tiny SET happened_at = happened_at + ({moved}), known_at = known_at + ({moved})"
        )
    engine.dispose()


class Watch:
    """The largest figures seen every five seconds."""

    def __init__(self, stack: CeleryStack, airflow: Airflow) -> None:
        self.stack, self.airflow, self.largest, self.failed = stack, airflow, Counter[str](), Counter[str]()

    def look(self) -> None:
        """Take one sample."""
        seen = Counter[str]()
        with closing(self._superuser()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT usename, count(*) FROM pg_stat_activity WHERE usename IS NOT NULL GROUP BY 1")
            for user, count in cursor.fetchall():
                seen[f"connections of {user}"] = count
                seen["connections"] += count
        for service, processes in find(str(self.stack.root)).items():
            memory = sum(_pss(process.pid) for process in processes)
            seen[f"MB of {service}"] = memory >> 20
            seen["MB of all"] += memory >> 20
        beat = self.airflow.get("/monitor/health")["scheduler"]["latest_scheduler_heartbeat"]
        seen["seconds since the scheduler's heartbeat"] = int(
            (datetime.now(UTC) - datetime.fromisoformat(beat)).total_seconds()
        )
        self.largest |= seen

    def _superuser(self) -> psycopg2.extensions.connection:
        password = self.stack.values["POSTGRES_PASSWORD"]
        return psycopg2.connect(
            host=HOST, port=self.stack.ports["postgres"], user="postgres", password=password, dbname="postgres"
        )


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


@contextmanager
def watched(stack: CeleryStack, airflow: Airflow) -> Iterator[Watch]:
    """Look every five seconds."""
    watch, done = Watch(stack, airflow), threading.Event()

    def look() -> None:
        while not done.wait(EVERY):
            try:
                watch.look()
            except Exception as error:  # what cannot answer is a finding, too
                watch.failed[type(error).__name__] += 1

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()


def main(count: int, most_minutes: float) -> None:
    """Run them, and print what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        models.chmod(0o755)
        names = write_models(models, count)
        with a_celery_stack(models, AS_IN_USE) as stack, settings_of(stack) as settings:
            fill(stack.environment("titleholder")["TITLEHOLDER_LOADER_URL"])
            airflow = stack.airflow
            for name in names:
                airflow.wait_for_dag(f"{name}.retrain")
            with watched(stack, airflow) as watch:
                began = time.monotonic()
                for name in names:  # the newest tick is due
                    airflow.pause(f"{name}.retrain", False)
                print(f"{count} switched on in {time.monotonic() - began:.0f} s", flush=True)
                states = _wait(airflow, count, began + 60 * most_minutes)
                print(f"{dict(states)} after {time.monotonic() - began:.0f} s", flush=True)
            for what, most in sorted(watch.largest.items()):
                print(f"{what}: {most}")
            print("looks that failed", dict(watch.failed))
            rows = {name: store.read(settings.ledger_url, name, "live") for name in names}
            models_of = Registry(settings.tracking_uri).models.of_model
            print("decisions per model", Counter(len(found) for found in rows.values()))
            print("versions per model", Counter(len(list(models_of(name))) for name in names))
            tasks = [
                t
                for name in names
                for run in airflow.runs(f"{name}.retrain")
                for t in airflow.tasks(f"{name}.retrain", run["dag_run_id"])
            ]
            print(
                "tries",
                Counter(task["try_number"] for task in tasks),
                "states",
                Counter(task["state"] for task in tasks),
            )
            print("findings of the audit", len(audit(names, settings=settings).findings))


def _wait(airflow: Airflow, count: int, until: float) -> Counter[str]:
    while True:
        ended = Counter({state: _count(airflow, state) for state in ("success", "failed")})
        if ended.total() >= count or time.monotonic() > until:
            return ended
        time.sleep(2)


def _count(airflow: Airflow, state: str) -> int:
    return int(airflow.get(f"/dags/~/dagRuns?limit=1&state={state}")["total_entries"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    main(given.models, given.minutes)
