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

from titleholder.data.scores import Positions
from titleholder.data.snapshots import Extract
from titleholder.engines import cluster
from titleholder.engines.blocks import Reading
from titleholder.engines.external_memory import DiskBackend
from titleholder.engines.on_dask import DaskBackend
from titleholder.engines.streamed import Backend, StreamedRows
from titleholder.settings import connection_url
from titleholder.spec.engine import DaskEngine, canonical, is_address
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals
from titleholder.training import search
from titleholder.training.search import COLD, Fitted, OutOfFold, Start
from titleholder.workflow.scorer import spread, trained_columns

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
    candidate, split = spec.training.candidates[name], spans.holdout_start
    folds = spec.training.search.folds
    with search.named_errors(spec, name), _engine(spec, name, connections) as engine:

        def streamed(end: date | None, folds: int) -> StreamedRows:
            return StreamedRows(spec, candidate, Reading.of(spec, extract.uri, end), folds, engine.backend())

        fitted = search.run(lambda: streamed(split, folds), spec, name, on_trial, start=start)
        refit = streamed(None, 0).pipeline(fitted.params) if spec.windows.refit else None
    return FittedModels(_thinned(fitted), refit, rows, engine.known)


class _Engine(NamedTuple):
    backend: Callable[[], Backend]
    known: dict[str, object]


@contextmanager
def _engine(spec: ModelSpec, name: str, connections: Connections) -> Iterator[_Engine]:
    """What makes a new backend, and what is said of it."""
    engine, candidate = spec.training.engine, spec.training.candidates[name]
    if not isinstance(engine, DaskEngine):
        with ExitStack() as folders:

            def on_disk() -> Backend:
                return DiskBackend(Path(folders.enter_context(TemporaryDirectory(prefix="titleholder-rows-"))))

            yield _Engine(on_disk, {"engine": engine})
        return
    address = engine.dask if is_address(engine.dask) else cluster.scheduler_address(connections(engine.dask))
    with cluster.connected(address, canonical(candidate.estimator).partition(".")[0]) as found:
        yield _Engine(
            lambda: DaskBackend(found, candidate), {"engine": "dask", "engine_workers": len(found.workers)}
        )  # fmt: skip


def _in_memory(
    spec: ModelSpec,
    name: str,
    extract: Extract,
    spans: Intervals,
    start: Start,
    on_trial: Callable[[int, int], None] | None,
) -> tuple[Fitted, Pipeline | None]:
    columns, accepted = [*trained_columns(spec), spec.columns.event_time], spec.columns.accepted
    rows = extract.read(columns, event_time=spec.columns.event_time, end=spans.holdout_start, where=accepted)
    matured = extract.read(columns, event_time=spec.columns.event_time, where=accepted) if spec.windows.refit else None
    fitted = search.fit(rows, spec, name, on_trial, start=start)
    return fitted, None if matured is None else search.refit(matured, spec, name, fitted.params)


def _thinned(fitted: Fitted) -> Fitted:
    """With at most `STORED_FOLDS` predictions of the folds."""
    found = fitted.out_of_fold
    if found is None or len(found.rows) <= STORED_FOLDS:
        return fitted
    chosen = spread(np.arange(len(found.rows)), STORED_FOLDS)
    return replace(fitted, out_of_fold=OutOfFold(found.rows[chosen], found.scores[chosen]))
