"""Services that are away for a while: MLflow for ten minutes, PostgreSQL for a restart under a run; a second scheduler."""

from __future__ import annotations

import os
import time
from datetime import date

import psycopg2
import pytest

from localstack import postgres, processes
from localstack.environments import of as environment_of
from localstack.keys import ensure_keys
from localstack.ports import HOST
from localstack.services import services
from support.fault_cases import FIRST, ONE, Calm, assert_nothing_lost, ended_green, first_month, outcome, trigger
from support.fragile import Fragile
from support.holding import STEPS
from support.retraining import retrain
from titleholder.ledger import reigns, store
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.workflow.audit import audit

pytestmark = pytest.mark.slow
AWAY = float(os.environ.get("TITLEHOLDER_AWAY_SECONDS", "600"))


@pytest.mark.timeout(AWAY + 900)
def test_mlflow_away_for_ten_minutes_with_a_run_in_each_step(fragile: Fragile, settings: Settings, calm: Calm) -> None:
    """Every run ends red and names MLflow; the champion stays; cleared once MLflow is back, each goes on to its end."""
    airflow, before, runs = fragile.airflow, {}, {}
    for n, step in enumerate(STEPS):
        model = f"away_{n % 2}"
        before[model] = first_month(model, settings).champion_after
        fragile.hold(f"away-{step}", step)
        runs[step] = (model, trigger(airflow, model, f"away-{step}", as_of=FIRST, lane=f"away-{step}"))
    for step in STEPS:
        fragile.reached(f"away-{step}", step)
    began = time.monotonic()
    fragile.kill("mlflow")
    for step in STEPS:
        fragile.release(f"away-{step}", step)
    for step, (model, run_id) in runs.items():
        assert airflow.wait_for_run(f"{model}.retrain", run_id) == "failed", step
        assert "MLflow at" in airflow.failures(f"{model}.retrain", run_id), step
    while time.monotonic() - began < AWAY:
        time.sleep(1)
        assert {model: store.champion(settings.ledger_url, model, "live") for model in before} == before
    fragile.up()
    assert {model: Registry(settings.tracking_uri).models.champion(model) for model in before} == before
    for model, run_id in runs.values():
        airflow.clear(f"{model}.retrain", run_id)
    for step, (model, run_id) in runs.items():
        airflow.wait_for_success(f"{model}.retrain", run_id)
        assert_nothing_lost(model, run_id, calm.rows[:1], settings, lane=f"away-{step}")


@pytest.mark.timeout(600)
def test_postgres_restarted_twice_under_a_run(fragile: Fragile, settings: Settings, calm: Calm) -> None:
    """While a candidate is trained, and between the ledger's row and the alias; Airflow's services stay up."""
    airflow, name = fragile.airflow, "restarted"
    first_month(name, settings)
    for point in ("fit", "promote"):
        fragile.hold(name, point)
    run_id = trigger(airflow, name, name)
    for point in ("fit", "promote"):
        fragile.reached(name, point)
        postgres.stop_server(fragile.state)
        fragile.release(name, point)
        fragile.start_postgres()
    fragile.up()
    ended_green(fragile, name, run_id)
    assert_nothing_lost(name, run_id, calm.rows, settings)


@pytest.mark.timeout(600)
def test_two_schedulers_share_a_backfill(fragile: Fragile, settings: Settings) -> None:
    """Both start tasks; each month is decided once, and as by one scheduler."""
    airflow, state, months = fragile.airflow, fragile.state, [date(2024, m, 1) for m in (1, 2, 3, 4)]
    keys, ports = ensure_keys(state), state.read().ports
    scheduler = services(state, keys, ports)["scheduler"]
    known = schedulers(fragile)
    second = processes.start(
        "scheduler", scheduler.argv, mark=str(state.root), log=state.log("second-scheduler"), cwd=scheduler.cwd,
        env=environment_of("scheduler", state, keys, ports),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not schedulers(fragile) - known:
            assert time.monotonic() < deadline, "the second one did not start"
            time.sleep(0.5)
        airflow.backfill("doubled.retrain", str(months[0]), str(months[-1]), at_once=4, conf={"lane": "doubled", **ONE})
        while not airflow.have_ended("doubled.retrain", "backfill", len(months)):
            assert time.monotonic() < deadline + 300
            time.sleep(0.5)
        assert {run["state"] for run in airflow.runs("doubled.retrain", "backfill")} == {"success"}
        assert len(started_tasks(fragile)) == 2, "both took part"
    finally:
        second.terminate()
        second.wait(30)
    rows = store.read(settings.ledger_url, "doubled", "doubled")
    standing = reigns.in_force(rows, "doubled")
    assert [r.as_of for r in standing] == months
    assert sorted(r.as_of for r in rows if r.caused_by is None) == months
    assert len(Registry(settings.tracking_uri).models.of_model("doubled")) == len(months)
    for month in months:
        retrain("doubled", month, "alone", settings, report=False)
    alone = reigns.in_force(store.read(settings.ledger_url, "doubled", "alone"), "alone")
    assert [outcome(r, standing) for r in standing] == [outcome(r, alone) for r in alone]
    assert audit(["doubled"], settings=settings).findings == ()


def schedulers(fragile: Fragile) -> set[int]:
    """The schedulers that run, by their jobs in Airflow's database."""
    return asked(fragile, "SELECT id FROM job WHERE job_type = 'SchedulerJob' AND state = 'running'")


def started_tasks(fragile: Fragile) -> set[int]:
    """The schedulers that queued tasks of the backfill."""
    return asked(fragile, "SELECT DISTINCT queued_by_job_id FROM task_instance WHERE dag_id = 'doubled.retrain'")


def asked(fragile: Fragile, query: str) -> set[int]:
    port, password = fragile.state.read().ports["postgres"], ensure_keys(fragile.state).roles["airflow"]
    opened = psycopg2.connect(host=HOST, port=port, user="airflow", password=password, dbname="airflow")
    try:
        with opened, opened.cursor() as cursor:
            cursor.execute(query)
            return {int(row[0]) for row in cursor.fetchall()}
    finally:
        opened.close()
