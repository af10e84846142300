"""The same model by every engine: a Dask cluster of two processes, XGBoost from the disk, and rows in memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.models import Model

from support import retraining
from support.dask_clusters import a_cluster
from support.engine_cases import LGBM, XGB, a_frame, assert_alike, boosted, fitted, scores, stored
from support.factories import a_regression, a_spec
from support.object_stores import s3
from support.retraining import TESTER
from titleholder.data import features
from titleholder.engines import cluster as clusters
from titleholder.engines.single_worker import RowsOnWorkers
from titleholder.errors import DataError, ServiceError, TrainingError
from titleholder.ledger.decision import Decision
from titleholder.registry import model_files
from titleholder.registry.client import Registry
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training import memory
from titleholder.training.pipeline import score
from titleholder.workflow.reproduce import reproduce
from titleholder.workflow.retrain import retrain

pytestmark = pytest.mark.slow
MONTHS = (date(2024, 1, 1), date(2024, 2, 1))
LINE = {"estimator": "sklearn.linear_model.LogisticRegression", "search": {"C": {"low": 0.01, "high": 10, "log": True}}}
TREES = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 10}}
FOREST = {"estimator": "sklearn.ensemble.RandomForestRegressor", "params": {"n_estimators": 10}}


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of an S3 store, which this process and workers find by their environment."""
    with s3() as client:
        client.create_bucket(Bucket="snapshots")
        yield "s3://snapshots/titleholder"


@pytest.fixture(scope="module")
def cluster(store: str) -> Iterator[Any]:
    with a_cluster() as found:
        yield found


def _spec(engine: Any, rates: tuple[float, ...] = (0.1, 0.2), **others: Any) -> ModelSpec:
    """The model `tiny` with boosting, and other candidates beside it."""
    tiny = load_specs(only="tiny")["tiny"].model_dump(mode="json")
    candidate = {
        "estimator": XGB,
        "params": {"n_estimators": 20, "max_depth": 3},
        "search": {"learning_rate": rates},
    }
    training = {
        **tiny["training"],
        "engine": engine,
        "candidates": {"boosting": candidate, **others},
        "search": {"trials": 1, "folds": 2},
    }
    return ModelSpec.restore({**tiny, "training": training})


def _decided(engine: Any, lane: str, settings: Settings) -> list[Decision]:
    """Each month's decision by all candidates, without a model card: the scorecard's has one."""
    return [retraining.retrain(_spec(engine), as_of, lane, settings, candidates=()) for as_of in MONTHS]


def test_every_engine_leads_to_the_same_decisions_and_they_can_be_reproduced(
    cluster: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", cluster.scheduler_address)
    here = _decided(None, "here", settings)
    assert here[0].kind == "promote"
    registry = Registry(settings.tracking_uri)
    for lane, engine in {"dask": {"dask": "cluster"}, "disk": "external_memory"}.items():
        rows = _decided(engine, lane, settings)
        for own, other in zip(here, rows, strict=True):
            assert (other.kind, other.snapshot_sha256) == (own.kind, own.snapshot_sha256)
            assert other.judged.challenger_metrics == pytest.approx(own.judged.challenger_metrics, abs=0.01)
            assert [(c.code, c.status) for c in other.judged.checks] == [(c.code, c.status) for c in own.judged.checks]
            assert registry.models.libraries(other.model, other.challenger)["xgboost-cpu"]
        run = registry.models.training_run("tiny", rows[0].challenger)
        assert run is not None
        assert run.params["engine"] == lane.replace("disk", "external_memory")
        again = reproduce(rows[1].id, settings=settings, allowed=[XGB])
        assert again.same, again.differences


def test_a_scorecard_beside_boosting_is_trained_on_the_cluster_and_reproduced(cluster: Any, settings: Settings) -> None:
    """All workers train the boosting together, which learns too slowly to be nominated; one fits the scorecard."""
    spec = _spec({"dask": cluster.scheduler_address}, rates=(1e-6,), card=LINE)
    made = retrain(
        spec, MONTHS[0], "beside", url=connection_url("warehouse"), origin=TESTER, settings=settings
    ).decision
    assert made.judged.candidate == "card"
    run = Registry(settings.tracking_uri).models.training_run("tiny", made.challenger)
    assert run is not None
    assert run.params["engine"] == "dask"
    assert "engine_workers" not in run.params
    again = reproduce(made.id, settings=settings, allowed=[cluster.scheduler_address])
    assert again.same, again.differences


@pytest.mark.parametrize(("estimator", "atol"), [(XGB, 1e-6), (LGBM, 0.05)])
def test_the_cluster_trains_the_model_of_the_rows_in_memory_twice(
    estimator: str, atol: float, cluster: Any, store: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers read the rows from an object store."""
    late = np.where(np.arange(900) < 500, "d", np.random.default_rng(1).choice(["a", "d"], 900))
    taken = np.random.default_rng(2).random(900) < 0.9
    frame = a_frame(purpose=late, taken=taken, amount=1.0 + np.arange(900) % 3)
    frame["bad"] = frame["bad"].where(taken).astype("Int64")
    extract = stored(frame, store, monkeypatch)
    own = {"columns__accepted": "taken", "columns__weight": "amount"}
    here = fitted(boosted(estimator, searched=False, **own), extract)
    spec = boosted(estimator, {"dask": cluster.scheduler_address}, searched=False, **own)
    dask = [fitted(spec, extract) for _ in range(2)]
    if estimator == XGB:
        assert_alike(here, dask[0], frame, boosted(), atol)
    assert dask[0].fitted.score == pytest.approx(here.fitted.score, abs=atol)
    assert dask[0].engine == {"engine": "dask", "engine_workers": 2}
    answers = [scores(each, frame, boosted(**own)) for each in dask]
    np.testing.assert_array_equal(*answers)
    assert dask[0].fitted.trials == dask[1].fitted.trials
    files = []
    for n, each in enumerate(dask):
        (tmp_path / f"model-{n}").mkdir()
        pipeline = each.fitted.pipeline
        files.append(model_files.write(tmp_path / f"model-{n}", pipeline, Model(), spec, estimator)[model_files.MODEL])
        again = model_files.read((tmp_path / f"model-{n}" / model_files.MODEL).read_bytes(), files[n], spec, "here")
        X = features.design_matrix(frame, spec)
        np.testing.assert_array_equal(score(again, X, spec), answers[n])
        assert str(again["model"].get_params()) == str(here.fitted.pipeline["model"].get_params())
        assert set(vars(again["model"])) <= {*vars(here.fitted.pipeline["model"]), "base_score", "classes_"}


def _single(candidate: dict[str, Any], engine: Any, folds: int = 3, **changes: Any) -> ModelSpec:
    make = a_regression if candidate is FOREST else a_spec
    search = {"trials": 2, "folds": folds}
    return make(
        **{"training__candidates": {"it": candidate}, "training__engine": engine, "training__search": search, **changes}
    )


@pytest.mark.parametrize("candidate", [LINE, TREES, FOREST], ids=["line", "trees", "forest"])
def test_a_fit_on_one_worker_is_that_of_the_rows_in_memory_to_the_last_digit(
    candidate: dict[str, Any], cluster: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three folds for two workers: one of them has two."""
    taken = np.random.default_rng(2).random(900) < 0.9
    frame = a_frame(taken=taken, amount=1.0 + np.arange(900) % 3)
    frame["bad"] = frame["bad"].where(taken).astype("Int64")
    extract = stored(frame, store, monkeypatch)
    own = {"columns__accepted": "taken", "columns__weight": "amount", "windows__refit": "all_matured"}
    here, there = (
        fitted(_single(candidate, engine, **own), extract) for engine in (None, {"dask": cluster.scheduler_address})
    )
    assert there.engine == {"engine": "dask"}
    assert there.fitted.trials == here.fitted.trials
    assert there.fitted.params == here.fitted.params
    np.testing.assert_array_equal(there.rows, here.rows)
    assert here.fitted.out_of_fold is not None
    assert there.fitted.out_of_fold is not None
    for of_one, of_other in zip(there.fitted.out_of_fold, here.fitted.out_of_fold, strict=True):
        np.testing.assert_array_equal(of_one, of_other)
    spec = _single(candidate, None, **own)
    X = features.design_matrix(frame, spec)
    for of_one, of_other in ((there.fitted.pipeline, here.fitted.pipeline), (there.refit, here.refit)):
        assert str(of_one) == str(of_other)
        np.testing.assert_array_equal(score(of_one, X, spec), score(of_other, X, spec))
    assert not np.array_equal(score(there.refit, X, spec), score(there.fitted.pipeline, X, spec))


def test_the_number_of_workers_changes_nothing_of_a_fit_on_one_of_them(
    cluster: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = _single(LINE, None, folds=4)
    extract = stored(a_frame(), tmp_path, monkeypatch)
    with clusters.connected(cluster.scheduler_address, "sklearn") as found:
        assert len(found.workers) == 2
        one, two = (
            RowsOnWorkers(found._replace(workers=workers), spec, spec.training.candidates["it"], extract, None, 4)
            for workers in (found.workers[1:], found.workers)
        )
        for of_one, of_two in zip(one.predictions({"C": 0.3}), two.predictions({"C": 0.3}), strict=True):
            np.testing.assert_array_equal(of_one, of_two)
        np.testing.assert_array_equal(one.pipeline({})["model"].coef_, two.pipeline({})["model"].coef_)


def test_rows_that_fit_no_worker_are_refused_before_they_are_read_those_of_the_refit_too(
    cluster: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "TIMES", 1e5)
    extract, engine = stored(a_frame(), tmp_path, monkeypatch), {"dask": cluster.scheduler_address}
    with pytest.raises(
        TrainingError, match=r"900 rows of 3 features take 2\.2 GB at least on each worker .* --memory-limit"
    ):
        fitted(_single(LINE, engine, windows__refit="all_matured"), extract)


def test_a_worker_compares_the_hash_of_what_it_reads_and_says_what_an_estimator_says(
    cluster: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, extract = {"dask": cluster.scheduler_address}, stored(a_frame(), tmp_path, monkeypatch)
    wrong = {
        "estimator": LINE["estimator"],
        "params": {"solver": "liblinear", "penalty": "elasticnet", "l1_ratio": 0.5},
    }
    with pytest.raises(TrainingError, match=r"candidate it \(sklearn\.linear_model\.\w+\) does not fit: .*elasticnet"):
        fitted(_single(wrong, engine), extract)
    bad = (np.arange(900) % 240 < 20).astype(int)
    with pytest.raises(TrainingError, match="has one class only; use fewer folds"):
        fitted(_single(LINE, engine, folds=8), stored(a_frame(bad=bad), tmp_path, monkeypatch))
    file = Path(extract.uri)
    file.chmod(0o600)
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(DataError, match="was changed: its SHA-256 is"):
        fitted(_single(LINE, engine), extract)


def test_a_worker_that_dies_in_a_fit_is_named(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was asked for is given to no other one, which would die of it too; nothing waits for it."""
    monkeypatch.setattr(clusters, "LOOK", 0.5)
    candidate = {"estimator": "support.deadly.Deadly", "params": {"spares": os.getpid()}}
    extract = stored(a_frame(), tmp_path, monkeypatch)
    with a_cluster() as short:
        lost = "|".join(worker.worker_address for worker in short.workers.values())
        with pytest.raises(ServiceError, match=f"the Dask cluster lost ({lost}).* during the training"):
            fitted(_single(candidate, {"dask": short.scheduler_address}), extract)


def _kill_in_the_training(short: Any) -> None:
    """Kill all workers once each trains with XGBoost, whose task is called `fn`; Dask then starts others instead."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        tasks = [[str(task) for task in list(worker.processing)] for worker in short.scheduler.workers.values()]
        if all(any("'fn-" in task for task in own) for own in tasks):
            for nanny in short.workers.values():
                os.kill(nanny.pid, signal.SIGKILL)
            return
        time.sleep(0.05)


def test_workers_that_die_while_they_train_together_are_named(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where they have too little memory: XGBoost waited for those that were gone, without an end."""
    monkeypatch.setattr(clusters, "LOOK", 0.5)
    extract = stored(a_frame(), tmp_path, monkeypatch)
    with a_cluster() as short:
        lost = "|".join(worker.worker_address for worker in short.workers.values())
        killer = threading.Thread(target=_kill_in_the_training, args=[short])
        killer.start()
        candidate = {"estimator": XGB, "params": {"n_estimators": 1_000_000}}
        endless = boosted(engine={"dask": short.scheduler_address}, training__candidates={"it": candidate})
        with pytest.raises(ServiceError, match=f"the Dask cluster lost ({lost}).* during the training"):
            fitted(endless, extract)
        killer.join()


def test_workers_that_cannot_read_the_snapshot_or_have_one_class_say_so(
    cluster: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = boosted(LGBM, {"dask": cluster.scheduler_address})
    extract = stored(a_frame(), tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    extract.uri = str(Path(extract.uri).relative_to(tmp_path))  # the workers are in another folder
    with pytest.raises(DataError, match="its folder must be theirs too"):
        fitted(boosted(XGB, {"dask": cluster.scheduler_address}), extract)
    bad = (np.arange(900) % 240 < 20).astype(int)
    with pytest.raises(TrainingError, match=r"the rows of the worker .* have one class only"):
        fitted(spec, stored(a_frame(bad=bad), tmp_path, monkeypatch))
