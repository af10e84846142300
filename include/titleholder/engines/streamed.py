"""The trainer of rows that no process holds: the same folds and the same pipelines as in memory, over blocks of rows.

A `Backend` has the blocks and fits estimators to them: the workers of a Dask cluster, or this process from the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from titleholder.data import row_groups
from titleholder.data.row_groups import Span
from titleholder.engines import blocks, categories
from titleholder.engines.blocks import Facts, Floats, Reading
from titleholder.engines.categories import Categories, Codes
from titleholder.errors import TrainingError
from titleholder.spec.model import ModelSpec
from titleholder.spec.training import Candidate
from titleholder.training import estimators
from titleholder.training.folds import Positions, fold_scores, require_classes
from titleholder.validation import metrics


class Recoding(NamedTuple):
    """The codes of categories in place of their numbers: for each categorical column, those of each category.

    None where the numbers will do.
    """

    codes: tuple[Codes, ...] | None

    def of(self, X: Floats) -> Floats:
        """The rows of a block with these codes; another array, unless the numbers will do."""
        if self.codes is None:
            return X
        X = X.copy()
        first = X.shape[1] - len(self.codes)
        for column, codes in enumerate(self.codes, start=first):
            blocks.replace(X, column, codes)
        return X


class Backend(Protocol):
    """Whoever has the blocks of one training set."""

    def parts(self, rows: int) -> int:
        """In how many blocks a stretch of so many rows is divided."""

    def moments(self, reading: Reading, groups: Sequence[Span]) -> list[blocks.Moments]:
        """Those of each row group."""

    def load(self, reading: Reading, spans: Sequence[Span]) -> list[Facts]:
        """Read a block of each of these spans of the snapshot."""

    def number(self, ids: Sequence[Sequence[NDArray[np.int64]]]) -> None:
        """Give the categories of each block their numbers among all."""

    def fit(self, estimator: Any, chosen: range, recoding: Recoding) -> Any:
        """An estimator of the same class that works without the backend, fitted to these blocks."""

    def predict(self, estimator: Any, chosen: range, recoding: Recoding, spec: ModelSpec) -> metrics.Array:
        """What a fitted estimator answers for the rows of these blocks."""


class StreamedRows:
    """Training rows of a snapshot in the blocks of a backend. See `titleholder.training.search.Trainer`.

    With no folds, they can be fitted only. Here are the outcomes and weights of all rows, and nothing else of them.

    Raises:
        TrainingError: when there are too few distinct moments for the folds, or a fold has one class only.
    """

    def __init__(self, spec: ModelSpec, candidate: Candidate, reading: Reading, folds: int, backend: Backend) -> None:
        self._spec, self._candidate, self._backend = spec, candidate, backend
        found = backend.moments(reading, row_groups.groups(reading.uri))
        cut = blocks.stretches(found, folds, partial(blocks.times_of, reading))
        if not cut or not cut[-1].end:
            raise TrainingError(f"{spec.name}: no rows to train on")
        each = [stretch.parts(backend.parts(stretch.rows)) for stretch in cut]
        of_stretch = [n for n, parts in enumerate(each) for _ in parts]
        ends = list(accumulate(map(len, each)))
        self._blocks = [range(end - len(parts), end) for end, parts in zip(ends, each, strict=True)]
        self._facts = backend.load(reading, [part for parts in each for part in parts])
        self._categories: list[Categories] = []
        ids = []
        for column in range(len(reading.categorical)):
            merged, own = categories.merged(column, self._facts, of_stretch)
            self._categories.append(merged)
            ids.append(own)
        backend.number(list(zip(*ids, strict=True)) if ids else [()] * len(self._facts))
        self._y = [self._of(lambda facts: facts.y, own) for own in self._blocks]
        self._facts = [facts._replace(y=np.empty(0, np.int8)) for facts in self._facts]
        for n in range(1, len(self._y)):
            require_classes(spec, np.concatenate(self._y[:n]), self._y[n])

    def _of(self, part: Callable[[Facts], Any], chosen: range) -> NDArray[Any]:
        return np.concatenate([part(self._facts[n]) for n in chosen])

    @property
    def rows(self) -> int:
        """How many rows are trained on."""
        return sum(map(len, self._y))

    @property
    def tests(self) -> Positions:
        """Which training rows the folds test: all after the first stretch."""
        return np.arange(len(self._y[0]), self.rows)

    def predictions(self, params: dict[str, Any]) -> Iterator[metrics.Array]:
        """Of each fold's test rows, by the candidate with these parameters, fitted on the stretches before them."""
        for fold in range(1, len(self._blocks)):
            recoding = self._recoding(fold)
            train = range(self._blocks[fold].start)
            estimator = estimators.create(self._spec, self._candidate, params)
            fitted = self._backend.fit(estimator, train, recoding)
            yield self._backend.predict(fitted, self._blocks[fold], recoding, self._spec)

    def scores(self, predictions: Sequence[metrics.Array]) -> list[float]:
        """The value of the spec's `search_metric` on each fold's test rows."""
        weighted = self._spec.columns.weight
        tests = (
            (y.astype(np.float64), self._of(lambda facts: facts.weights, own) if weighted else None)
            for y, own in zip(self._y[1:], self._blocks[1:], strict=True)
        )
        return fold_scores(self._spec, tests, predictions)

    def pipeline(self, params: dict[str, Any]) -> Pipeline:
        """The candidate with these parameters, fitted on all rows, in a pipeline that needs no backend."""
        every = slice(0, len(self._blocks))
        prepared = categories.fitted_preparation(self._spec, self._categories, every)
        codes = categories.codes(prepared, self._spec, self._categories)
        same = all(np.array_equal(own, np.arange(len(own))) for own in codes)
        estimator = estimators.create(self._spec, self._candidate, params)
        recoding = Recoding(None if same else tuple(codes))
        fitted = self._backend.fit(estimator, range(len(self._facts)), recoding)
        return Pipeline([("prepare", prepared), ("model", fitted)])

    def _recoding(self, fold: int) -> Recoding:
        """The codes of a fold, whose categories are those of its own training rows."""
        prepared = categories.fitted_preparation(self._spec, self._categories, slice(0, fold))
        codes = categories.codes(prepared, self._spec, self._categories)
        known: Iterable[bool] = (
            categories.in_order(own, each.occurring(slice(0, fold + 1)))
            for own, each in zip(codes, self._categories, strict=True)
        )
        return Recoding(None if all(known) else tuple(codes))
