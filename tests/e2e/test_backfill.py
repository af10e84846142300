"""Native backfills on the real scheduler: in any order, in parallel, reprocessed, and with the scheduler killed."""

from __future__ import annotations

import signal
import time
from collections import Counter
from datetime import UTC, date, datetime

import pytest
from mlflow import MlflowClient

from localstack import processes
from localstack import stack as local
from localstack.airflow import Airflow
from localstack.cli import migrate_ledger
from localstack.state import State
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.settings import Settings

pytestmark = pytest.mark.slow
MODEL, FED = "tiny_crown", "tiny_fed"
DAG = f"{MODEL}.retrain"
FIRST, LAST, MONTHS = "2023-11-01", "2024-02-01", 4
ONE = {"train_boosting": False}  # the quicker candidate alone: time is what is tested


@pytest.fixture(scope="module")
def airflow(state: State) -> Airflow:
    found = Airflow.of(state)
    for dag in (DAG, f"{FED}.retrain"):
        found.wait_for_dag(dag)
        found.pause(dag, False)
    return found


def wait_for_backfills(airflow: Airflow, seconds: float = 420) -> None:
    deadline = time.monotonic() + seconds
    while not airflow.have_ended(DAG, "backfill", MONTHS):
        assert time.monotonic() < deadline
        time.sleep(1)


def standing(settings: Settings, lane: str) -> list[Decision]:
    return reigns.in_force(store.read(settings.ledger_url, MODEL, lane), lane)


def outcome(rows: list[Decision]) -> list[tuple[object, ...]]:
    """What must not depend on order or failures: everything but ids and version numbers."""
    as_of = {r.challenger_version: r.as_of for r in rows}
    return [
        (r.as_of, r.kind, as_of.get(r.champion_after), r.snapshot_sha256, r.judged.challenger_metrics, r.judged.gain)
        for r in rows
    ]


@pytest.mark.usefixtures("recent")
def test_a_run_that_an_asset_started_has_its_start_date_as_as_of(airflow: Airflow, settings: Settings) -> None:
    (asset,) = [a for a in airflow.get("/assets")["assets"] if a["name"] == "tiny_loaded"]
    before = datetime.now(UTC).date()
    airflow.update_asset(asset["id"])
    deadline = time.monotonic() + 120
    while not (runs := airflow.runs(f"{FED}.retrain", "asset_triggered")):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    airflow.wait_for_success(f"{FED}.retrain", runs[0]["dag_run_id"])
    rows = store.read(settings.ledger_url, FED, "live")
    (row,) = [r for r in rows if r.airflow_run == f"{FED}.retrain/{runs[0]['dag_run_id']}"]
    assert row.as_of in (before, datetime.now(UTC).date())


def test_a_scheduler_killed_in_the_middle_of_a_backfill(airflow: Airflow, settings: Settings, state: State) -> None:
    """It is restarted and continues: every month is decided once, and no model is registered twice."""
    champion = Registry(settings.tracking_uri).models.champion(MODEL)
    airflow.backfill(DAG, FIRST, LAST, at_once=2, conf={"lane": "killed", **ONE})
    deadline = time.monotonic() + 300
    while not standing(settings, "killed"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    processes.stop(processes.find(str(state.root))["scheduler"], first=signal.SIGKILL)
    decided, done = standing(settings, "killed"), airflow.have_ended(DAG, "backfill", MONTHS)
    local.up(state, after_postgres=[migrate_ledger])  # even if an assertion fails, other tests need it
    assert len(decided) < MONTHS, "it was in the middle"
    assert not done
    wait_for_backfills(airflow)
    rows = store.read(settings.ledger_url, MODEL, "killed")
    assert {r["state"] for r in airflow.runs(DAG, "backfill")} == {"success"}
    assert [r.as_of for r in standing(settings, "killed")] == [
        date(2023 + (10 + m) // 12, (10 + m) % 12 + 1, 1) for m in range(MONTHS)
    ]
    first = Counter(r.as_of for r in rows if r.caused_by is None)
    assert set(first.values()) == {1}
    client = MlflowClient(settings.tracking_uri)
    versions = client.search_model_versions(f"name = '{MODEL}' and tags.`titleholder.lane` = 'killed'")
    assert Counter(v.tags["titleholder.as_of"] for v in versions) == {str(day): 1 for day in first}
    assert Registry(settings.tracking_uri).models.champion(MODEL) == champion


def test_order_does_not_matter_and_a_reprocessed_month_gives_the_same(airflow: Airflow, settings: Settings) -> None:
    """The same months again, started by hand in another order; then one of theirs is reprocessed."""
    live = store.read(settings.ledger_url, MODEL, "live")
    shuffled = ("2024-02", "2023-12", "2023-11", "2024-01")
    runs = [airflow.trigger(DAG, {"as_of": f"{month}-01", "lane": "shuffled", **ONE}) for month in shuffled]
    for run in runs:
        airflow.wait_for_success(DAG, run)
    assert outcome(standing(settings, "shuffled")) == outcome(standing(settings, "killed"))
    airflow.backfill(DAG, "2024-01-01", "2024-01-01", at_once=1, reprocess="completed", conf={"lane": "killed", **ONE})
    wait_for_backfills(airflow)
    assert outcome(standing(settings, "shuffled")) == outcome(standing(settings, "killed"))
    assert store.read(settings.ledger_url, MODEL, "live") == live
