"""Candidates, and the small spec fitted with them, for the tests of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from titleholder.data import features
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline, search

HGB = "sklearn.ensemble.HistGradientBoostingClassifier"
LINEAR = {"estimator": "sklearn.linear_model.LogisticRegression"}
TREE = {"estimator": HGB, "params": {"max_iter": 4, "min_samples_leaf": 5}}


def fitted(spec: ModelSpec, frame: pd.DataFrame, name: str = "it") -> search.Fitted:
    return search.fit(frame, spec, name)


def scores(model: Any, frame: pd.DataFrame, spec: ModelSpec) -> np.ndarray:
    return pipeline.score(model, features.design_matrix(frame, spec), spec)


def model_of(spec: ModelSpec) -> Any:
    """The unfitted estimator of the candidate `it`."""
    return pipeline.build(spec, spec.training.candidates["it"], {}).named_steps["model"]
