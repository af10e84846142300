"""docker-compose.yaml as processes: a backfill and live months through Celery workers that share servers, and no folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from localstack.airflow import Airflow
from support.audit_world import EASY
from support.celery_stack import BUCKET, CeleryStack, a_celery_stack, settings_of
from support.compose_file import WORKERS
from support.fault_cases import outcome
from support.retraining import in_force, retrain
from support.succession_world import write_model
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.workflow.audit import audit

pytestmark = pytest.mark.slow
MODEL, DAG = "spread", "spread.retrain"
MONTHS = [date(2024, month, 1) for month in (1, 2)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, MODEL, judgement=EASY)
    return folder


@pytest.fixture(scope="module")
def stack(models: Path) -> Iterator[CeleryStack]:
    more = {"TITLEHOLDER_RETRY_SECONDS": "1", "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30"}
    with a_celery_stack(models, more) as stack:
        yield stack


@pytest.fixture(scope="module")
def settings(stack: CeleryStack) -> Iterator[Settings]:
    with settings_of(stack) as settings:
        yield settings


@pytest.fixture(scope="module")
def airflow(stack: CeleryStack) -> Airflow:
    """Its first user, whom `airflow-init` made: logged in by the login of production."""
    airflow = stack.airflow
    airflow.wait_for_dag(DAG)
    airflow.pause(DAG, False)
    return airflow


@pytest.fixture(scope="module")
def decided(airflow: Airflow, settings: Settings) -> list[Decision]:
    """Two months of a backfill, at once."""
    airflow.backfill(DAG, str(MONTHS[0]), str(MONTHS[-1]), at_once=2)
    deadline = time.monotonic() + 300
    while not airflow.have_ended(DAG, "backfill", at_least=len(MONTHS)):
        assert time.monotonic() < deadline, airflow.runs(DAG)
        time.sleep(0.5)
    return store.read(settings.ledger_url, MODEL, "backtest")


def test_a_backfill_decides_each_month_once_and_as_one_process_does(
    airflow: Airflow, decided: list[Decision], settings: Settings
) -> None:
    assert {run["state"] for run in airflow.runs(DAG, "backfill")} == {"success"}
    for month in MONTHS:
        retrain(MODEL, month, "by-hand", settings)
    by_celery, by_hand = (in_force(MODEL, lane, settings) for lane in ("backtest", "by-hand"))
    assert [row.as_of for row in by_celery] == MONTHS
    assert [outcome(row, by_celery) for row in by_celery] == [outcome(row, by_hand) for row in by_hand]


def test_trainings_ran_in_the_one_worker_and_all_else_in_the_other(
    stack: CeleryStack, airflow: Airflow, decided: list[Decision]
) -> None:
    ran = {name: set[str]() for name in WORKERS}
    for worker, tasks in ran.items():
        logs = (stack.root / worker / "airflow" / "logs").rglob("task_id=*")
        tasks.update(folder.name.removeprefix("task_id=") for folder in logs)
    trainings = {"train.scorecard", "train.boosting"}
    others = {"extract", "nominate", "validate", "promote", "report"}
    assert ran == {"airflow-worker": others, "airflow-worker-training": trainings}
    for run in airflow.runs(DAG, "backfill"):
        queues = {task["task_id"]: task["queue"] for task in airflow.tasks(DAG, run["dag_run_id"])}
        assert queues == {**dict.fromkeys(others, "default"), **dict.fromkeys(trainings, "training")}


def test_snapshots_scores_and_models_are_in_the_store_and_in_no_home(
    stack: CeleryStack, decided: list[Decision]
) -> None:
    listed = stack.store.list_objects_v2(Bucket=BUCKET)["Contents"]
    keys = [found["Key"] for found in listed]
    assert {key.split("/")[0] for key in keys} == {"snapshots", "mlflow"}
    for row in decided:
        assert [key for key in keys if row.snapshot_sha256 in key]
    assert any(key.endswith(".skops") for key in keys), "models"
    kept = [
        file for worker in WORKERS for file in (stack.root / worker).rglob("*") if file.suffix in (".parquet", ".skops")
    ]
    assert kept == []


def test_a_live_month_makes_a_champion_and_the_audit_finds_nothing(
    airflow: Airflow, decided: list[Decision], settings: Settings
) -> None:
    run_id = airflow.trigger(DAG, {"as_of": "2024-03-01", "lane": "live", "reason": "by Celery"})
    airflow.wait_for_success(DAG, run_id)
    (row,) = store.read(settings.ledger_url, MODEL, "live")
    assert (row.airflow_run, row.actor) == (f"{DAG}/{run_id}", "admin")
    assert Registry(settings.tracking_uri).models.champion(MODEL) == row.champion_after == row.challenger_version
    assert audit([MODEL], settings=settings).findings == ()


def test_a_worker_knows_nothing_of_airflows_database_and_has_imported_what_tasks_need(
    stack: CeleryStack, decided: list[Decision]
) -> None:
    """What the container's main process maps, its tasks are forked with."""
    for worker in WORKERS:
        for process in stack.of(worker):
            known = process.environ()
            assert not [name for name in known if name.startswith("AIRFLOW__DATABASE__")]
            secret = [
                stack.values[name] for name in ("AIRFLOW_DB_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_JWT_SECRET")
            ]
            assert not set(secret) & set(known.values())
            assert [m.path for m in process.memory_maps() if "/sklearn/" in m.path], process.cmdline()
    scheduler = [m.path for process in stack.of("airflow-scheduler") for m in process.memory_maps()]
    assert not [path for path in scheduler if "/sklearn/" in path], "it runs no task"
