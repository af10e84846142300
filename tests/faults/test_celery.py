"""The stack of docker-compose.yaml: a worker killed in the middle of training, the broker killed, the store away."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from localstack.ports import HOST
from support.audit_world import EASY
from support.celery_stack import CeleryStack, a_celery_stack, settings_of
from support.fault_cases import (
    FIRST,
    SECOND,
    Calm,
    assert_nothing_lost,
    clear_if_red,
    ended_green,
    first_month,
    trigger,
)
from support.fragile import QUICKLY
from support.retraining import retrain
from support.succession_world import write_model
from titleholder.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MODELS = ("killed", "killed_parent", "broker_held", "broker_new", "store_held", "store_new")
GIVEN_BACK = 30
"""Seconds after which the broker gives a task to another worker; 48 hours in docker-compose.yaml."""
AWAY = float(os.environ.get("TITLEHOLDER_AWAY_SECONDS", "60"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in ("calm", *MODELS):
        write_model(folder, name, judgement=EASY)
    return folder


@pytest.fixture(scope="module")
def stack(models: Path) -> Iterator[CeleryStack]:
    given_back = {"AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": str(GIVEN_BACK)}
    more = {**QUICKLY, **given_back, "TITLEHOLDER_RETRY_SECONDS": "4"}
    with a_celery_stack(models, more, holds=True) as stack:
        for name in MODELS:
            stack.airflow.wait_for_dag(f"{name}.retrain")
            stack.airflow.pause(f"{name}.retrain", False)
        yield stack


@pytest.fixture(scope="module")
def settings(stack: CeleryStack) -> Iterator[Settings]:
    with settings_of(stack) as settings:
        yield settings


@pytest.fixture(scope="module")
def calm(settings: Settings) -> Calm:
    """Two months that nothing disturbed: what every other model's months must be like."""
    return Calm([retrain("calm", month, "live", settings, report=True) for month in (FIRST, SECOND)])


def tries(stack: CeleryStack, model: str, run_id: str) -> dict[str, int]:
    return {task["task_id"]: task["try_number"] for task in stack.airflow.tasks(f"{model}.retrain", run_id)}


def unfinished(stack: CeleryStack) -> int:
    """How many tasks the broker has given to workers that have not said that they are done with them."""
    broker = redis.Redis(HOST, stack.ports["valkey"], password=stack.values["BROKER_PASSWORD"])
    return int(broker.hlen("unacked"))  # type: ignore[arg-type]


def test_a_worker_killed_in_the_middle_of_training(stack: CeleryStack, settings: Settings, calm: Calm) -> None:
    """The training is tried again. What the dead worker had taken is given to another later, and refused by Airflow."""
    first_month("killed", settings)
    stack.hold("killed", "fit")
    run_id = trigger(stack.airflow, "killed", "killed")
    stack.reached("killed", "fit")
    stack.stop("airflow-worker-training", signal.SIGKILL)
    killed = time.monotonic()
    stack.release("killed", "fit")
    stack.start("airflow-worker-training")
    ended_green(stack, "killed", run_id)
    assert tries(stack, "killed", run_id)["train.scorecard"] >= 2
    assert_nothing_lost("killed", run_id, calm.rows, settings)
    while unfinished(stack):
        assert time.monotonic() < killed + 6 * GIVEN_BACK, "the broker keeps what the dead worker had"
        time.sleep(1)
    assert time.monotonic() > killed + GIVEN_BACK
    assert_nothing_lost("killed", run_id, calm.rows, settings)


def test_a_process_of_the_pool_killed_in_the_middle_of_training(
    stack: CeleryStack, settings: Settings, calm: Calm
) -> None:
    """As when memory runs out: Celery starts another, and tells Airflow."""
    first_month("killed_parent", settings)
    stack.hold("killed_parent", "fit")
    run_id = trigger(stack.airflow, "killed_parent", "killed_parent")
    task = stack.reached("killed_parent", "fit")
    (pool,) = (
        process for process in stack.of("airflow-worker-training") if task in [c.pid for c in process.children()]
    )
    os.kill(pool.pid, signal.SIGKILL)
    os.kill(task, signal.SIGKILL)
    stack.release("killed_parent", "fit")
    ended_green(stack, "killed_parent", run_id)
    assert tries(stack, "killed_parent", run_id)["train.scorecard"] >= 2
    assert_nothing_lost("killed_parent", run_id, calm.rows, settings)


def test_the_broker_killed_under_a_training_and_away_when_another_run_begins(
    stack: CeleryStack, settings: Settings, calm: Calm
) -> None:
    """The training goes on. What could not be sent is tried again, or red, and goes on once it is cleared."""
    for model in ("broker_held", "broker_new"):
        first_month(model, settings)
    stack.hold("broker_held", "fit")
    held = trigger(stack.airflow, "broker_held", "broker_held")
    task = stack.reached("broker_held", "fit")
    stack.stop("valkey", signal.SIGKILL)
    new = trigger(stack.airflow, "broker_new", "broker_new")
    time.sleep(AWAY / 3)
    os.kill(task, 0)  # it is still there
    stack.start("valkey")
    stack.release("broker_held", "fit")
    for model, run_id in (("broker_held", held), ("broker_new", new)):
        ended_green(stack, model, run_id)
        assert_nothing_lost(model, run_id, calm.rows, settings)


def test_the_store_away_for_a_minute(stack: CeleryStack, settings: Settings, calm: Calm) -> None:
    """A training that cannot store its scores, an extraction its snapshot: tried again, red, green once cleared."""
    for model in ("store_held", "store_new"):
        first_month(model, settings)
    stack.hold("store_held", "fit")
    held = trigger(stack.airflow, "store_held", "store_held")
    stack.reached("store_held", "fit")
    stack.gate.close()
    began = time.monotonic()
    stack.release("store_held", "fit")
    new = trigger(stack.airflow, "store_new", "store_new")
    time.sleep(AWAY)
    stack.gate.open()
    assert time.monotonic() - began >= AWAY
    for model, run_id in (("store_held", held), ("store_new", new)):
        clear_if_red(stack, model, run_id)
        ended_green(stack, model, run_id)
        assert_nothing_lost(model, run_id, calm.rows, settings)
