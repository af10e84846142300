"""How much each feature adds to a score, by a fitted pipeline; what is added up is in docs/reasons.md.

- Linear models: coefficient times the distance from the mean of the training rows. This is exact.
- XGBoost and LightGBM: their own TreeSHAP (`pred_contribs`, `pred_contrib`).
- Gradient boosting of scikit-learn: the same values, by `titleholder.training.tree_shap`. No well-kept library knows
  the categorical splits of scikit-learn's histogram-based trees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.pipeline import Pipeline

from titleholder.errors import DataError, UsageError
from titleholder.spec.model import ModelSpec
from titleholder.spec.reasons import unexplained
from titleholder.training.pipeline import TRAINING_MEAN, features_of_columns
from titleholder.training.threads import one_thread
from titleholder.training.tree_shap import Split, Tree, TreeShap
from titleholder.validation.metrics import Array

AT_ONCE = 8_192
"""So many rows at a time: memory stays flat, and what is computed stays in the processor's cache."""
TOLERANCE = 1e-5
"""Contributions must add up to the score to this: XGBoost computes in 32 bits."""
Contribute = Callable[[Array], Array]
"""Prepared rows to contributions, both of shape (rows, prepared columns)."""


class Parts(NamedTuple):
    """The sum without any feature, and what each prepared column adds to it."""

    baseline: float
    contribute: Contribute


class Contributions:
    """What each feature of a row adds to the score, against the baseline, in log odds or in the target's unit."""

    def __init__(self, pipeline: Pipeline, spec: ModelSpec) -> None:
        """Raises UsageError for an estimator whose scores have no reasons."""
        prepare, model = pipeline.named_steps["prepare"], pipeline.named_steps["model"]
        path = f"{type(model).__module__}.{type(model).__name__}"
        if why := unexplained(path, {name: [value] for name, value in model.get_params(deep=False).items()}):
            raise UsageError(f"{spec.name}: {why}")
        self._prepare, self._spec = prepare, spec
        self._columns = features_of_columns(prepare, spec)
        with one_thread():
            self.baseline, self._contribute = _parts(model, prepare, self._columns.size, spec)

    def of(self, X: pd.DataFrame, scores: Array) -> Array:
        """Of the rows of a design matrix that have these scores; float64 of shape (rows, features).

        A row's contributions do not depend on the other rows.

        Raises:
            DataError: they do not add up to the scores.
        """
        with one_thread():
            parts = [self._of(X[n : n + AT_ONCE]) for n in range(0, len(X), AT_ONCE)]
        values = np.concatenate(parts) if parts else np.empty((0, len(self._spec.columns.features)))
        total = values.sum(axis=1) + self.baseline
        answered = expit(total) if self._spec.task == "classification" else total
        if not np.allclose(answered, scores, rtol=TOLERANCE, atol=TOLERANCE):
            worst = float(np.abs(answered - scores).max())
            raise DataError(
                f"{self._spec.name}: what the features add to the scores does not add up to them (by up to {worst:.2g})"
                "; no reason is given. Is a library newer than the one that the model was trained with?"
            )
        return values

    def _of(self, X: pd.DataFrame) -> Array:
        added = self._contribute(np.asarray(self._prepare.transform(X), dtype=np.float64))
        values = np.zeros((len(X), len(self._spec.columns.features)))
        for column, feature in enumerate(self._columns):
            values[:, feature] += added[:, column]
        return values


def _parts(model: Any, prepare: Any, columns: int, spec: ModelSpec) -> Parts:
    library = type(model).__module__.partition(".")[0]
    if library == "xgboost":
        return _with_bias(_of_xgboost(model), columns)
    if library == "lightgbm":
        return _with_bias(_of_lightgbm(model), columns)
    if hasattr(model, "coef_"):
        return _of_linear(model, prepare, spec)
    return _of_histogram_trees(model) if hasattr(model, "_predictors") else _of_gradient_boosting(model)


def _of_linear(model: Any, prepare: Any, spec: ModelSpec) -> Parts:
    coefficients, intercept = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    mean = getattr(prepare, TRAINING_MEAN, None)
    if mean is None:
        raise UsageError(
            f"{spec.name}: this version was trained before models kept the mean of their training rows, so its scores "
            "have no reasons. Train the model again"
        )
    return Parts(intercept + float((coefficients * mean).sum()), lambda rows: (rows - mean) * coefficients)


def _of_xgboost(model: Any) -> Contribute:
    import xgboost

    booster = model.get_booster()

    def found(rows: Array) -> Array:
        matrix = xgboost.DMatrix(rows, missing=np.nan, nthread=1, feature_names=booster.feature_names)
        return np.asarray(booster.predict(matrix, pred_contribs=True), dtype=np.float64)

    return found


def _of_lightgbm(model: Any) -> Contribute:
    booster = model.booster_
    return lambda rows: np.asarray(booster.predict(rows, pred_contrib=True, num_threads=1), dtype=np.float64)


def _with_bias(found: Contribute, columns: int) -> Parts:
    """Of libraries that give the baseline as a last column, the same for every row."""
    return Parts(float(found(np.zeros((1, columns)))[0, -1]), lambda rows: found(rows)[:, :-1])


def _of_histogram_trees(model: Any) -> Parts:
    categorical = model.is_categorical_
    n = model.n_features_in_
    order = np.arange(n) if categorical is None else np.argsort(~categorical, kind="stable")  # as its trees number them
    known, places = model._bin_mapper.make_known_categories_bitsets()
    trees = [
        TreeShap(_histogram_tree(tree, _categories(known), places)) for (tree,) in model._predictors
    ]  # fmt: skip

    def contribute(rows: Array) -> Array:
        added = np.zeros((n, len(rows)))
        added[order] = _added(trees, np.ascontiguousarray(model._preprocess_X(rows, reset=False).T))
        return added.T

    return Parts(float(np.ravel(model._baseline_prediction)[0]) + _expected(trees), contribute)


def _categories(bitsets: Any) -> NDArray[np.bool_]:
    """The sets of codes below 256, shape (sets, 256)."""
    bits = np.asarray(bitsets, dtype="<u4").view(np.uint8)
    return np.unpackbits(bits, axis=1, bitorder="little").astype(bool)


def _histogram_tree(tree: Any, known: NDArray[np.bool_], places: NDArray[Any]) -> Tree:
    left = _categories(tree.raw_left_cat_bitsets)

    def split(node: Any) -> Split | None:
        if node["is_leaf"]:
            return None
        feature, gaps_left, categories = int(node["feature_idx"]), bool(node["missing_go_to_left"]), None
        if node["is_categorical"]:  # a code that no training row had goes where gaps go
            categories = np.where(known[places[feature]], left[node["bitset_idx"]], gaps_left)
        return Split(feature, float(node["num_threshold"]), gaps_left, categories)

    nodes = tree.nodes
    children = list(zip(nodes["left"].tolist(), nodes["right"].tolist(), strict=True))
    return Tree([split(node) for node in nodes], children, nodes["count"].tolist(), nodes["value"].tolist())


def _of_gradient_boosting(model: Any) -> Parts:
    rate = model.learning_rate
    trees = [TreeShap(_binary_tree(tree.tree_, rate)) for (tree,) in model.estimators_]
    first = float(np.ravel(model._raw_predict_init(np.zeros((1, model.n_features_in_))))[0])

    def contribute(rows: Array) -> Array:
        return _added(trees, np.ascontiguousarray(rows.astype(np.float32).T)).T  # its trees compare 32 bits

    return Parts(first + _expected(trees), contribute)


def _binary_tree(tree: Any, rate: float) -> Tree:
    splits = [
        None if left < 0 else Split(int(feature), float(threshold), gaps_left=False)
        for left, feature, threshold in zip(tree.children_left, tree.feature, tree.threshold, strict=True)
    ]
    children = list(zip(tree.children_left.tolist(), tree.children_right.tolist(), strict=True))
    return Tree(splits, children, tree.weighted_n_node_samples.tolist(), (rate * tree.value[:, 0, 0]).tolist())


def _expected(trees: Sequence[TreeShap]) -> float:
    return sum(tree.expected for tree in trees)


def _added(trees: Sequence[TreeShap], columns: Array) -> Array:
    added = np.zeros(columns.shape)
    for tree in trees:
        tree.add(columns, added)
    return added
