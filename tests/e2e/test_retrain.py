"""The main job from the real Airflow scheduler: started through the REST API, read back from ledger and registry."""

from __future__ import annotations

import os
import signal
import time
from datetime import date
from urllib.parse import quote

import psutil
import pytest
from mlflow import MlflowClient

from localstack.airflow import Airflow
from localstack.state import State
from support.stacks import MODELS
from titleholder.ledger import reigns, store
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.spec.loader import load_specs

pytestmark = pytest.mark.slow
DAG = "tiny.retrain"


@pytest.fixture(scope="module")
def airflow(state: State) -> Airflow:
    found = Airflow.of(state)
    for dag in (DAG, "tiny_amount.retrain"):
        found.wait_for_dag(dag)
        found.pause(dag, False)
    return found


def failed_log(airflow: Airflow, run_id: str, task: str) -> str:
    return str(airflow.get(f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/{task}/logs/1"))


def test_a_broken_spec_is_an_import_error_and_the_other_models_work(airflow: Airflow) -> None:
    deadline = time.monotonic() + 90
    while not (errors := airflow.get("/importErrors")["import_errors"]) and time.monotonic() < deadline:
        time.sleep(1)
    (error,) = errors
    assert "broken.yaml is not a valid model spec" in error["stack_trace"]
    assert "judgement.minimun_gain: unknown key; did you mean 'minimum_gain'?" in error["stack_trace"]
    dags = {d["dag_id"] for d in airflow.get("/dags")["dags"]}
    every = ("", "_amount", "_asked", "_crown", "_fed", "_hasty", "_page", "_pushed", "_signed", "_wanted")
    scored = {f"tiny_{model}.{what}" for model in ("fed", "wanted") for what in ("score", "monitor")}
    assert dags == scored | {f"tiny{model}.{what}" for model in every for what in ("retrain", "rollback")}


def test_the_plugin_is_registered_once(airflow: Airflow) -> None:
    assert airflow.get("/plugins/importErrors")["import_errors"] == []
    assert [plugin["name"] for plugin in airflow.get("/plugins")["plugins"]].count("titleholder") == 1


def test_a_live_run_makes_a_champion_in_ledger_and_registry(airflow: Airflow, settings: Settings) -> None:
    reason = "end to end {{ conn.warehouse.password }} {# no template #}"
    run_id = airflow.trigger(DAG, {"as_of": "2024-02-01", "lane": "live", "reason": reason})
    airflow.wait_for_success(DAG, run_id)
    row = next(r for r in store.read(settings.ledger_url, "tiny", "live") if r.airflow_run == f"{DAG}/{run_id}")
    assert row.as_of == date(2024, 2, 1)
    assert row.actor == "admin"
    assert row.asked_because == reason, "a payload is data, never a template"
    assert row.spec_fingerprint == load_specs(MODELS, only="tiny")["tiny"].fingerprint(), (
        "the very spec, to its last newline"
    )
    head = store.read(settings.ledger_url, "tiny", "live")[-1]
    assert Registry(settings.tracking_uri).models.champion("tiny") == head.champion_after
    tags = MlflowClient(settings.tracking_uri).get_run(row.mlflow_run_id).data.tags
    assert tags["titleholder.reason"] == row.reason
    assert tags["titleholder.airflow_run"] == f"{DAG}/{run_id}"
    assert tags["titleholder.airflow_url"] == f"{airflow.address}/dags/{DAG}/runs/{quote(run_id, safe='')}"
    assert f"[Airflow run]({tags['titleholder.airflow_url']})" in tags["mlflow.note.content"]
    files = {a.path for a in MlflowClient(settings.tracking_uri).list_artifacts(row.mlflow_run_id)}
    assert f"card-{row.id}.html" in files, "report was successful"


def links_of(airflow: Airflow, path: str, last: str) -> dict[str, str | None]:
    """A task's links once the last one exists: they are made after the task's success, when the run may be over."""
    deadline = time.monotonic() + 30
    while not (links := airflow.get(path)["extra_links"])[last]:
        assert time.monotonic() < deadline, links
        time.sleep(0.5)
    return dict(links)


def test_tasks_link_to_their_decision_mlflow_run_and_version(airflow: Airflow, settings: Settings) -> None:
    run_id = airflow.trigger(DAG, {"as_of": "2024-02-01", "lane": "links"})
    airflow.wait_for_success(DAG, run_id)
    (row,) = store.read(settings.ledger_url, "tiny", "links")
    links = links_of(airflow, f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/promote/links", "Decision")
    assert links["MLflow run"].endswith(f"/runs/{row.mlflow_run_id}")
    assert links["Decision"] == f"{airflow.address}/plugin/champions/titleholder/decisions/{row.id}"
    assert links["Model version"] == f"{settings.tracking_uri}/#/models/tiny/versions/{row.challenger_version}"
    for name in ("scorecard", "boosting"):
        path = f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/train.{name}"
        assert "/runs/" in links_of(airflow, f"{path}/links", "MLflow run")["MLflow run"]


def test_a_backfill_goes_to_its_own_lane_and_agrees_with_the_command_line(
    airflow: Airflow, settings: Settings, env: dict[str, str]
) -> None:
    from typer.testing import CliRunner

    from titleholder.cli.main import app

    before = Registry(settings.tracking_uri).models.champion("tiny_amount")
    first, last = "2024-01-01", "2024-03-01"
    airflow.backfill("tiny_amount.retrain", first, last, at_once=3)
    deadline = time.monotonic() + 420
    while not airflow.have_ended("tiny_amount.retrain", "backfill", at_least=3):
        assert time.monotonic() < deadline
        time.sleep(1)
    assert {r["state"] for r in airflow.runs("tiny_amount.retrain", "backfill")} == {"success"}
    assert Registry(settings.tracking_uri).models.champion("tiny_amount") == before
    done = CliRunner().invoke(app, ["run", "tiny_amount", "--as-of", first, "--until", last, "--lane", "by-hand"])
    assert done.exit_code == 0, done.output
    lanes = [
        reigns.in_force(store.read(settings.ledger_url, "tiny_amount", lane), lane) for lane in ("backtest", "by-hand")
    ]
    by_airflow, by_hand = (
        [(r.as_of, r.kind, r.verdict.gain, r.verdict.challenger_metrics, r.snapshot_sha256) for r in rows]
        for rows in lanes
    )
    assert len(by_airflow) == 3
    assert by_airflow == by_hand


def test_a_killed_training_is_retried_in_the_same_run(airflow: Airflow, settings: Settings) -> None:
    run_id = airflow.trigger(DAG, {"as_of": "2024-03-01", "lane": "killed"})
    killed = kill_training(airflow, run_id)
    assert killed, "no train task was seen running"
    airflow.wait_for_success(DAG, run_id)
    tries = {t["task_id"]: t["try_number"] for t in airflow.tasks(DAG, run_id)}
    assert tries[killed] >= 2
    (row,) = store.read(settings.ledger_url, "tiny", "killed")
    client = MlflowClient(settings.tracking_uri)
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment], f"tags.`titleholder.airflow_run` = '{DAG}/{run_id}'")
    assert sorted(r.info.run_name for r in runs) == sorted(["tiny 2024-03-01 killed", "scorecard", "boosting"])
    versions = client.search_model_versions(f"name = 'tiny' and tags.`titleholder.airflow_run` = '{DAG}/{run_id}'")
    assert [int(v.version) for v in versions] == [row.challenger_version]


def kill_training(airflow: Airflow, run_id: str) -> str:
    """SIGKILL the process of the first training that is seen running; returns its task, or nothing."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for task in airflow.tasks(DAG, run_id):
            if task["task_id"].startswith("train.") and task["state"] == "running":
                for process in psutil.process_iter(["cmdline"]):
                    if task["id"] in " ".join(process.info["cmdline"] or []):
                        child = (process.children() or [process])[0]
                        os.kill(child.pid, signal.SIGKILL)
                        return str(task["task_id"])
        time.sleep(0.05)
    return ""


def test_the_form_chooses_candidates(airflow: Airflow, settings: Settings) -> None:
    run_id = airflow.trigger(DAG, {"as_of": "2024-02-01", "lane": "chosen", "train_scorecard": False})
    airflow.wait_for_success(DAG, run_id)
    log = f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/train.scorecard/logs/1"
    assert "scorecard is switched off in this run" in str(airflow.get(log))
    (row,) = store.read(settings.ledger_url, "tiny", "chosen")
    assert [nominee.name for nominee in row.nominees] == ["boosting"]
    version = MlflowClient(settings.tracking_uri).get_model_version("tiny", str(row.challenger_version))
    assert version.tags["titleholder.candidate"] == "boosting"


def test_a_form_without_a_candidate_fails_in_the_first_task(airflow: Airflow) -> None:
    run_id = airflow.trigger(DAG, {"lane": "chosen", "train_scorecard": False, "train_boosting": False})
    assert airflow.wait_for_run(DAG, run_id) == "failed"
    assert "no candidate is switched on; leave at least one of train_scorecard, train_boosting on" in failed_log(
        airflow, run_id, "extract"
    )


def test_a_misspelt_key_fails_at_once_and_names_the_valid_ones(airflow: Airflow) -> None:
    run_id = airflow.trigger(DAG, {"asof": "2024-02-01", "lanne": "mine"})
    assert airflow.wait_for_run(DAG, run_id) == "failed"
    assert "unknown keys 'asof' (did you mean 'as_of'?), 'lanne' (did you mean 'lane'?); valid: as_of, lane" in (
        failed_log(airflow, run_id, "extract")
    )


def test_a_date_without_data_fails_at_once_with_the_contracts_message(airflow: Airflow, settings: Settings) -> None:
    champion = Registry(settings.tracking_uri).models.champion("tiny")
    run_id = airflow.trigger(DAG, {"as_of": "2022-06-01", "lane": "live"})
    assert airflow.wait_for_run(DAG, run_id) == "failed"
    states = {t["task_id"]: (t["state"], t["try_number"]) for t in airflow.tasks(DAG, run_id)}
    assert states["extract"] == ("failed", 1), "invalid data is not retried"
    assert states["promote"][0] == "upstream_failed"
    assert "too few rows to train on: 0 in [2021-08-01, 2022-02-01)" in failed_log(airflow, run_id, "extract")
    assert Registry(settings.tracking_uri).models.champion("tiny") == champion


def test_a_backfill_is_refused_the_live_lane(airflow: Airflow, settings: Settings) -> None:
    before = store.read(settings.ledger_url, "tiny", "live")
    airflow.backfill(DAG, "2024-04-01", "2024-04-01", at_once=1, conf={"lane": "live"})
    (run,) = airflow.runs(DAG, "backfill")
    assert airflow.wait_for_run(DAG, run["dag_run_id"]) == "failed"
    assert "a backfill takes each run's own date as as_of, and any lane but live" in failed_log(
        airflow, run["dag_run_id"], "extract"
    )
    assert store.read(settings.ledger_url, "tiny", "live") == before


def test_the_form_refuses_an_invalid_date(airflow: Airflow) -> None:
    from titleholder.errors import ServiceError

    with pytest.raises(ServiceError, match="as_of"):
        airflow.trigger(DAG, {"as_of": "soon"})
