"""Rows found by their entity and event time: those that a scoring run had, in a later extract (pure)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from titleholder.data import run_scores
from titleholder.data.lazy_frame import LazyFrame

MOMENT = pa.timestamp("us", tz="UTC")


class RowKeys:
    """The keys of rows, in their order: entities as `scores` keeps them, and event times to the microsecond, UTC.

    >>> day = pd.Timestamp("2024-01-01", tz="UTC")
    >>> frame = pd.DataFrame({"id": [7, 8], "at": [day, day]})
    >>> RowKeys.of(frame, "id", "at").entities.to_pylist()
    ['7', '8']
    """

    def __init__(self, entities: pa.Array, moments: pa.Array) -> None:
        self.entities = entities
        self.moments = np.asarray(moments.cast(MOMENT).cast(pa.int64()))

    @classmethod
    def of(cls, frame: pd.DataFrame | LazyFrame, entity: str, event_time: str) -> RowKeys:
        """Those of a frame with these columns."""
        return cls(run_scores.as_text(pa.Array.from_pandas(frame[entity])), pa.Array.from_pandas(frame[event_time]))

    def example(self, row: int) -> str:
        """The key of a row in words.

        >>> day = pd.Timestamp("2024-01-01 06:30", tz="UTC")
        >>> RowKeys.of(pd.DataFrame({"id": ["007"], "at": [day]}), "id", "at").example(0)
        "entity '007' at 2024-01-01 06:30:00+00:00"
        """
        moment = pd.Timestamp(int(self.moments[row]), unit="us", tz="UTC")
        return f"entity {self.entities[row].as_py()!r} at {moment}"

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """A hash of each key, the same in every frame."""
        texts = pd.util.hash_array(np.asarray(self.entities.to_pandas(), dtype=object))
        return np.asarray(texts * np.uint64(31) + pd.util.hash_array(self.moments), dtype=np.uint64)

    def at(self, rows: NDArray[np.int64]) -> RowKeys:
        """Those of some rows."""
        return RowKeys(self.entities.take(pa.array(rows)), pa.array(self.moments[rows]).cast(MOMENT))

    def equal(self, other: RowKeys) -> NDArray[np.bool_]:
        """Which keys are those of `other`, row by row."""
        same = np.asarray(self.entities.to_pandas() == other.entities.to_pandas(), dtype=bool)
        return np.asarray(same & (self.moments == other.moments))


class RowIndex:
    """Where the rows of an extract are, by their keys; 16 bytes a row. `example` is one of these in words.

    >>> day = pd.Timestamp("2024-01-01", tz="UTC")
    >>> rows = pd.DataFrame({"id": ["a", "b"], "at": [day, day]})
    >>> RowIndex([RowKeys.of(rows, "id", "at")]).find(RowKeys.of(rows.iloc[[1]], "id", "at")).tolist()
    [1]
    """

    def __init__(self, batches: Iterable[RowKeys]) -> None:
        self.example, self._first, self._last = "", np.inf, -np.inf
        hashes = np.concatenate([np.empty(0, dtype=np.uint64), *map(self._known, batches)])
        self.rows = len(hashes)
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def _known(self, keys: RowKeys) -> NDArray[np.uint64]:
        if len(keys.moments):
            self.example = self.example or keys.example(0)
            self._first = min(self._first, keys.moments.min())
            self._last = max(self._last, keys.moments.max())
        return keys.hashes

    def around(self, keys: RowKeys) -> NDArray[np.bool_]:
        """Which rows have an event time between the first and the last one here."""
        return np.asarray((keys.moments >= self._first) & (keys.moments <= self._last))

    def find(self, keys: RowKeys) -> NDArray[np.int64]:
        """The position of each row, -1 where there is none; shape (rows,).

        Two keys may have the same hash: compare what is found.
        """
        wanted = keys.hashes
        places = np.searchsorted(self._sorted, wanted)
        inside = places < self.rows
        found = np.full(len(wanted), -1, dtype=np.int64)
        hit = inside.copy()
        hit[inside] = self._sorted[places[inside]] == wanted[inside]
        found[hit] = self._order[places[hit]]
        return found
