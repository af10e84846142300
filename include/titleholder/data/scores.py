"""Stored scores: what a model version answered for rows of a snapshot, kept so that no model is asked twice.

One Parquet file by (version, snapshot), below the root of the snapshots: `scores/<model>/<version>/<sha256>.parquet`,
with a row's position in the snapshot and its score. A snapshot never changes and neither does a version, so a file only
grows; a file that is lost or damaged costs a prediction and nothing else.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from titleholder.data import snapshots
from titleholder.errors import ServiceError

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
SCHEMA = pa.schema([("position", pa.int64()), ("score", pa.float64())])


class ScoreKey(NamedTuple):
    """Whose scores of which snapshot: a model, a version of it (or a training run), and the snapshot's SHA-256."""

    model: str
    version: int | str
    sha256: str

    @property
    def path(self) -> str:
        """Where the file is, below the root."""
        return f"scores/{self.model}/{self.version}/{self.sha256}.parquet"


class ScoreStore:
    """The stored scores below one root, a folder or a URL such as s3://bucket/prefix.

    `computed` counts the scores that were not stored and had to be computed.

    >>> import tempfile
    >>> store, key = ScoreStore(tempfile.mkdtemp()), ScoreKey("loans", 3, "ab12")
    >>> store.scores(key, np.array([0, 2]), lambda missing: missing / 10)
    array([0. , 0.2])
    >>> store.scores(key, np.array([2]), lambda missing: 1 / 0)
    array([0.2])
    """

    def __init__(self, root: str) -> None:
        self._root, self.computed = root, 0

    def scores(self, key: ScoreKey, positions: Positions, compute: Callable[[Positions], Array]) -> Array:
        """The scores of these rows, shape (rows,); `compute` gives those of positions that are not stored yet."""
        known = self.read(key)
        stored = np.isin(positions, known[0]) if known else np.zeros(len(positions), dtype=bool)
        if stored.all() and known:
            return _at(positions, *known)
        missing = positions[~stored]
        new = np.asarray(compute(missing), dtype=np.float64)
        self.computed += len(missing)
        merged = (missing, new) if known is None else (np.append(known[0], missing), np.append(known[1], new))
        self.write(key, *merged)
        return _at(positions, *merged)

    def stored(self, key: ScoreKey, positions: Positions) -> Array | None:
        """The scores of these rows if all of them are stored, else None."""
        known = self.read(key)
        return _at(positions, *known) if known and np.isin(positions, known[0]).all() else None

    def read(self, key: ScoreKey) -> tuple[Positions, Array] | None:
        """All that is stored under a key: positions and scores; None where nothing is, or nothing readable."""
        files, base = snapshots.store_of(self._root)
        try:
            with files.open_input_file(f"{base}/{key.path}") as file:
                table = pq.read_table(file, page_checksum_verification=True)
            return table["position"].to_numpy(), table["score"].to_numpy()
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException, KeyError) as error:
            log.warning("Stored scores %s cannot be read and are computed again: %s", key.path, error)
            return None

    def write(self, key: ScoreKey, positions: Positions, scores: Array) -> None:
        """Store scores in the order of positions, in place of what was stored; they appear whole or not at all.

        Raises:
            ServiceError: when the place cannot be written.
        """
        order = np.argsort(positions, kind="stable")
        table = pa.Table.from_arrays([pa.array(positions[order]), pa.array(scores[order])], schema=SCHEMA)
        try:
            files, base = snapshots.store_of(self._root)
            with tempfile.TemporaryDirectory(prefix="titleholder-") as scratch:
                local = Path(scratch) / "scores.parquet"
                pq.write_table(table, local, compression="zstd", write_page_checksum=True)
                snapshots.place(local, files, f"{base}/{key.path}")
        except (OSError, pa.ArrowInvalid) as error:
            raise ServiceError(f"scores: {self._root}/{key.path} cannot be written: {error}") from error

    def copy(self, source: ScoreKey, target: ScoreKey) -> None:
        """Store what is known under one key under another too, unless that has something already."""
        if (found := self.read(source)) and self.read(target) is None:
            self.write(target, *found)


def _at(wanted: Positions, positions: Positions, scores: Array) -> Array:
    order = np.argsort(positions, kind="stable")
    return scores[order[np.searchsorted(positions, wanted, sorter=order)]]
