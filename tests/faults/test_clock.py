"""The clock of the machine that runs the tasks is an hour off: neither as-of date nor ledger depends on it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient

from support.fault_cases import Calm, assert_nothing_lost, first_month, trigger
from support.fragile import Fragile
from titleholder.ledger import store
from titleholder.settings import Settings

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("model", "off"), [("fast_clock", 3600), ("slow_clock", -3600)])
def test_a_workers_clock_is_an_hour_off(
    fragile: Fragile, settings: Settings, calm: Calm, clock: Path | None, model: str, off: int
) -> None:
    if clock is None:
        pytest.skip("no C compiler (cc) to make a clock that can be wrong")
    first_month(model, settings)
    fragile.shift_clock(model, off)
    began = datetime.now(UTC)
    run_id = trigger(fragile.airflow, model, model)
    fragile.airflow.wait_for_success(f"{model}.retrain", run_id)
    assert_nothing_lost(model, run_id, calm.rows, settings)
    row = store.read(settings.ledger_url, model, "live")[-1]
    assert began <= row.created_at <= datetime.now(UTC), "the ledger's time is the database's"
    run = MlflowClient(settings.tracking_uri).get_run(row.mlflow_run_id)
    shown = run.info.end_time / 1000 - time.time()
    assert off - 300 < shown < off + 300, "MLflow shows the time of the task's own clock: it was wrong"
