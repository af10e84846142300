"""Any estimator on a Dask cluster: each fit on one worker, which reads the rows itself; the folds side by side.

A worker runs the code of a training in memory on the same rows, in one thread: which worker fits what, and how many
there are, changes nothing of the model.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from titleholder.data import features, snapshots
from titleholder.data.snapshots import Extract
from titleholder.engines.cluster import Cluster
from titleholder.spec.model import ModelSpec
from titleholder.spec.training import Candidate
from titleholder.training.folds import Positions, PreparedFolds, TrainingRows, fold_scores, time_folds
from titleholder.training.search import fit_pipeline
from titleholder.training.threads import one_thread
from titleholder.validation import metrics

_ONE_FIT = threading.Lock()
"""A worker may have several threads, and the number of threads of its numerical libraries is one for all of them."""


class Order(NamedTuple):
    """What a worker is told of a training: what is fitted, and to which rows of which snapshot."""

    spec: ModelSpec
    candidate: Candidate
    uri: str
    sha256: str
    end: date | None

    def frame(self) -> pd.DataFrame:
        """The training rows, read here, of a file whose hash was compared."""
        with snapshots.opened(self.uri, self.sha256) as extract:
            return features.training_rows(extract, self.spec, self.end)


class RowsOnWorkers:
    """Training rows that workers of a cluster read and keep. See `titleholder.training.search.Trainer`.

    A worker prepares its folds once for all trials. Here are event times, outcomes and weights, and nothing else of the
    rows. With no folds, they can be fitted only.

    Raises:
        TrainingError: when there are too few distinct moments for the folds.
    """

    def __init__(
        self, cluster: Cluster, spec: ModelSpec, candidate: Candidate, extract: Extract, end: date | None, folds: int
    ) -> None:
        self._cluster, self._spec = cluster, spec
        self._order = Order(spec, candidate, extract.uri, extract.sha256, end)
        of = spec.columns
        names = [of.event_time, of.target, *([of.weight] if of.weight else [])]
        known = extract.read(names, event_time=of.event_time, end=end, where=of.accepted)
        self._y, self._weights = features.target(known, spec), features.weights(known, spec)
        self._tests = [test for _, test in time_folds(known[of.event_time], folds)] if folds else []
        self._shares = shares(folds, len(cluster.workers))
        self._prepared = [self._on(n, prepared, self._order, folds, own) for n, own in enumerate(self._shares)]

    @property
    def tests(self) -> Positions:
        """Which training rows the folds test, from 0, one fold after the other."""
        return np.concatenate(self._tests)

    def predictions(self, params: dict[str, Any]) -> Iterator[metrics.Array]:
        """Of each fold's test rows, by the candidate with these parameters, fitted on the fold's training rows."""
        with self._cluster.explained(self._order.uri):
            asked = [self._on(n, predicted, folds, params) for n, folds in enumerate(self._prepared)]
            each = self._cluster.gather(asked)
        of_fold = dict(zip(chain(*self._shares), chain(*each), strict=True))
        return (of_fold[n] for n in range(len(self._tests)))

    def scores(self, predictions: Sequence[metrics.Array]) -> list[float]:
        """The value of the spec's `search_metric` on each fold's test rows."""
        weights = self._weights
        tests = ((self._y[test], None if weights is None else weights[test]) for test in self._tests)
        return fold_scores(self._spec, tests, predictions)

    def pipeline(self, params: dict[str, Any]) -> Pipeline:
        """The candidate with these parameters, fitted on all rows; the workers forget the folds before."""
        self._prepared = []
        with self._cluster.explained(self._order.uri):
            found: list[Pipeline] = self._cluster.gather([self._on(0, fitted, self._order, params)])
            return found[0]

    def _on(self, n: int, function: Any, *args: Any) -> Any:
        """A task on the worker of this number: what it is to work on is there."""
        return self._cluster.client.submit(function, *args, workers=[self._cluster.workers[n].address], pure=False)


def shares(folds: int, workers: int) -> list[list[int]]:
    """Which folds each worker has: the largest first, each to whoever has the fewest rows so far.

    >>> shares(4, 2), shares(2, 3)
    ([[3, 0], [2, 1]], [[1], [0]])
    """
    found: list[list[int]] = [[] for _ in range(workers)]
    for n in reversed(range(folds)):
        min(found, key=lambda own: sum(own) + len(own)).append(n)  # fold n is trained on n + 1 stretches
    return [own for own in found if own]


def prepared(order: Order, folds: int, chosen: Sequence[int]) -> PreparedFolds:
    """On a worker: some of the folds, read and ready for trials."""
    frame = order.frame()
    every = list(time_folds(frame[order.spec.columns.event_time], folds))
    rows = TrainingRows.of(frame, order.spec)
    return PreparedFolds(order.spec, order.candidate, rows, [every[n] for n in chosen])


def predicted(folds: PreparedFolds, params: dict[str, Any]) -> list[metrics.Array]:
    """On a worker: the predictions of each of its folds."""
    with _ONE_FIT, one_thread():
        return list(folds.predictions(params))


def fitted(order: Order, params: dict[str, Any]) -> Pipeline:
    """On a worker: the pipeline, fitted on all rows, read for it."""
    rows = TrainingRows.of(order.frame(), order.spec)
    with _ONE_FIT, one_thread():
        return fit_pipeline(order.spec, order.candidate, params, rows)
