"""Registered models on a real MLflow server: what a version records, and reading it back."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import types
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import requests
import skops.io
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier

from support.factories import rows, with_candidate
from support.retraining import challenge, extract, settle
from support.training_cases import fitted, scores
from titleholder.data import snapshots
from titleholder.data.scores import ScoreKey
from titleholder.errors import DataError
from titleholder.ledger.nominee import LoggedModel, Nominee
from titleholder.registry import models
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.workflow import retrain_runs, steps, training_record
from titleholder.workflow.payloads import TrainedCandidate

pytestmark = pytest.mark.slow
MONTH = date(2024, 1, 1)


def test_the_registered_model_has_a_signature_and_no_pickle(settings: Settings) -> None:
    challenger = challenge("tiny", MONTH, "said", settings)
    info = mlflow.models.get_model_info(f"models:/tiny/{challenger.version}")
    assert [c.name for c in info.signature.inputs.inputs] == ["signal", "noise", "price", "kind"]
    assert info.flavors["sklearn"]["serialization_format"] == "skops"
    with snapshots.opened(challenger.snapshot.uri, challenger.snapshot.sha256) as extract:
        frame = extract.read().head(5)
    served = mlflow.pyfunc.load_model(f"models:/tiny/{challenger.version}")
    features = frame[["signal", "noise", "price", "kind"]].astype({"kind": object})
    own = challenger.nominee.model
    read = Registry(settings.tracking_uri).models.read(own.uri, own.sha256, challenger.snapshot.spec)
    answered = served.predict(features)
    assert (answered.shape, answered.dtype) == ((5,), np.float64)
    assert answered == pytest.approx(read.predict_proba(features)[:, 1], abs=0)


def test_reading_a_model_leaves_no_files_behind(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger = challenge("tiny", MONTH, "said", settings)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    models = Registry(settings.tracking_uri).models
    own = challenger.nominee.model
    assert models.read(own.uri, own.sha256, challenger.snapshot.spec).n_features_in_ == 4
    assert models.libraries("tiny", challenger.version)["python"]
    assert list(tmp_path.iterdir()) == []


CALLED = """flavors:
  sklearn: {pickled_model: model.pkl, serialization_format: pickle, sklearn_version: 1.0.0}
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl, python_version: 3.11.0}
"""


class Runs:
    """Whoever unpickles it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def put(model: LoggedModel, name: str, content: bytes, settings: Settings) -> None:
    """What whoever may write to MLflow can do."""
    send("PUT", model, name, content, settings)


def send(method: str, model: LoggedModel, name: str, content: bytes | None, settings: Settings) -> None:
    location = Registry(settings.tracking_uri).server.client.get_logged_model(model.uri.rpartition("/")[2])
    path = location.artifact_location.partition(":/")[2].lstrip("/")
    address = f"{settings.tracking_uri}/api/2.0/mlflow-artifacts/artifacts/{path}/{name}"
    login = os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]
    requests.request(method, address, data=content, auth=login, timeout=30).raise_for_status()


def test_a_model_that_was_made_a_pickle_in_mlflow_is_not_unpickled(settings: Settings, tmp_path: Path) -> None:
    challenger, ran = challenge("tiny", MONTH, "pickled", settings), tmp_path / "ran"
    put(challenger.nominee.model, "MLmodel", CALLED.encode(), settings)
    put(challenger.nominee.model, "model.pkl", pickle.dumps(Runs(ran)), settings)
    validated = steps.validate(challenger, settings=settings)
    assert (validated.challenger.version, ran.exists()) == (challenger.version, False)


@pytest.mark.parametrize("harm", ["deleted", "a file deleted", "larger than any model"])
def test_a_model_that_is_gone_or_huge_in_mlflow_is_an_error_that_names_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    trained = trained_in(f"lost-{harm.replace(' ', '-')}", settings)
    logged, registry = trained.nominee.model, Registry(settings.tracking_uri)
    said = f"{logged.uri}.*is gone from MLflow"
    if harm == "deleted":
        registry.server.client.delete_logged_model(logged.uri.rpartition("/")[2])
    elif harm == "a file deleted":
        send("DELETE", logged, "model.skops", None, settings)
    else:
        monkeypatch.setattr(models, "LARGEST", 1000)
        said = f"{logged.uri} has [0-9,]{{5,}} bytes in MLflow, more than the 1,000 of any model"
    with pytest.raises(DataError, match=said):
        registry.models.read(logged.uri, logged.sha256, trained.snapshot.spec)
    assert not registry.models.holds(logged.uri, logged.sha256)


def test_a_model_that_was_exchanged_in_mlflow_is_not_judged(settings: Settings) -> None:
    challenger = challenge("tiny", MONTH, "exchanged", settings)
    other = skops.io.dumps(DummyClassifier().fit([[0], [1]], [0, 1]))
    put(challenger.nominee.model, "model.skops", other, settings)
    with pytest.raises(DataError, match="is not what was logged"):
        steps.validate(challenger, settings=settings)


def logged_by(run_id: str, settings: Settings) -> list[str]:
    """The addresses of the models that a run has in MLflow."""
    client = Registry(settings.tracking_uri).server.client
    experiment = client.get_run(run_id).info.experiment_id
    left = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    return [f"models:/{model.model_id}" for model in left]


def record_of(trained: TrainedCandidate, settings: Settings) -> Path:
    """The file of a training's scores, with the record of what it made."""
    snapshot = trained.snapshot
    return Path(settings.snapshots) / ScoreKey(snapshot.model, trained.nominee.run_id, snapshot.sha256).training_path


def trained_in(lane: str, settings: Settings) -> TrainedCandidate:
    """A candidate about which nothing is registered or decided yet."""
    return steps.train(extract("tiny", MONTH, lane, settings), "scorecard", settings=settings)


def offered(trained: TrainedCandidate, settings: Settings) -> Nominee:
    """A model that somebody else has logged: any check that compares some rows would find that it answers alike."""
    spec, registry, own = trained.snapshot.spec, Registry(settings.tracking_uri), trained.nominee.model
    pipeline = registry.models.read(own.uri, own.sha256, spec)
    run = registry.runs.open("tiny", "of somebody else", "of somebody else", {})
    uri, sha256 = registry.models.log(run, pipeline, spec, "sklearn.linear_model.LogisticRegression")
    return trained.nominee.model_copy(update={"model": LoggedModel(uri=uri, sha256=sha256)})


def as_made(nominee: Nominee) -> dict[str, str]:
    """The tags by which a run in MLflow once said what it had made."""
    return {"titleholder.nominee": nominee.model_dump_json(), "titleholder.score": "9.0"}


def test_a_training_that_is_started_again_takes_no_model_that_mlflow_offers(settings: Settings) -> None:
    """Not the model, whatever it answers, nor the score by which it would be nominated."""
    trained = trained_in("offered", settings)
    tags = as_made(offered(trained, settings))
    Registry(settings.tracking_uri).runs.annotate(trained.nominee.run_id, tags=tags)
    assert steps.train(trained.snapshot, trained.name, settings=settings) == trained


def test_a_training_takes_no_model_of_a_run_that_somebody_has_made_for_it(settings: Settings) -> None:
    """MLflow has the key of the month's run, from which follows that of its candidates."""
    offer = offered(trained_in("offering", settings), settings)
    snapshot, runs = extract("tiny", MONTH, "prepared", settings), Registry(settings.tracking_uri).runs
    run = runs.open("tiny", f"{snapshot.key}:scorecard", "prepared", as_made(offer))
    trained = steps.train(snapshot, "scorecard", settings=settings)
    assert trained.nominee.run_id == run
    assert trained.nominee.model.uri != offer.model.uri
    assert trained.score != 9.0
    assert logged_by(run, settings) == [trained.nominee.model.uri]


def test_a_training_refuses_a_run_that_made_another_one(settings: Settings) -> None:
    """A model of an earlier spec of the same rows is no model of this one."""
    other = trained_in("older", settings)
    snapshot = extract("tiny", MONTH, "newer", settings)
    assert snapshot.sha256 == other.snapshot.sha256
    key = f"{snapshot.key}:scorecard"
    Registry(settings.tracking_uri).runs.annotate(other.nominee.run_id, tags={"titleholder.key": key})
    with pytest.raises(
        DataError, match=f"run {other.nominee.run_id}, which made another training, {other.snapshot.key}"
    ):
        steps.train(snapshot, "scorecard", settings=settings)


@pytest.mark.parametrize("harm", ["exchanged", "deleted"])
def test_a_model_that_is_not_what_was_recorded_is_trained_again(settings: Settings, harm: str) -> None:
    trained = trained_in(harm, settings)
    if harm == "exchanged":
        put(trained.nominee.model, "model.skops", skops.io.dumps(DummyClassifier().fit([[0], [1]], [0, 1])), settings)
    else:
        client = Registry(settings.tracking_uri).server.client
        client.delete_logged_model(trained.nominee.model.uri.rpartition("/")[2])
    again = steps.train(trained.snapshot, trained.name, settings=settings)
    assert (again.score, again.nominee.run_id) == (trained.score, trained.nominee.run_id)
    assert logged_by(again.nominee.run_id, settings) == [again.nominee.model.uri] != [trained.nominee.model.uri]
    challenger = steps.nominate([again], settings=settings)
    assert steps.validate(challenger, settings=settings).verdict.checks


def test_a_decision_gives_a_training_its_model_only_where_it_is_of_the_same_training(settings: Settings) -> None:
    trained = trained_in("decided", settings)
    settle(steps.nominate([trained], settings=settings), settings)
    snapshot, run, url = trained.snapshot, trained.nominee.run_id, settings.ledger_url
    training = snapshot.spec.training
    other = snapshot.spec.model_copy(update={"training": training.model_copy(update={"seed": training.seed + 1})})
    found = [
        training_record.decided(snapshot.model_copy(update=changed), of, url)
        for changed, of in (({}, run), ({"sha256": "ab" * 32}, run), ({"spec": other}, run), ({}, "another run"))
    ]
    assert found == [trained.nominee, None, None, None]


def test_a_version_that_somebody_has_made_of_another_model_is_not_the_challengers(settings: Settings) -> None:
    """The key follows from that of the month's run. Consumers would be given the other model once it is champion."""
    trained = trained_in("foreseen", settings)
    first, models = steps.nominate([trained], settings=settings), Registry(settings.tracking_uri).models
    key, other = models.tags("tiny", first.version)["titleholder.key"], offered(trained, settings)
    models.delete("tiny", [first.version], keep=())
    made = models.register("tiny", key, other.model.uri, other.run_id, {}, "made by somebody else")
    second = steps.nominate([trained], settings=settings)
    assert second.version != made
    assert models.source("tiny", second.version) == trained.nominee.model.uri


def test_a_model_that_a_killed_try_has_logged_is_logged_anew(settings: Settings) -> None:
    """What its files were is not known, and MLflow is not believed."""
    trained = trained_in("killed", settings)
    record_of(trained, settings).unlink()
    again = steps.train(trained.snapshot, trained.name, settings=settings).nominee
    assert again.model.uri != trained.nominee.model.uri
    assert logged_by(again.run_id, settings) == [again.model.uri]


def test_a_training_that_logs_other_parameters_than_a_killed_try_gets_a_run_of_its_own(settings: Settings) -> None:
    """MLflow lets no parameter change, and a cluster may have other workers, or find other values, the second time."""
    snapshot, registry = extract("tiny", MONTH, "other-workers", settings), Registry(settings.tracking_uri)
    killed = retrain_runs.open_candidate_run(snapshot, "scorecard", registry)
    registry.runs.annotate(killed, params={"rows": 1})
    trained, client = steps.train(snapshot, "scorecard", settings=settings), registry.server.client
    assert trained.nominee.run_id != killed
    left = client.get_run(killed)
    assert (left.info.lifecycle_stage, left.data.params) == ("active", {"rows": "1"}), "a version of it may wait"
    assert client.get_run(trained.nominee.run_id).info.status == "FINISHED"
    assert steps.train(snapshot, "scorecard", settings=settings) == trained


def test_a_model_that_is_registered_stays_and_one_that_is_trained_again_has_a_version_of_its_own(
    settings: Settings,
) -> None:
    """Another run of the same as-of date may wait for approval of the first."""
    trained = trained_in("waiting", settings)
    first = steps.nominate([trained], settings=settings)
    record_of(trained, settings).unlink()
    again = steps.train(trained.snapshot, trained.name, settings=settings)
    assert set(logged_by(again.nominee.run_id, settings)) == {trained.nominee.model.uri, again.nominee.model.uri}
    second, models = steps.nominate([again], settings=settings), Registry(settings.tracking_uri).models
    assert [models.source("tiny", c.version) for c in (first, second)] == [
        trained.nominee.model.uri, again.nominee.model.uri,
    ]  # fmt: skip
    assert models.holds(trained.nominee.model.uri, trained.nominee.model.sha256)
    assert steps.nominate([again], settings=settings) == second


class Remembered(ClassifierMixin, BaseEstimator):
    """A class of a team's package, whose state holds more than numbers."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Remembered:
        self.classes_, self.rates_ = np.unique(y), OrderedDict(all=float(np.mean(y)))
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.tile([1 - self.rates_["all"], self.rates_["all"]], (len(X), 1))


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("scoring.Remembered", {}),
        ("lightgbm.LGBMClassifier", {"n_estimators": 5, "verbose": -1}),
        ("xgboost.XGBClassifier", {"n_estimators": 5}),
    ],
)
def test_a_model_of_another_library_is_logged_and_read_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, estimator: str, params: dict[str, Any]
) -> None:
    package = types.ModuleType("scoring")
    monkeypatch.setattr(Remembered, "__module__", "scoring")
    package.Remembered = Remembered  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "scoring", package)
    library = estimator.partition(".")[0]
    pytest.importorskip(library, reason=f"{library} is optional: docs/extra-libraries.md")
    spec = with_candidate(estimator=estimator, params=params)
    frame = rows(spec, n=300)
    pipeline = fitted(spec, frame).pipeline
    registry = Registry(settings.tracking_uri)
    run = registry.runs.open("extra", estimator, "extra", {})
    read = registry.models.read(*registry.models.log(run, pipeline, spec, estimator), spec)
    assert (scores(read, frame, spec) == scores(pipeline, frame, spec)).all()


def test_runs_that_log_the_same_snapshot_at_once_all_have_it(settings: Settings) -> None:
    """MLflow looks whether it knows a dataset and then adds it: of two at that moment one is refused."""
    runs, frame = Registry(settings.tracking_uri).runs, rows()
    opened = [runs.open("at_once", f"key {n}", f"run {n}", {}) for n in range(16)]
    for turn in range(5):
        sha256 = f"{turn:02x}" * 32

        def log(run_id: str, sha256: str = sha256) -> None:
            runs.log_dataset(run_id, frame, rows=len(frame), name="at once", uri="/none", sha256=sha256, target="bad")

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(log, opened))
    client = mlflow.MlflowClient(settings.tracking_uri)
    logged = [{found.dataset.digest for found in client.get_run(run).inputs.dataset_inputs} for run in opened]
    assert logged == [{f"{turn:02x}" * 16 for turn in range(5)}] * 16
