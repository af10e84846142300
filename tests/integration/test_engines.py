"""The same model by every engine: a Dask cluster of two processes, XGBoost from the disk, and rows in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.models import Model

from support.dask_clusters import a_cluster
from support.engine_cases import LGBM, XGB, a_frame, assert_alike, boosted, fitted, scores, stored
from support.object_stores import s3
from support.retraining import TESTER
from titleholder.data import features
from titleholder.errors import DataError, TrainingError
from titleholder.ledger.decision import Decision
from titleholder.registry import model_files
from titleholder.registry.client import Registry
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training.pipeline import score
from titleholder.workflow.reproduce import reproduce
from titleholder.workflow.retrain import retrain

pytestmark = pytest.mark.slow
MONTHS = (date(2024, 1, 1), date(2024, 2, 1))


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


def _spec(engine: Any) -> ModelSpec:
    tiny = load_specs(only="tiny")["tiny"].model_dump(mode="json")
    candidate = {
        "estimator": XGB,
        "params": {"n_estimators": 20, "max_depth": 3},
        "search": {"learning_rate": [0.1, 0.2]},
    }
    training = {
        **tiny["training"],
        "engine": engine,
        "candidates": {"boosting": candidate},
        "search": {"trials": 1, "folds": 2},
    }
    return ModelSpec.restore({**tiny, "training": training})


def _decided(engine: Any, lane: str, settings: Settings) -> list[Decision]:
    url = connection_url("warehouse")
    return [retrain(_spec(engine), as_of, lane, url=url, origin=TESTER, settings=settings).decision for as_of in MONTHS]


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
