"""Registered models on a real MLflow server: what a version records, and reading it back."""

from __future__ import annotations

import sys
import tempfile
import types
from collections import OrderedDict
from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from support.factories import rows, with_candidate
from support.retraining import challenge
from support.training_cases import fitted, scores
from titleholder.data import snapshots
from titleholder.registry.client import Registry
from titleholder.settings import Settings

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
    expected = Registry(settings.tracking_uri).models.load("tiny", challenger.version).predict_proba(features)
    assert served.predict(features) == pytest.approx(expected)


def test_reading_a_model_leaves_no_files_behind(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger = challenge("tiny", MONTH, "said", settings)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    models = Registry(settings.tracking_uri).models
    assert models.load("tiny", challenger.version).n_features_in_ == 4
    assert models.libraries("tiny", challenger.version)["python"]
    assert list(tmp_path.iterdir()) == []


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
    read = registry.models.read(registry.models.log(run, pipeline, spec, estimator))
    assert (scores(read, frame, spec) == scores(pipeline, frame, spec)).all()
