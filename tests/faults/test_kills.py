"""SIGKILL of every service in every step: five runs, in each of which every step meets the death of a service."""

from __future__ import annotations

import logging
import os
import signal

import psutil
import pytest

from support.fault_cases import Calm, assert_nothing_lost, ended_green, first_month, reached, trigger
from support.fragile import Fragile
from support.holding import STEPS
from titleholder.settings import Settings

pytestmark = pytest.mark.slow
log = logging.getLogger(__name__)
SERVICES = ("worker", "scheduler", "api-server", "mlflow", "postgres")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("shift", range(len(SERVICES)))
def test_a_service_killed_in_each_step_of_a_run(fragile: Fragile, settings: Settings, calm: Calm, shift: int) -> None:
    """A Latin square: the five runs together have each service killed once in each step, while the step runs.

    The step goes on before what was killed is started again.
    """
    model, airflow = f"shaken_{shift}", fragile.airflow
    first_month(model, settings)
    for step in STEPS:
        fragile.hold(model, step)
    run_id = trigger(airflow, model, model)
    for n, step in enumerate(STEPS):
        service, task = SERVICES[(n + shift) % len(SERVICES)], reached(fragile, model, run_id, step)
        log.info("%s: %s is killed in %s", model, service, step)
        kill_worker(task) if service == "worker" else fragile.kill(service)
        fragile.release(model, step)
        if service == "postgres":
            fragile.start_postgres()
        fragile.up()
    ended_green(fragile, model, run_id)
    assert_nothing_lost(model, run_id, calm.rows, settings)


def kill_worker(task: int) -> None:
    """A task's process, and the worker that watches it: as when a machine loses power."""
    worker = psutil.Process(task).parent()
    assert worker is not None
    for pid in (worker.pid, task):
        os.kill(pid, signal.SIGKILL)
