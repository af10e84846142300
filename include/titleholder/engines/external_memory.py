"""Blocks of training rows in files of this machine, which XGBoost reads as often as it needs them.

The files lie in a temporary folder (`TMPDIR`), and take 4 bytes for each number of the training rows, and XGBoost's own
another 1 to 2. They are removed with the folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from titleholder.data.row_groups import Span
from titleholder.engines import blocks
from titleholder.engines.blocks import Block, Facts, Floats, Reading
from titleholder.engines.streamed import Recoding
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline
from titleholder.training.threads import one_thread
from titleholder.validation import metrics

ROWS = 262_144
"""The most rows of a block: with 100 columns, 100 MB."""


class DiskBackend:
    """See `titleholder.engines.streamed.Backend`. Memory: a block, outcomes and weights, and what XGBoost takes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._y: list[NDArray[Any]] = []
        self._weights: list[NDArray[np.float64] | None] = []

    def parts(self, rows: int) -> int:
        """As many as there are of `ROWS` rows."""
        return -(-rows // ROWS)

    def moments(self, reading: Reading, groups: Sequence[Span]) -> list[blocks.Moments]:
        """Those of each row group."""
        return [blocks.moments(reading, span) for span in groups]

    def load(self, reading: Reading, spans: Sequence[Span]) -> list[Facts]:
        """Read one block after the other into a file."""
        found = []
        for n, span in enumerate(spans):
            block = blocks.load(reading, span)
            self._write(n, block.X)
            self._y.append(block.facts.y)
            self._weights.append(block.weights)
            found.append(block.facts)
        return found

    def number(self, ids: Sequence[Sequence[NDArray[np.int64]]]) -> None:
        """Write those blocks again that have categories."""
        for n, own in enumerate(ids):
            if len(own):
                self._write(n, Block(self._read(n), self._y[n], None, ()).number(own))

    def fit(self, estimator: Any, chosen: range, recoding: Recoding) -> Any:
        """The estimator with the booster that was trained from the files."""
        import xgboost

        used = [n for n in chosen if len(self._y[n])]
        own = estimator.get_params()
        params = {name: value for name, value in estimator.get_xgb_params().items() if value is not None}
        with tempfile.TemporaryDirectory(dir=self._folder) as cache, one_thread():
            rows = xgboost.ExtMemQuantileDMatrix(
                _batches(self, used, recoding, f"{cache}/rows"),
                missing=estimator.missing,
                nthread=estimator.n_jobs,
                max_bin=params.get("max_bin", 256),
            )
            booster = xgboost.train(params, rows, num_boost_round=estimator.get_num_boosting_rounds())
            del rows
        estimator.load_model(booster.save_raw())
        return estimator.set_params(**own)

    def predict(self, estimator: Any, chosen: range, recoding: Recoding, spec: ModelSpec) -> metrics.Array:
        """One block after the other."""
        used = [n for n in chosen if len(self._y[n])]
        return np.concatenate([pipeline.score(estimator, recoding.of(self._read(n)), spec) for n in used])

    def batch(self, n: int, recoding: Recoding) -> dict[str, Any]:
        """A block as XGBoost takes it."""
        weights = self._weights[n]
        given = {"data": recoding.of(self._read(n)), "label": self._y[n]}
        return given if weights is None else {**given, "weight": weights}

    def _write(self, n: int, X: Floats) -> None:
        np.save(self._folder / f"{n}.npy", X)

    def _read(self, n: int) -> Floats:
        found: Floats = np.load(self._folder / f"{n}.npy")
        return found


def _batches(backend: DiskBackend, chosen: Sequence[int], recoding: Recoding, cache: str) -> Any:
    """XGBoost's iterator over these blocks."""
    import xgboost

    class Batches(xgboost.DataIter):  # type: ignore[misc]
        def __init__(self) -> None:
            self._at = 0
            super().__init__(cache_prefix=cache)

        def next(self, input_data: Any) -> bool:
            if self._at == len(chosen):
                return False
            input_data(**backend.batch(chosen[self._at], recoding))
            self._at += 1
            return True

        def reset(self) -> None:
            self._at = 0

    return Batches()
