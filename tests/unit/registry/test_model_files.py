"""A model is read back from the file that was logged, and from no other."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
import yaml
from mlflow.models import Model
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import FunctionTransformer

from support.factories import a_spec, rows
from support.training_cases import fitted, scores
from titleholder.errors import DataError, TrainingError
from titleholder.registry import model_files

SPEC = a_spec()


def logged(folder: Path, model: Any) -> tuple[bytes, str]:
    """What `write` leaves in a folder: the file of the model, and its SHA-256."""
    sha256 = model_files.write(folder, model, Model(), SPEC, "sklearn.linear_model.LogisticRegression")
    return (folder / model_files.MODEL).read_bytes(), sha256[model_files.MODEL]


def test_a_pipeline_answers_as_before_and_mlflow_is_told_what_it_needs(tmp_path: Path) -> None:
    frame = rows(SPEC, n=300)
    pipeline = fitted(SPEC, frame, "line").pipeline
    content, sha256 = logged(tmp_path, pipeline)
    read = model_files.read(content, sha256, SPEC, "models:/m-1")
    np.testing.assert_array_equal(scores(read, frame, SPEC), scores(pipeline, frame, SPEC))
    described = yaml.safe_load((tmp_path / "MLmodel").read_text())["flavors"]
    assert described["sklearn"]["serialization_format"] == "skops"
    assert described["python_function"]["loader_module"] == "titleholder_pyfunc"
    assert "scikit-learn==" in (tmp_path / "requirements.txt").read_text()
    files = ["MLmodel", "code/titleholder_pyfunc.py", "model.skops", "python_env.yaml", "requirements.txt"]
    assert [*model_files.sha256_of_files(tmp_path)] == files


@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_flipped_byte_is_refused_before_anything_is_read(tmp_path: Path, place: int) -> None:
    content, sha256 = logged(tmp_path, fitted(SPEC, rows(SPEC, n=300), "line").pipeline)
    changed = bytearray(content)
    changed[place] ^= 1
    with pytest.raises(DataError, match=r"models:/m-1: model.skops is not what was logged"):
        model_files.read(bytes(changed), sha256, SPEC, "models:/m-1")


class Runs(BaseEstimator):
    """What an attacker would like to have loaded."""


@pytest.mark.parametrize(
    "state",
    [
        FunctionTransformer(os.system),
        FunctionTransformer(subprocess.run),
        FunctionTransformer(functools.partial(os.system, "true")),
        FunctionTransformer(np.load),
        Runs(),
    ],
    ids=lambda state: str(getattr(state, "func", state)),
)
def test_types_that_neither_scikit_learn_nor_the_spec_has_are_refused_both_ways(tmp_path: Path, state: Any) -> None:
    """Also by an attacker who could change the SHA-256."""
    content = skops.io.dumps(state)
    with pytest.raises(DataError, match="which its spec does not name"):
        model_files.read(content, model_files.sha256_of(content), SPEC, "models:/m-1")
    with pytest.raises(TrainingError, match="its state holds"):
        logged(tmp_path, state)
    assert list(tmp_path.iterdir()) == []


def test_the_package_that_a_spec_names_is_allowed(tmp_path: Path) -> None:
    spec = a_spec(training__candidates__line={"estimator": f"{Runs.__module__}.Runs"})
    model_files.write(tmp_path, Runs(), Model(), spec, "Runs")  # type: ignore[arg-type]
    content = (tmp_path / model_files.MODEL).read_bytes()
    assert isinstance(model_files.read(content, model_files.sha256_of(content), spec, ""), Runs)


def test_a_spec_cannot_allow_the_standard_library(tmp_path: Path) -> None:
    """A class path such as `os.system` is no estimator, and does not open the module for loading."""
    spec = a_spec(training__candidates__line={"estimator": "subprocess.Popen"})
    content = skops.io.dumps(FunctionTransformer(subprocess.run))
    with pytest.raises(DataError, match=r"subprocess\.run"):
        model_files.read(content, model_files.sha256_of(content), spec, "")


def test_a_spec_cannot_allow_functions_of_its_package(tmp_path: Path) -> None:
    """Whoever may append to the ledger says what a spec names there; this one would unpickle a file of theirs."""
    spec = a_spec(training__candidates__line={"estimator": "joblib.Parallel"})
    state = FunctionTransformer(functools.partial(joblib.load, str(tmp_path / "evil.pkl")))
    content = skops.io.dumps(state)
    with pytest.raises(DataError, match=r"holds joblib\.numpy_pickle\.load, which its spec does not name"):
        model_files.read(content, model_files.sha256_of(content), spec, "")
    with pytest.raises(TrainingError, match=r"holds joblib\.numpy_pickle\.load, which is no class"):
        model_files.write(tmp_path, state, Model(), spec, "joblib.Parallel")


def test_trees_with_categories_can_be_stored(tmp_path: Path) -> None:
    """They hold a call of scikit-learn's own check of values."""
    X = np.column_stack([np.arange(300.0) % 7, np.arange(300) % 3])
    trees = HistGradientBoostingClassifier(categorical_features=[1], max_iter=3).fit(X, X[:, 0] > 3)
    content, sha256 = logged(tmp_path, trees)
    assert content[:2] == b"PK"
    read: Any = model_files.read(content, sha256, SPEC, "")
    np.testing.assert_array_equal(read.predict_proba(X), trees.predict_proba(X))


def test_a_state_that_needs_pickle_is_refused(tmp_path: Path) -> None:
    class Local(BaseEstimator):
        pass

    local = Local()
    local.generator_ = (n for n in (1, 2))
    with pytest.raises(TrainingError, match="cannot be stored"):
        logged(tmp_path, local)
