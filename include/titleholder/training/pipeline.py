"""The pipeline of one candidate: preprocessing that suits the estimator, then the estimator; and its scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def score_each(
    model: Pipeline, X: pd.DataFrame, changed: pd.DataFrame, names: Iterable[str], spec: ModelSpec
) -> Iterator[tuple[str, Array]]:
    """The name of each of these features with the scores of `X` in which only that one is as in `changed`.

    The preparation prepares each feature by itself, so both frames are prepared once, and then what was made of one
    feature after the other is exchanged. Memory: three times the prepared rows.
    """
    prepare, estimator = model.named_steps["prepare"], model.named_steps["model"]
    with one_thread():
        before, after = prepare.transform(X), prepare.transform(changed)
    made_of = features_of_columns(prepare, spec)
    for name in names:
        columns, rows = made_of == spec.columns.features.index(name), before.copy()
        rows[:, columns] = after[:, columns]
        with one_thread():
            answers = _answers(estimator, rows, spec)
        yield name, answers


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


def features_of_columns(prepare: Any, spec: ModelSpec) -> NDArray[np.intp]:
    """The number of the feature that each prepared column was made of, in the order of the spec's features."""
    places: dict[int, int] = {}
    first = 0
    for block, names in (("numeric", spec.columns.numeric), ("categorical", spec.columns.categorical)):
        if names:
            own = _made_of(prepare.named_transformers_[block], len(names))
            start = prepare.output_indices_[block].start
            places |= {start + n: first + feature for n, feature in enumerate(own)}
        first += len(names)
    return np.array([places[n] for n in range(len(places))], dtype=np.intp)


def _made_of(step: Any, n: int) -> list[int]:
    """The number of the column that each prepared column of a block was made of."""
    steps = getattr(step, "named_steps", {})
    if "onehotencoder" in steps:
        encoder = steps["onehotencoder"]
        rare = encoder.infrequent_categories_
        kept = [len(c) if r is None else len(c) - len(r) + 1 for c, r in zip(encoder.categories_, rare, strict=True)]
        return [column for column, width in enumerate(kept) for _ in range(width)]
    if "simpleimputer" in steps:
        return [*range(n), *map(int, steps["simpleimputer"].indicator_.features_)]
    return list(range(n))


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
