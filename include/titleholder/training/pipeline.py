"""The pipeline of one candidate: preprocessing that suits the estimator, then the estimator; and its scores."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import get_tags

from titleholder.spec.model import ModelSpec
from titleholder.spec.training import Candidate
from titleholder.training import estimators
from titleholder.training.threads import one_thread
from titleholder.validation.metrics import Array

MISSING = "(missing)"
MINIMUM_FREQUENCY = 20
MAX_CATEGORIES = 200  # below the 255 bins that histogram-based trees have for one column; one-hot, a dense column each
ROWS_AT_ONCE = 100_000
"""So many rows are prepared and scored at a time: a score does not depend on the other rows."""
TRAINING_MEAN = "training_mean_"
"""The attribute of the preparation of a linear model that holds the mean of the prepared training rows."""
Encoding = Literal["linear", "tree"]


def build(spec: ModelSpec, candidate: Candidate, params: dict[str, Any]) -> Pipeline:
    """An unfitted pipeline: preprocessing that suits the estimator, then the estimator.

    Linear: gaps imputed by the median with an indicator, scaled; categories one-hot, rare and unseen ones together.
    Tree: gaps kept, categories as ordinal codes (declared to estimators that treat codes as categories), unseen as
    missing.
    """
    estimator = estimators.create(spec, candidate, params)
    return Pipeline([("prepare", preparation(spec, encoding_of(candidate, estimator))), ("model", estimator)])


def score(model: Any, X: pd.DataFrame | NDArray[Any], spec: ModelSpec) -> Array:
    """The probability of class 1, or the predicted value, by a fitted model; float64 of shape (rows,)."""
    at_once = ROWS_AT_ONCE if isinstance(X, pd.DataFrame) else len(X)
    with one_thread():
        parts = [_answers(model, X[n : n + at_once], spec) for n in range(0, len(X), at_once)]
    return np.concatenate([np.empty(0), *parts])


def keep_mean(pipeline: Pipeline, X: pd.DataFrame) -> None:
    """Let a fitted linear model keep the mean of its prepared training rows, the baseline of its scores' reasons."""
    prepare, model = pipeline.named_steps["prepare"], pipeline.named_steps["model"]
    if hasattr(model, "coef_"):
        parts = (prepare.transform(X[n : n + ROWS_AT_ONCE]).sum(axis=0) for n in range(0, len(X), ROWS_AT_ONCE))
        setattr(prepare, TRAINING_MEAN, sum(parts) / len(X))


def known_categories(pipeline: Pipeline, spec: ModelSpec) -> dict[str, tuple[str, ...]]:
    """The categories that the training rows of a fitted pipeline had, by feature, without gaps."""
    names = spec.columns.categorical
    if not names:
        return {}
    step = pipeline.named_steps["prepare"].named_transformers_["categorical"]
    found = (step[-1] if isinstance(step, Pipeline) else step).categories_
    return {
        name: tuple(c for c in own if isinstance(c, str) and c != MISSING)
        for name, own in zip(names, found, strict=True)
    }


def _answers(model: Any, X: pd.DataFrame | NDArray[Any], spec: ModelSpec) -> Array:
    out = model.predict_proba(X)[:, 1] if spec.task == "classification" else model.predict(X)
    return np.asarray(out, dtype=np.float64)


def encoding_of(candidate: Candidate, estimator: Any) -> Encoding:
    """How the columns are prepared for an estimator: as the spec says, else by whether it takes missing values."""
    if candidate.encoding != "auto":
        return candidate.encoding
    return "tree" if get_tags(estimator).input_tags.allow_nan else "linear"


def preparation(spec: ModelSpec, encoding: Encoding) -> ColumnTransformer:
    """The unfitted preparation of the feature columns; numbers first."""
    numbers, categories = steps_of(encoding)
    steps = [
        ("numeric", numbers, list(spec.columns.numeric)),
        ("categorical", categories, list(spec.columns.categorical)),
    ]
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def steps_of(encoding: Encoding) -> tuple[Any, Any]:
    """How numbers are prepared, or "passthrough", and how categories are; unfitted."""
    return _tree_steps() if encoding == "tree" else _linear_steps()


def _tree_steps() -> tuple[Any, Any]:
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=MAX_CATEGORIES,
    )
    return "passthrough", codes


def _linear_steps() -> tuple[Any, Any]:
    scale = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    # A gap is NaN here and None where a service gets JSON; a step for each, the first of which lets None pass.
    gaps = [
        SimpleImputer(missing_values=gap, strategy="constant", fill_value=MISSING, keep_empty_features=True)
        for gap in (np.nan, None)
    ]
    one_hot = make_pipeline(
        *gaps,
        OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=MINIMUM_FREQUENCY,
            max_categories=MAX_CATEGORIES,
            sparse_output=False,
        ),
    )
    return scale, one_hot
