"""The design matrices of one fold, put together when they are needed instead of being held for a whole search."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from titleholder.spec.model import ModelSpec
from titleholder.training.pipeline import MAX_CATEGORIES, MINIMUM_FREQUENCY, Encoding, steps_of
from titleholder.validation.metrics import Array

BLOCK = 16_384
"""Rows that are put together at a time, so that what is copied stays in the processor's cache."""


class CategoryTable(NamedTuple):
    """A prepared categorical column: each distinct value's row of `table`, of shape (values, columns made of them).

    `train` and `test` say which row of the table a row of the fold has.
    """

    table: Array
    train: NDArray[np.int32]
    test: NDArray[np.int32]

    @classmethod
    def of(cls, step: Any, train: pd.Series, test: pd.Series) -> Self:
        """Learnt by an unfitted step from the training rows alone, each value of which is shown to it a few times.

        How often a value occurs matters only below `MINIMUM_FREQUENCY`, unless there are more values than
        `MAX_CATEGORIES`.
        """
        codes, values = pd.factorize(pd.concat([train, test]), use_na_sentinel=False)
        counts = np.bincount(codes[: len(train)], minlength=len(values))
        few = len(values) < MAX_CATEGORIES
        shown = np.repeat(np.asarray(values, dtype=object), np.minimum(counts, MINIMUM_FREQUENCY) if few else counts)
        fitted = clone(step).fit(_column(shown))
        codes = codes.astype(np.int32)
        return cls(fitted.transform(_column(values)), codes[: len(train)], codes[len(train) :])


def _column(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"category": pd.Series(values, dtype=object)})


class FoldMatrices:
    """The matrices of a fold's training and test rows, equal to the last bit to those of `pipeline.preparation`.

    Held are the numbers, where preparation changes them, and of each category the row of a small table: one-hot
    matrices of many rows are the largest thing in a search.
    """

    def __init__(self, train: pd.DataFrame, test: pd.DataFrame, spec: ModelSpec, encoding: Encoding) -> None:
        scale, encode = steps_of(encoding)
        numeric = list(spec.columns.numeric)
        self._numbers: tuple[Any, Any] = (train[numeric], test[numeric])
        if numeric and scale != "passthrough":
            self._numbers = (scale.fit_transform(train[numeric]), scale.transform(test[numeric]))
        self._tables = [CategoryTable.of(encode, train[name], test[name]) for name in spec.columns.categorical]

    @property
    def train(self) -> Array:
        """That of the training rows, made anew."""
        return self._assembled(self._numbers[0], [(table.table, table.train) for table in self._tables])

    @property
    def test(self) -> Array:
        """That of the test rows, made anew."""
        return self._assembled(self._numbers[1], [(table.table, table.test) for table in self._tables])

    def _assembled(self, numbers: Any, categories: list[tuple[Array, NDArray[np.int32]]]) -> Array:
        n, width = numbers.shape
        columns = width + sum(table.shape[1] for table, _ in categories)
        parts = [np.asarray(numbers[:2]), *([np.empty((min(n, 2), columns - width))] if categories else [])]
        laid_out = np.hstack([part for part in parts if part.shape[1]])
        matrix = np.empty((n, columns), order="F" if np.isfortran(laid_out) else "C")  # as scikit-learn's would be
        for first in range(0, n, BLOCK):
            block = slice(first, first + BLOCK)
            matrix[block, :width] = numbers[block]
            at = width
            for table, codes in categories:
                matrix[block, at : at + table.shape[1]] = table[codes[block]]
                at += table.shape[1]
        return matrix
