"""Registered models on a real MLflow server: what a version records, and reading it back."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import mlflow
import pytest

from support.retraining import challenge
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
