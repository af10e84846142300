"""Time-ordered folds of the training rows, and their matrices, which all trials of one search share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import has_fit_parameter

from titleholder.data import features
from titleholder.errors import SpecError, TrainingError
from titleholder.spec.model import ModelSpec
from titleholder.spec.training import Candidate
from titleholder.training import estimators
from titleholder.training.matrices import FoldMatrices
from titleholder.training.pipeline import Encoding, encoding_of, score
from titleholder.validation import metrics

Positions = NDArray[np.intp]
Fold = tuple[Positions, Positions]
"""Positions of training rows, and of test rows."""


class TrainingRows(NamedTuple):
    """The design matrix of n rows, their outcomes, and their weights where the spec names a column of them.

    >>> rows = TrainingRows(pd.DataFrame({"amount": [1.0, 2.0, 3.0]}), np.array([0.0, 1.0, 0.0]), None)
    >>> rows.at(np.array([2, 0])).X["amount"].tolist()
    [3.0, 1.0]
    """

    X: pd.DataFrame
    y: metrics.Array
    weights: metrics.Array | None

    @classmethod
    def of(cls, frame: pd.DataFrame, spec: ModelSpec) -> Self:
        """These rows of a snapshot."""
        return cls(features.design_matrix(frame, spec), features.target(frame, spec), features.weights(frame, spec))

    def at(self, rows: Positions) -> Self:
        """The rows at these positions; those that follow each other are not copied."""
        adjoining = len(rows) > 0 and bool((np.diff(rows) == 1).all())
        where = slice(rows[0], rows[-1] + 1) if adjoining else rows
        weights = None if self.weights is None else self.weights[where]
        return self._replace(X=self.X.iloc[where], y=self.y[where], weights=weights)

    def labels(self, spec: ModelSpec) -> NDArray[Any]:
        """The outcomes as estimators take them: whole numbers for a classification."""
        return self.y.astype(np.int64) if spec.task == "classification" else self.y


def time_folds(event_time: pd.Series, folds: int) -> Iterator[Fold]:
    """Expanding-window folds in the order of time: every test row is later than every training row of its fold.

    The rows are cut at moments into `folds` + 1 stretches of about equal size; rows of one moment are never parted.

    Raises:
        TrainingError: when there are too few distinct moments for that many folds.
    """
    times = event_time.to_numpy("datetime64[us]")  # with a time zone, pandas would give slow Python objects
    ordered = np.sort(times)
    cuts = [ordered[len(ordered) * k // (folds + 1)] for k in range(1, folds + 1)]
    if ordered[0] == cuts[0] or len(set(cuts)) < folds:
        raise TrainingError(
            f"training.search.folds: {folds} folds need {folds + 1} stretches of about equal size, which the "
            f"{len(np.unique(times))} distinct event times of the training window do not give; use fewer folds or a "
            "longer window"
        )
    for start, end in zip(cuts, [*cuts[1:], None], strict=True):
        test = (times >= start) if end is None else (times >= start) & (times < end)
        yield np.flatnonzero(times < start), np.flatnonzero(test)


class PreparedFolds:
    """The matrices of every fold, prepared once for all trials of a search.

    What preparation learns (medians, categories) comes from a fold's training rows alone and does not depend on the
    parameters that a trial tries: every trial gets the numbers that a whole pipeline would have given it.

    Raises:
        TrainingError: when a fold of a classification has one class only.
    """

    def __init__(self, spec: ModelSpec, candidate: Candidate, rows: TrainingRows, folds: Sequence[Fold]) -> None:
        self._spec, self._candidate = spec, candidate
        self._folds = [(rows.at(train), rows.at(test)) for train, test in folds]
        self._matrices: dict[Encoding, list[FoldMatrices]] = {}
        for train, test in self._folds:
            require_classes(spec, train.y, test.y)

    def predictions(self, params: dict[str, Any]) -> Iterator[metrics.Array]:
        """Of each fold's test rows, by the candidate with these parameters, fitted on the fold's training rows.

        Raises:
            SpecError: as `estimators.create`, and where the estimator cannot be fitted with weights.
        """
        for n, (train, _) in enumerate(self._folds):
            model = estimators.create(self._spec, self._candidate, params)
            weights = fit_weights(self._spec, self._candidate, model, train.weights)
            fold = self._prepared(encoding_of(self._candidate, model))[n]
            model.fit(fold.train, train.labels(self._spec), **weights)
            yield score(model, fold.test, self._spec)

    def scores(self, predictions: Sequence[metrics.Array]) -> list[float]:
        """The value of the spec's `search_metric` on each fold's test rows."""
        return fold_scores(self._spec, [(test.y, test.weights) for _, test in self._folds], predictions)

    def _prepared(self, encoding: Encoding) -> list[FoldMatrices]:
        if encoding not in self._matrices:
            self._matrices[encoding] = [
                FoldMatrices(filled_for_fit(train.X, self._spec), test.X, self._spec, encoding)
                for train, test in self._folds
            ]
        return self._matrices[encoding]


def fold_scores(
    spec: ModelSpec,
    tests: Iterable[tuple[metrics.Array, metrics.Array | None]],
    predictions: Iterable[metrics.Array],
) -> list[float]:
    """The value of the spec's `search_metric` on each fold, whose test rows have these outcomes and weights."""
    return [
        metrics.compute(spec.search_metric, y, predicted, spec.judgement, weights)
        for (y, weights), predicted in zip(tests, predictions, strict=True)
    ]


def require_classes(spec: ModelSpec, train: NDArray[Any], test: NDArray[Any]) -> None:
    """Refuse a fold of a classification with these outcomes where either has one class only.

    Raises:
        TrainingError: naming how many rows there are, and what to change.
    """
    if spec.task == "classification" and min(len(np.unique(train)), len(np.unique(test))) < 2:
        raise TrainingError(
            f"{spec.name}: a fold of {len(train)} training and {len(test)} test rows has one class only; "
            "use fewer folds (training.search.folds) or a longer training window"
        )


def filled_for_fit(X: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """The rows with 0 in each numeric column that has no value at all: some trees fail on it otherwise."""
    empty = [c for c in spec.columns.numeric if X[c].isna().all()]
    return X.assign(**dict.fromkeys(empty, 0.0))


def fit_weights(
    spec: ModelSpec, candidate: Candidate, model: Any, weights: metrics.Array | None
) -> dict[str, metrics.Array]:
    """The weights as an argument of the estimator's `fit`; none where the spec names no column of them.

    Raises:
        SpecError: when the estimator cannot be fitted with weights.
    """
    if weights is None:
        return {}
    if not has_fit_parameter(model, "sample_weight"):
        raise SpecError(f"{spec.name}: columns.weight: {candidate.estimator} cannot be fitted with weights")
    return {"sample_weight": weights}
