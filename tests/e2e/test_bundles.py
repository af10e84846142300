"""A model that a team pushes to Git: the ledger has the commit, and nothing is decided where it changed within a run."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from localstack.airflow import Airflow
from localstack.state import State
from support.git_bundle import BUNDLE, MODEL, Repository
from support.stacks import users_of
from titleholder.ledger import store
from titleholder.settings import Settings, code_version

pytestmark = pytest.mark.slow
DAG, LANE = f"{MODEL}.retrain", "pushed"


@pytest.fixture(scope="module")
def airflow(state: State) -> Airflow:
    return users_of(state, (DAG,))["admin"]


def cleared(airflow: Airflow, run_id: str, task: str, *, latest: bool) -> str:
    """How the run ends after a task and those after it were cleared."""
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task], "only_failed": False,
            "include_downstream": True, "reset_dag_runs": True, "run_on_latest_version": latest}  # fmt: skip
    airflow._send("POST", f"/api/v2/dags/{DAG}/clearTaskInstances", body)
    return airflow.wait_for_run(DAG, run_id)


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_push_within_a_run_is_no_part_of_it(airflow: Airflow, settings: Settings, pushed: Repository) -> None:
    started = airflow.get(f"/dags/{DAG}/details")["bundle_version"]
    run_id = airflow.trigger(DAG, {"as_of": "2024-02-01", "lane": LANE, "train_boosting": False})
    airflow.wait_for_success(DAG, run_id)
    (row,) = store.read(settings.ledger_url, MODEL, LANE)
    assert row.code_version == f"{code_version()}, bundle {BUNDLE} at {started}"

    text = (pushed.clone / "dags/models/tiny.sql").read_text()
    latest = pushed.push("dags/models/tiny.sql", f"{text}-- changed\n")
    wait_until(lambda: airflow.get(f"/dags/{DAG}/details")["bundle_version"] == latest)
    assert cleared(airflow, run_id, "promote", latest=False) == "success"
    assert cleared(airflow, run_id, "promote", latest=True) == "failed"
    task = f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/promote"
    log = str(airflow.get(f"{task}/logs/{airflow.get(task)['try_number']}"))
    assert f"extract ran from {BUNDLE} at {started}, promote runs from {BUNDLE} at {latest}. Nothing was decided" in log
    assert len(store.read(settings.ledger_url, MODEL, LANE)) == 1

    assert cleared(airflow, run_id, "extract", latest=True) == "success"
    newest = store.read(settings.ledger_url, MODEL, LANE)[-1]
    assert newest.code_version.endswith(f"bundle {BUNDLE} at {latest}")
