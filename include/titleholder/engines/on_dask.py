"""Blocks of training rows on the workers of a Dask cluster, and boosters that these train together.

A worker reads its blocks from the store itself. Which worker has which block is a function of the number of workers, so
that equal rows, spec and number of workers give an equal model.
"""

from __future__ import annotations

import importlib
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from titleholder.data.row_groups import Span
from titleholder.engines import blocks
from titleholder.engines.blocks import Block, Facts, Reading
from titleholder.engines.cluster import Cluster
from titleholder.engines.streamed import Recoding
from titleholder.errors import TrainingError
from titleholder.spec.engine import TWINS, canonical
from titleholder.spec.model import ModelSpec
from titleholder.spec.training import Candidate
from titleholder.training import pipeline
from titleholder.validation import metrics

OF_THE_CLUSTER = (
    "machines", "num_machines", "local_listen_port", "time_out", "tree_learner", "num_threads", "pre_partition",
)  # fmt: skip
"""Parameters that LightGBM adds where it trains on several machines, and that mean nothing to the model."""


ROWS = 1_048_576
"""The most rows of a block."""


class DaskBackend:
    """See `titleholder.engines.streamed.Backend`. A worker uses all its threads, unless the spec says `n_jobs`."""

    def __init__(self, cluster: Cluster, candidate: Candidate) -> None:
        self._cluster, self._client = cluster, cluster.client
        self._addresses = [worker.address for worker in cluster.workers]
        self._twin, self._own_threads = TWINS[canonical(candidate.estimator)], "n_jobs" in candidate.params
        self._X: list[Any] = []
        self._y: list[Any] = []
        self._weights: list[Any] = []
        self._loaded: list[Any] = []
        self._rows: list[int] = []
        self._classes: list[set[int]] = []
        self._width = 0
        self._kind: Any = np.int64
        self._weighted = False

    def parts(self, rows: int) -> int:
        """One for each worker, or as many as there are of `ROWS` rows."""
        return max(len(self._addresses), -(-rows // ROWS))

    def moments(self, reading: Reading, groups: Sequence[Span]) -> list[blocks.Moments]:
        """Those of each row group, found by the workers."""
        with self._cluster.explained(reading.uri):
            client = self._client
            found: list[blocks.Moments] = self._cluster.gather(
                [client.submit(blocks.moments, reading, span, pure=False) for span in groups]
            )
            self._cluster.require_memory(sum(each.rows for each in found), len(reading.numeric + reading.categorical))
            return found

    def load(self, reading: Reading, spans: Sequence[Span]) -> list[Facts]:
        """Every worker reads its own blocks."""
        self._width, self._weighted = len(reading.numeric) + len(reading.categorical), reading.weight is not None
        self._kind = np.int64 if reading.whole else np.float64
        with self._cluster.explained(reading.uri):
            self._loaded = [self._on(n, blocks.load, reading, span) for n, span in enumerate(spans)]
            facts = [self._on(n, operator.attrgetter("facts"), block) for n, block in enumerate(self._loaded)]
            known: list[Facts] = self._cluster.gather(facts)
        self._rows = [len(each.y) for each in known]
        self._classes = [set(np.unique(each.y)) if reading.whole else set() for each in known]
        return known

    def number(self, ids: Sequence[Sequence[NDArray[np.int64]]]) -> None:
        """Afterwards the workers have the rows of each block, its outcomes and its weights."""
        with self._cluster.explained():
            self._X = [self._on(n, Block.number, block, ids[n]) for n, block in enumerate(self._loaded)]
            self._y = [self._on(n, operator.attrgetter("y"), block) for n, block in enumerate(self._loaded)]
            self._weights = [self._on(n, operator.attrgetter("weights"), b) for n, b in enumerate(self._loaded)]
            self._cluster.wait([*self._X, *self._y, *self._weights])
        self._loaded = []

    def fit(self, estimator: Any, chosen: range, recoding: Recoding) -> Any:
        """The estimator, fitted by its distributed twin on all workers that have one of the blocks."""
        with self._cluster.explained():
            used = [n for n in chosen if self._rows[n]]
            self._require_classes(used)
            X = self._array([self._recoded(n, recoding) for n in used], used, np.float32, self._width)
            y = self._array([self._y[n] for n in used], used, self._kind)
            weights = self._array([self._weights[n] for n in used], used, np.float64) if self._weighted else None
            params = {k: v for k, v in estimator.get_params().items() if k != "n_jobs" or self._own_threads}
            module, _, name = self._twin.rpartition(".")
            twin = getattr(importlib.import_module(module), name)(**params)
            twin.client = self._client
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # LightGBM's, about `n_jobs`
                self._cluster.watched(lambda: twin.fit(X, y, sample_weight=weights))
            return _local(twin, estimator)

    def predict(self, estimator: Any, chosen: range, recoding: Recoding, spec: ModelSpec) -> metrics.Array:
        """Every worker scores its own blocks."""
        with self._cluster.explained():
            model = self._client.scatter(estimator, broadcast=True, hash=False)
            used = [n for n in chosen if self._rows[n]]
            each = [self._on(n, pipeline.score, model, self._recoded(n, recoding), spec) for n in used]
            return np.concatenate(self._cluster.gather(each))

    def _require_classes(self, used: Sequence[int]) -> None:
        """Each worker's LightGBM numbers the classes of its own rows: one with a single class would number it wrongly.

        Raises:
            TrainingError: naming the worker.
        """
        if "LGBMClassifier" not in self._twin:
            return
        for worker, address in enumerate(self._addresses):
            own = [self._classes[n] for n in used if n % len(self._addresses) == worker]
            if own and len(set[int]().union(*own)) < 2:
                raise TrainingError(
                    f"the rows of the worker {address} have one class only, which LightGBM cannot train on together "
                    "with others; use fewer workers, fewer folds (training.search.folds) or a longer training window"
                )

    def _on(self, n: int, function: Any, *args: Any) -> Any:
        """A task on the worker that has the block of this number."""
        return self._client.submit(function, *args, workers=[self._addresses[n % len(self._addresses)]], pure=False)

    def _recoded(self, n: int, recoding: Recoding) -> Any:
        return self._X[n] if recoding.codes is None else self._on(n, recoding.of, self._X[n])

    def _array(self, futures: Sequence[Any], used: Sequence[int], dtype: Any, width: int | None = None) -> Any:
        """A Dask array of these parts, one after the other, which stay where they are."""
        import dask.array as da
        from dask import delayed

        shapes = [(self._rows[n], *([width] if width is not None else [])) for n in used]
        parts = [da.from_delayed(delayed(each), shape, dtype) for each, shape in zip(futures, shapes, strict=True)]
        return da.concatenate(parts, axis=0)


def _local(twin: Any, estimator: Any) -> Any:
    """The estimator with what its twin has learnt, as if it had been fitted in one process."""
    if hasattr(twin, "to_local"):
        return _local_lightgbm(twin.to_local(), estimator)
    own = estimator.get_params()
    estimator.load_model(twin.get_booster().save_raw())
    return estimator.set_params(**own)


def _local_lightgbm(local: Any, estimator: Any) -> Any:
    """Without what is of one training on one cluster, such as ports: equal trainings then give equal files."""
    from lightgbm import Booster

    lines = local.booster_.model_to_string(num_iteration=-1).splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(tuple(f"[{name}:" for name in OF_THE_CLUSTER))]
    known = {*estimator.get_params(), *OF_THE_CLUSTER, "_other_params"}
    learnt = {name: value for name, value in local.__dict__.items() if name not in known}
    estimator.__dict__.update(learnt | {"_Booster": Booster(model_str="".join(kept))})
    return estimator
