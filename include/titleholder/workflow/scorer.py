"""What model versions answer for the rows of snapshots: stored scores are read, others are computed and stored."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from titleholder.data import features, snapshots
from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.scores import Array, Positions, ScoreKey, ScoreStore
from titleholder.errors import DataError
from titleholder.registry.client import Registry
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline
from titleholder.workflow.trained_versions import TrainedVersion

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

T = TypeVar("T")
SAMPLE_ROWS = 20_000
"""At most so many training rows are scored, spread evenly over them."""
RELOADED_ROWS = 50
"""The scores of so many training rows are compared when a model is read back from the registry."""


class Scorer:
    """Scores of model versions on the rows of snapshots: stored ones are read, others are computed and stored.

    `retrained`, where given, holds pipelines that stand in for models, by `TrainedVersion.name`; what they answer is
    not stored. `ledger_url`, where given, is where scoring runs are found.
    """

    def __init__(
        self,
        registry: Registry,
        store: ScoreStore,
        retrained: Mapping[str, Pipeline] | None = None,
        *,
        ledger_url: str | None = None,
    ) -> None:
        self.registry, self.store, self._retrained = registry, store, retrained or {}
        self.ledger_url = ledger_url
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` returns, which is kept under this key for all comparisons of this scorer."""
        if key not in self._kept:
            self._kept[key] = compute()
        found: T = self._kept[key]
        return found

    def predict(self, trained: TrainedVersion, rows: pd.DataFrame | LazyFrame) -> Array:
        """What a version answers for any rows, shape (rows,); nothing is stored."""
        return predict(self.model(trained), trained.spec, rows)

    def model(self, trained: TrainedVersion) -> Pipeline:
        """The pipeline of a version, as the registry has it."""
        if trained.name in self._retrained:
            return self._retrained[trained.name]
        logged = trained.nominee.twin if trained.is_twin else trained.nominee.model
        if logged is None:
            raise DataError(f"{trained.spec.name}: version {trained.version} was refitted, but has no twin")
        return self.registry.models.read(logged.uri, logged.sha256, trained.spec)

    def scores(self, trained: TrainedVersion, rows: LazyFrame) -> Array:
        """The same for rows of a snapshot: stored scores are read, others are computed and stored."""
        if trained.name in self._retrained:
            return self.predict(trained, rows)
        return stored_scores(self.store, trained.key(rows.extract.sha256), rows, partial(self.predict, trained))

    def training_scores(self, trained: TrainedVersion, rows: LazyFrame) -> Array:
        """What a version answered for rows of its own snapshot when it was trained; asked again if that is lost."""
        stored = None if trained.name in self._retrained else self.recorded(trained, rows)
        return self.scores(trained, rows) if stored is None else stored

    def recorded(self, trained: TrainedVersion, rows: LazyFrame) -> Array | None:
        """What was stored for these rows when the version was trained; None where that is lost."""
        return self.store.of_training(trained.key(rows.extract.sha256), rows.positions)


class Answers:
    """What a version answers for any rows, shape (rows,), and for rows in which one column after the other changes."""

    def __init__(self, scorer: Scorer, trained: TrainedVersion) -> None:
        self._scorer, self._trained = scorer, trained

    def __call__(self, rows: pd.DataFrame) -> Array:
        """The scores of rows as the query returns them."""
        return self._scorer.predict(self._trained, rows)

    def each(self, rows: pd.DataFrame, changed: Mapping[str, pd.Series]) -> Iterator[tuple[str, Array]]:
        """See `changed_columns.predict_each`."""
        model, spec = self._scorer.model(self._trained), self._trained.spec
        other = rows.assign(**{name: values.array for name, values in changed.items()})  # by place, not by index
        before, after = (features.design_matrix(frame, spec) for frame in (rows, other))
        return pipeline.score_each(model, before, after, changed, spec)


def stored_scores(store: ScoreStore, key: ScoreKey, rows: LazyFrame, compute: Callable[[LazyFrame], Array]) -> Array:
    """The scores of these rows, shape (rows,); `compute` gives those that are not stored yet."""
    return store.scores(key, rows.positions, lambda positions: compute(LazyFrame(rows.extract, positions)))


def predict(model: Pipeline, spec: ModelSpec, rows: pd.DataFrame | LazyFrame) -> Array:
    """A model's scores of rows as the query returns them, shape (rows,); those of an extract are read in batches."""
    batches: Iterable[pd.DataFrame] = (
        [rows] if isinstance(rows, pd.DataFrame) else rows.batches(spec.columns.features, pipeline.ROWS_AT_ONCE)
    )
    parts = [pipeline.score(model, features.design_matrix(frame, spec), spec) for frame in batches if len(frame)]
    return np.concatenate([np.empty(0), *parts])


def spread(positions: Positions, most: int = SAMPLE_ROWS) -> Positions:
    """The training rows that checks look at: all, or at most so many of them spread evenly."""
    n = len(positions)
    chosen: Positions = positions[np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))]
    return chosen


def store_training_scores(
    store: ScoreStore,
    key: ScoreKey,
    model: Pipeline,
    spec: ModelSpec,
    extract: snapshots.Extract,
    training: Positions,
    note: str = "",
) -> None:
    """Store what a freshly trained model answers for the rows that later steps ask about.

    These are the sample that checks look at, and the first rows, which a model that is read back must score alike.
    `training` are the positions of the training rows; the note is stored with the scores.
    """
    stored = np.union1d(spread(training), training[:RELOADED_ROWS])
    store.store_training(key, stored, predict(model, spec, LazyFrame(extract, stored)), note)
