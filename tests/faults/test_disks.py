"""Disks that are full and stores that refuse writes: at the extract, while a candidate is trained, and as it is logged."""

from __future__ import annotations

import os

import pytest

from support.fault_cases import Calm, assert_nothing_lost, first_month, trigger
from support.fragile import Fragile, Harm, full, read_only
from titleholder.data.storage import PART
from titleholder.ledger import store
from titleholder.registry.client import Registry
from titleholder.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount small disks")]
SAID = {full: "No space left on device", read_only: "Read-only file system"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("harm", [full, read_only])
def test_a_disk_that_takes_nothing(fragile: Fragile, settings: Settings, calm: Calm, harm: Harm) -> None:
    """Each time the run ends red and says which place; nothing half-written stays; cleared, it goes on to its end."""
    model, airflow = harm.__name__, fragile.airflow
    champion = first_month(model, settings).champion_after
    dag, snapshots, artifacts = f"{model}.retrain", fragile.state.snapshots, fragile.state.artifacts
    fragile.hold(model, "fit")

    def red(task: str, *said: str) -> None:
        assert airflow.wait_for_run(dag, run_id) == "failed"
        assert {t["task_id"].partition(".")[0] for t in airflow.tasks(dag, run_id) if t["state"] == "failed"} >= {task}
        failures = airflow.failures(dag, run_id)
        assert [text for text in said if text not in failures] == [], failures
        assert not list(snapshots.rglob(f"*{PART}"))
        assert len(store.read(settings.ledger_url, model, "live")) == 1
        assert Registry(settings.tracking_uri).models.champion(model) == champion

    with harm(snapshots):
        run_id = trigger(airflow, model, model)
        red("extract", f"snapshots: {snapshots} cannot be written: ", SAID[harm])
    airflow.clear(dag, run_id)
    fragile.reached(model, "fit")
    with harm(snapshots):
        fragile.release(model, "fit")
        red("train", f"scores: {snapshots}/scores/{model}/", "cannot be written", SAID[harm])
    fragile.hold(model, "train")
    airflow.clear(dag, run_id)
    fragile.reached(model, "train")
    with harm(artifacts):
        fragile.release(model, "train")
        red("train", "MLflow at")
    airflow.clear(dag, run_id)
    airflow.wait_for_success(dag, run_id)
    assert_nothing_lost(model, run_id, calm.rows, settings)
