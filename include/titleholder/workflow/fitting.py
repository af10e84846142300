"""A candidate's models from a snapshot, by the engine of the spec: in this process, on a cluster, or from the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from titleholder.data import features
from titleholder.data.scores import Positions
from titleholder.data.snapshots import Extract
from titleholder.engines import cluster
from titleholder.engines.blocks import Reading
from titleholder.engines.external_memory import DiskBackend
from titleholder.engines.on_dask import DaskBackend
from titleholder.engines.single_worker import RowsOnWorkers
from titleholder.engines.streamed import Backend, StreamedRows
from titleholder.settings import connection_url
from titleholder.spec.engine import TWINS, DaskEngine, canonical, is_address
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals
from titleholder.training import search
from titleholder.training.search import COLD, Fitted, OutOfFold, Start, Trainer
from titleholder.workflow.scorer import spread

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Connections = Callable[[str], str]
"""The address of a connection by its id: from the environment, or from Airflow."""
STORED_FOLDS = 2_000_000
"""At most so many predictions of the folds are kept, spread evenly over them: later steps read them into memory."""


class FittedModels(NamedTuple):
    """A candidate that was searched and fitted, its refit where there is one, and the positions of the training rows.

    `engine` says what trained them, for the training run's parameters; empty for this process.
    """

    fitted: Fitted
    refit: Pipeline | None
    rows: Positions
    engine: dict[str, object]


def fit(
    spec: ModelSpec,
    name: str,
    extract: Extract,
    spans: Intervals,
    *,
    start: Start = COLD,
    on_trial: Callable[[int, int], None] | None = None,
    connections: Connections = connection_url,
) -> FittedModels:
    """Search and fit a candidate on the training rows of a snapshot, and refit it on all matured ones where asked.

    Raises:
        SpecError, TrainingError: as `search.run`; TrainingError also where the rows do not fit a cluster's memory.
        UsageError: for a connection that does not exist, or one of no Dask scheduler.
        ServiceError: where a cluster is away, or loses a worker.
    """
    columns = spec.columns
    rows = extract.positions(columns.event_time, end=spans.holdout_start, where=columns.accepted)
    if spec.training.engine is None:
        fitted, refit = _in_memory(spec, name, extract, spans, start, on_trial)
        return FittedModels(fitted, refit, rows, {})
    split, folds = spans.holdout_start, spec.training.search.folds
    with search.named_errors(spec, name), _engine(spec, name, extract, spans, connections) as engine:
        fitted = search.run(lambda: engine.trainer(split, folds), spec, name, on_trial, start=start)
        refit = engine.trainer(None, 0).pipeline(fitted.params) if spec.windows.refit else None
    return FittedModels(_thinned(fitted), refit, rows, engine.known)


class _Engine(NamedTuple):
    """What makes a trainer of the rows before a date (None: all) with so many folds, and what is said of the engine."""

    trainer: Callable[[date | None, int], Trainer]
    known: dict[str, object]


@contextmanager
def _engine(
    spec: ModelSpec, name: str, extract: Extract, spans: Intervals, connections: Connections
) -> Iterator[_Engine]:
    engine, candidate = spec.training.engine, spec.training.candidates[name]

    def streamed(backend: Callable[[], Backend]) -> Callable[[date | None, int], Trainer]:
        return lambda end, folds: StreamedRows(
            spec, candidate, Reading.of(spec, extract.uri, end), folds, backend()
        )  # fmt: skip

    if not isinstance(engine, DaskEngine):
        with ExitStack() as folders:

            def on_disk() -> Backend:
                return DiskBackend(Path(folders.enter_context(TemporaryDirectory(prefix="titleholder-rows-"))))

            yield _Engine(streamed(on_disk), {"engine": engine})
        return
    address = engine.dask if is_address(engine.dask) else cluster.scheduler_address(connections(engine.dask))
    library = candidate.estimator.partition(".")[0]
    if canonical(candidate.estimator) in TWINS:
        with cluster.connected(address, library) as found:
            known = {"engine": "dask", "engine_workers": len(found.workers)}
            yield _Engine(streamed(lambda: DaskBackend(found, candidate)), known)
        return
    of, most = spec.columns, None if spec.windows.refit else spans.holdout_start
    with cluster.connected(address, library, "sklearn", "numpy", "scipy", "pandas") as found:
        able = found.with_memory(len(extract.positions(of.event_time, end=most, where=of.accepted)), len(of.features))
        yield _Engine(
            lambda end, folds: RowsOnWorkers(able, spec, candidate, extract, end, folds), {"engine": "dask"}
        )  # fmt: skip


def _in_memory(
    spec: ModelSpec,
    name: str,
    extract: Extract,
    spans: Intervals,
    start: Start,
    on_trial: Callable[[int, int], None] | None,
) -> tuple[Fitted, Pipeline | None]:
    rows = features.training_rows(extract, spec, spans.holdout_start)
    matured = features.training_rows(extract, spec, None) if spec.windows.refit else None
    fitted = search.fit(rows, spec, name, on_trial, start=start)
    return fitted, None if matured is None else search.refit(matured, spec, name, fitted.params)


def _thinned(fitted: Fitted) -> Fitted:
    """With at most `STORED_FOLDS` predictions of the folds."""
    found = fitted.out_of_fold
    if found is None or len(found.rows) <= STORED_FOLDS:
        return fitted
    chosen = spread(np.arange(len(found.rows)), STORED_FOLDS)
    return replace(fitted, out_of_fold=OutOfFold(found.rows[chosen], found.scores[chosen]))
