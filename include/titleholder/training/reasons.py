"""The reasons for a score: the features that moved it most in one direction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.pipeline import Pipeline

from titleholder.spec.model import ModelSpec
from titleholder.spec.scoring import ReasonsAsked
from titleholder.training.contributions import Contributions
from titleholder.validation.metrics import Array

DECIMALS = 9
"""Contributions are compared after they are rounded to so many: less is rounding, which must not decide."""


class Reasons:
    """Gives the reasons of a fitted pipeline's scores."""

    def __init__(self, pipeline: Pipeline, spec: ModelSpec, asked: ReasonsAsked) -> None:
        """`spec` is that of the training. Raises UsageError for an estimator whose scores have no reasons."""
        self._contributions = Contributions(pipeline, spec)
        self._names, self._asked = spec.columns.features, asked

    def of(self, X: pd.DataFrame, scores: Array) -> pa.ListArray:
        """For each row the names of features, that which moved the score most first.

        Raises:
            DataError: what the features add does not add up to the scores.
        """
        return ranked(self._contributions.of(X, scores), self._names, self._asked)


def ranked(contributions: Array, names: list[str], asked: ReasonsAsked) -> pa.ListArray:
    """The features with the largest contributions in the direction asked for, equal ones in the order of `names`.

    A feature that moved the score the other way, or not at all, is no reason: a row may have fewer than asked for.

    >>> ranked(np.array([[0.1, -2.0, 0.3, 0.1]]), ["a", "b", "c", "d"], ReasonsAsked(3, "high")).to_pylist()
    [['c', 'a', 'd']]
    """
    moved = np.round(contributions if asked.toward == "high" else -contributions, DECIMALS)
    order = np.argsort(-moved, axis=1, kind="stable")[:, : asked.most]
    given = np.take_along_axis(moved, order, axis=1) > 0
    ends = np.concatenate([[0], given.sum(axis=1).cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(ends, pa.array(names, pa.string()).take(pa.array(order[given])))
