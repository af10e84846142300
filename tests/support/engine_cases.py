"""Snapshots of the small spec in small row groups, and what engines make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from support.factories import a_spec, rows, spans_of
from titleholder.data import features, snapshots
from titleholder.data.snapshots import Extract
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline
from titleholder.training.contributions import Contributions
from titleholder.validation.metrics import Array
from titleholder.workflow import fitting
from titleholder.workflow.fitting import FittedModels

XGB, LGBM = "xgboost.XGBClassifier", "lightgbm.LGBMClassifier"
BOOSTED: dict[str, Any] = {
    XGB: {"n_estimators": 10, "max_depth": 3},
    LGBM: {"n_estimators": 10, "max_depth": 3, "min_child_samples": 5, "verbose": -1},
}


def boosted(estimator: str = XGB, engine: Any = None, *, searched: bool = True, **changes: Any) -> ModelSpec:
    """The small spec with one candidate, `it`, whose learning rate is searched in two trials."""
    candidate = {
        "estimator": estimator,
        "params": BOOSTED.get(estimator, {"n_estimators": 10, "max_depth": 3}),
        "search": {"learning_rate": {"low": 0.05, "high": 0.5}} if searched else {},
    }
    return a_spec(**{"training__candidates": {"it": candidate}, "training__engine": engine, **changes})


def stored(frame: pd.DataFrame, folder: Path | str, patch: pytest.MonkeyPatch, row_group: int = 100) -> Extract:
    """The rows as a snapshot, in row groups of so many."""
    patch.setattr(snapshots, "ROW_GROUP", row_group)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return snapshots.write(str(folder), "small", table.schema, iter(table.to_batches()))


def a_frame(n: int = 900, **columns: Any) -> pd.DataFrame:
    """Rows whose numbers have fewer distinct values than a histogram has bins: then there is one set of bins only."""
    frame = rows(n=n)
    return frame.assign(income=frame["income"].round(-3), debt=frame["debt"].round(1)).assign(**columns)


def fitted(spec: ModelSpec, extract: Extract, **options: Any) -> FittedModels:
    return fitting.fit(spec, "it", extract, spans_of(spec), **options)


def scores(models: FittedModels, frame: pd.DataFrame, spec: ModelSpec) -> Array:
    return pipeline.score(models.fitted.pipeline, features.design_matrix(frame, spec), spec)


def assert_alike(one: FittedModels, other: FittedModels, frame: pd.DataFrame, spec: ModelSpec, atol: float) -> None:
    """The same search with the same outcome, on the same rows; contributions to the scores add up to them in both."""
    assert one.fitted.params == pytest.approx(other.fitted.params)
    np.testing.assert_allclose(one.fitted.fold_scores, other.fitted.fold_scores, rtol=0, atol=atol)
    np.testing.assert_array_equal(one.rows, other.rows)
    assert one.fitted.out_of_fold is not None
    assert other.fitted.out_of_fold is not None
    np.testing.assert_array_equal(one.fitted.out_of_fold.rows, other.fitted.out_of_fold.rows)
    np.testing.assert_allclose(scores(one, frame, spec), scores(other, frame, spec), rtol=0, atol=atol)
    X = features.design_matrix(frame, spec)
    each = [Contributions(models.fitted.pipeline, spec).of(X, scores(models, frame, spec)) for models in (one, other)]
    assert all(np.abs(values).max() > 0.01 for values in each)
