"""Lanes other than live: listed, archived and deleted, on real PostgreSQL and a real MLflow server."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from support import retraining
from support.succession_world import write_model
from titleholder.cli.main import app
from titleholder.errors import UsageError
from titleholder.ledger import store
from titleholder.ledger.nominee import LoggedModel
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.workflow.audit import audit

pytestmark = pytest.mark.slow
MONTH = date(2024, 3, 1)


@pytest.fixture
def model(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A model of the test's own."""
    name = f"tiny_{abs(hash(request.node.name)) % 10**6}"
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    write_model(tmp_path, name)
    return name


def invoke(*words: str, **options: Any) -> Result:
    return CliRunner().invoke(app, list(words), **options)


def listed(model: str, *words: str) -> dict[str, str]:
    """The lanes with their state."""
    done = invoke("lanes", model, "--json", *words)
    assert done.exit_code == 0, done.exception
    return {lane["lane"]: lane["state"] for lane in json.loads(done.stdout)}


def lanes_of_runs(model: str, settings: Settings) -> list[str]:
    client = MlflowClient(settings.tracking_uri)
    experiment = client.get_experiment_by_name(model)
    assert experiment
    return [run.data.tags["titleholder.lane"] for run in client.search_runs([experiment.experiment_id])]


def assert_there(model: str, version: int, logged: LoggedModel, settings: Settings) -> None:
    """A version has the files that were logged for it."""
    models = Registry(settings.tracking_uri).models
    assert (models.source(model, version), models.files(logged.uri)) == (logged.uri, logged.sha256)


def test_an_archived_lane_is_hidden_until_something_is_decided_in_it(model: str, settings: Settings) -> None:
    retraining.retrain(model, MONTH, "try", settings)
    retraining.retrain(model, MONTH, "live", settings)
    assert invoke("lane", "archive", model, "try", "--reason", "done with it").exit_code == 0
    assert listed(model) == {"live": ""}
    assert listed(model, "--all") == {"live": "", "try": "archived"}
    assert "1 archived or deleted: --all shows them." in invoke("lanes", model).stderr
    assert "Lane try was archived on" in invoke("history", model, "--lane", "try").stderr
    retraining.retrain(model, date(2024, 4, 1), "try", settings)
    assert listed(model) == {"live": "", "try": ""}


def test_a_deleted_lane_leaves_its_decisions_and_a_record_and_nothing_in_mlflow(model: str, settings: Settings) -> None:
    live = retraining.retrain(model, MONTH, "live", settings)
    trials = [retraining.retrain(model, day, "try", settings) for day in (MONTH, date(2024, 4, 1))]
    rows = store.stored(settings.ledger_url, model, "try")
    assert invoke("lane", "delete", model, "try", input="n\n").exit_code == 1
    assert lanes_of_runs(model, settings).count("try") == 4
    done = invoke("lane", "delete", model, "try", "--yes", "--reason", "too big")
    assert done.exit_code == 0, done.output
    assert f"{model}: lane try is deleted: 2 versions and 4 runs." in done.stdout
    client = MlflowClient(settings.tracking_uri)
    assert [int(v.version) for v in client.search_model_versions(f"name = '{model}'")] == [live.challenger]
    assert set(lanes_of_runs(model, settings)) == {"live"}
    assert_there(model, live.challenger, live.nominee.model, settings)
    assert store.stored(settings.ledger_url, model, "try") == rows
    assert [row["challenger_version"] for row in rows] == [row.challenger for row in trials]
    assert listed(model, "--all") == {"live": "", "try": "deleted"}
    assert audit([model], settings=settings).findings == ()
    with pytest.raises(UsageError, match=r"lane try was deleted on 20.* by cli:.*: too big\. Its models are gone"):
        retraining.extract(model, date(2024, 5, 1), "try", settings)
    for words in (["reproduce", str(rows[0]["id"])], ["backtest", model, "--lane", "try"]):
        assert "lane try was deleted on" in str(invoke(*words).exception), "it failed with what MLflow does not have"
    assert "0 versions and 0 runs" in invoke("lane", "delete", model, "try", "--yes").stdout, "safe to repeat"


def test_what_another_lane_or_an_alias_uses_stays(model: str, settings: Settings) -> None:
    challenger = retraining.challenge(model, MONTH, "try", settings)
    retraining.settle(challenger, settings)
    retraining.settle(retraining.in_lane(challenger, "other"), settings)
    other = retraining.retrain(model, date(2024, 4, 1), "try", settings)
    client = MlflowClient(settings.tracking_uri)
    client.set_registered_model_alias(model, "demo", str(other.challenger))
    done = invoke("lane", "delete", model, "try", "--yes")
    assert "0 versions and 0 runs" in done.stdout
    assert f"Versions in use elsewhere stay: {challenger.version}, {other.challenger}." in done.stderr
    assert_there(model, challenger.version, challenger.nominee.model, settings)


def test_the_ledger_says_what_belongs_to_a_lane_and_not_the_tags(model: str, settings: Settings) -> None:
    """A live version whose tag said otherwise was deleted; each version took a request of its own."""
    live = retraining.retrain(model, MONTH, "live", settings)
    trial = retraining.retrain(model, date(2024, 4, 1), "try", settings)
    undecided = retraining.challenge(model, date(2024, 5, 1), "try", settings)
    client = MlflowClient(settings.tracking_uri)
    client.delete_registered_model_alias(model, "champion")
    for version, lane in ((live.challenger, "try"), (trial.challenger, "live")):
        client.set_model_version_tag(model, str(version), "titleholder.lane", lane)
    for run in (live.mlflow_run_id, live.training_run_id):
        client.set_tag(run, "titleholder.lane", "try")
    assert "1 version and 2 runs" in invoke("lane", "delete", model, "try", "--yes").stdout
    left = {int(v.version) for v in client.search_model_versions(f"name = '{model}'")}
    assert left == {live.challenger, undecided.version}
    assert client.get_run(live.training_run_id).info.lifecycle_stage == "active"
    assert_there(model, live.challenger, live.nominee.model, settings)


def test_the_live_lane_is_neither_archived_nor_deleted(model: str, settings: Settings) -> None:
    retraining.retrain(model, MONTH, "live", settings)
    for command in ("archive", "delete"):
        words = ["lane", command, model, "live", *(["--yes"] if command == "delete" else [])]
        assert "the lane live cannot be archived or deleted" in str(invoke(*words).exception)
        words[3] = "unknown"
        assert "no decisions in lane unknown; lanes other than live: none" in str(invoke(*words).exception)
    assert listed(model, "--all") == {"live": ""}


def test_a_trial_is_marked_where_people_choose_a_version(model: str, settings: Settings) -> None:
    numbers = {
        lane: retraining.retrain(model, MONTH, lane, settings, report=True).challenger for lane in ("try", "live")
    }
    client = MlflowClient(settings.tracking_uri)
    said = {lane: client.get_model_version(model, str(number)).description for lane, number in numbers.items()}
    assert said["try"].startswith("Trial in lane try, never in use. ")
    assert said["live"].startswith("scorecard as of")
    assert (
        "those of the lane live have the tag `titleholder.lane` = `live`"
        in client.get_registered_model(model).description
    )
    found = client.search_model_versions(f"name = '{model}' and tags.`titleholder.lane` = 'live'")
    assert [int(version.version) for version in found] == [numbers["live"]]
