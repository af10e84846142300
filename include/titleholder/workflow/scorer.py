"""What model versions answer for the rows of snapshots: stored scores are read, others are computed and stored."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from titleholder.data import features, snapshots
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

    def predict(self, trained: TrainedVersion, frame: pd.DataFrame) -> Array:
        """What a version answers for any rows, shape (rows,)."""
        model = self._retrained.get(trained.name)
        return predict(self._load(trained) if model is None else model, trained.spec, frame)

    def _load(self, trained: TrainedVersion) -> Pipeline:
        logged = trained.nominee.twin if trained.is_twin else trained.nominee.model
        if logged is None:
            raise DataError(f"{trained.spec.name}: version {trained.version} was refitted, but has no twin")
        return self.registry.models.read(logged.uri, logged.sha256, trained.spec)

    def scores(self, trained: TrainedVersion, sha256: str, frame: pd.DataFrame) -> Array:
        """The same for rows of a snapshot, whose positions in it are the index of `frame`."""

        def compute(positions: Positions) -> Array:
            return self.predict(trained, frame.loc[positions])

        positions = frame.index.to_numpy(dtype=np.int64)
        if trained.name in self._retrained:
            return compute(positions)
        return self.store.scores(trained.key(sha256), positions, compute)

    def training_scores(self, trained: TrainedVersion, sha256: str, frame: pd.DataFrame) -> Array:
        """What a version answered for rows of its own snapshot when it was trained; asked again if that is lost."""
        stored = None if trained.name in self._retrained else self.recorded(trained, sha256, frame)
        return self.scores(trained, sha256, frame) if stored is None else stored

    def recorded(self, trained: TrainedVersion, sha256: str, frame: pd.DataFrame) -> Array | None:
        """What was stored for these rows when the version was trained; None where that is lost."""
        return self.store.of_training(trained.key(sha256), frame.index.to_numpy(dtype=np.int64))


def predict(model: Pipeline, spec: ModelSpec, frame: pd.DataFrame) -> Array:
    """A model's scores of rows as the query returns them, shape (rows,)."""
    return pipeline.score(model, features.design_matrix(frame, spec), spec) if len(frame) else np.empty(0)


def spread(positions: Positions, most: int = SAMPLE_ROWS) -> Positions:
    """The training rows that checks look at: all, or at most so many of them spread evenly."""
    n = len(positions)
    chosen: Positions = positions[np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))]
    return chosen


def store_training_scores(
    store: ScoreStore, key: ScoreKey, model: Pipeline, spec: ModelSpec, extract: snapshots.Extract, training: Positions
) -> None:
    """Store what a freshly trained model answers for the rows that later steps ask about.

    These are the sample that checks look at, and the first rows, which a model that is read back must score alike.
    `training` are the positions of the training rows.
    """
    stored = np.union1d(spread(training), training[:RELOADED_ROWS])
    rows = extract.read(features.trained_columns(spec), at=stored, positions=True)
    store.store_training(key, stored, predict(model, spec, rows))
