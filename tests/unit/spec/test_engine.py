"""`training.engine`: what it may be, and what is said of everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.engine_cases import LGBM, XGB, boosted
from support.specs import bent, complaint
from titleholder.spec.engine import TWINS, DaskEngine

SEED = "  seed: 7"


def said(engine: str, folder: Path) -> str:
    return complaint(folder, bent((SEED, f"{SEED}\n  engine: {engine}")))


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ("dask", "line 24: training.engine: an engine is external_memory, or {dask: an Airflow connection or tcp://host:port}"),
        ("[]", "line 24: training.engine: an engine is external_memory, or {dask:"),
        ("{dusk: x}", "training.engine.dusk: unknown key; did you mean 'dask'? Valid here: dask"),
        ("{}", "training.engine.dask: required, but not given"),
        ("{dask: 8786}", "line 24: training.engine.dask: Input should be a valid string (got 8786)"),
        ("{dask: 'tcp://scheduler'}", "training.engine.dask: the address of a Dask scheduler is tcp://host:port, or tls://"),
        ("{dask: 'http://scheduler:8786'}", "the address of a Dask scheduler is tcp://host:port"),
        ("{dask: 'tcp://scheduler:87860'}", "the address of a Dask scheduler is tcp://host:port"),
        ("{dask: 'tcp://scheduler:8786/x?y'}", "the address of a Dask scheduler is tcp://host:port"),
        ("{dask: my cluster}", "give the id of an Airflow connection, or the scheduler's address, tcp://host:port"),
    ],
)  # fmt: skip
def test_what_is_no_engine_is_named_with_what_is(engine: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in said(engine, tmp_path)


def test_a_login_in_an_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    found = said("{dask: 'tcp://ann:hunter2@scheduler:8786'}", tmp_path)
    assert "an address has no login: the ledger stores it permanently" in found
    assert "hunter2" not in found


def test_an_estimator_that_is_not_trained_from_the_disk_is_named_with_those_that_are(tmp_path: Path) -> None:
    found = said("external_memory", tmp_path)
    line = "line 24: training.engine: of candidate line: external_memory trains no LogisticRegression; it trains "
    assert f"{line}{XGB}" in found
    assert "of candidate trees: external_memory trains no HistGradientBoostingClassifier" in found
    assert LGBM not in found
    assert len(found.splitlines()) == 3


@pytest.mark.parametrize("encoding", ["auto", "linear", "tree"])
def test_a_cluster_trains_any_estimator(encoding: str) -> None:
    candidates = {
        "boosting": {"estimator": LGBM},
        "line": {"estimator": "sklearn.linear_model.LogisticRegression", "encoding": encoding},
        "other": {"estimator": "some_library.AnyClassifier", "encoding": encoding},
    }
    found = boosted(engine={"dask": "cluster"}, training__candidates=candidates).training
    assert found.engine == DaskEngine(dask="cluster")
    assert [*found.candidates] == ["boosting", "line", "other"]


def test_an_encoding_that_needs_the_rows_is_refused() -> None:
    candidate = {"estimator": XGB, "encoding": "linear"}
    with pytest.raises(
        ValueError, match="dask trains XGBClassifier on the codes of categories; leave out encoding: linear"
    ):
        boosted(engine={"dask": "cluster"}, training__candidates={"it": candidate})


@pytest.mark.parametrize("path", ["xgboost.XGBClassifier", "xgboost.sklearn.XGBClassifier"])
def test_a_class_is_known_however_it_is_imported(path: str) -> None:
    assert boosted(path, {"dask": "cluster"}).training.engine == DaskEngine(dask="cluster")
    assert boosted(path, "external_memory").training.engine == "external_memory"


@pytest.mark.parametrize("twin", TWINS.values())
def test_every_twin_exists(twin: str) -> None:
    module, _, name = twin.rpartition(".")
    assert hasattr(__import__(module, fromlist=[name]), name)


def test_the_kind_of_engine_changes_what_is_trained_and_its_address_does_not() -> None:
    fingerprints = [
        boosted(engine=engine).training_fingerprint()
        for engine in (None, "external_memory", {"dask": "cluster"}, {"dask": "tcp://scheduler:8786"})
    ]
    assert len(set(fingerprints)) == 3
    assert fingerprints[2] == fingerprints[3]
    assert boosted(engine={"dask": "tls://[::1]:8786"}).training.engine == DaskEngine(dask="tls://[::1]:8786")
