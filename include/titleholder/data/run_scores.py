"""The scores of one scoring run as a stream of Arrow batches, and their digest (pure)."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SCHEMA = pa.schema(
    [
        ("position", pa.int32()),
        ("entity", pa.string()),
        ("event_time", pa.timestamp("us", tz="UTC")),
        ("score", pa.float64()),
    ]
)
"""`position` is a row's in the input snapshot, from 0; rows are in that order. Nothing is null."""
LARGEST = 2**63
"""Whole numbers below this one fit 64 bits."""


def as_text(entities: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Entities as text. A whole number has no decimal point, also where it arrived as a float.

    A value's text depends on no other value: however rows are cut into batches, an entity has one name.

    >>> as_text(pa.array([7.0, 12.5])).to_pylist(), as_text(pa.array(["a"])).to_pylist()
    (['7', '12.5'], ['a'])
    """
    values = entities.combine_chunks() if isinstance(entities, pa.ChunkedArray) else entities
    texts = values.cast(pa.string())
    if not pa.types.is_floating(values.type):
        return texts
    whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), float(LARGEST)))
    numbers = pc.if_else(whole, values, None).cast(pa.int64())
    return pc.if_else(whole, numbers.cast(pa.string()), texts)


class Digest:
    """The SHA-256 of the scores of a run, which does not depend on how its rows are cut into batches.

    It covers, column by column and in the order of positions: the positions (int32), the length of each entity in bytes
    (int32), the entities (UTF-8), the event times (int64, microseconds since 1970, UTC) and the scores (float64), all
    little-endian. The SHA-256 of each column's bytes, one after the other, are hashed again.

    >>> whole, parts = Digest(), Digest()
    >>> rows = pa.record_batch([[0, 1], ["a", "bé"], [0, 1], [0.25, 0.5]], schema=SCHEMA)
    >>> for batch in (rows.slice(0, 1), rows.slice(1)):
    ...     parts.update(batch)
    >>> whole.update(rows)
    >>> whole.hexdigest() == parts.hexdigest(), parts.rows
    (True, 2)
    """

    def __init__(self) -> None:
        self.rows = 0
        self._columns = [hashlib.sha256() for _ in range(5)]

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the next rows, which have `SCHEMA`."""
        position, entity, moment, score = batch.columns
        self.rows += batch.num_rows
        encoded = entity.cast(pa.binary())
        lengths = np.asarray(pc.binary_length(encoded))
        numbers: list[tuple[Any, str]] = [(position, "<i4"), (lengths, "<i4")]
        for column, (values, kind) in zip(self._columns, numbers, strict=False):
            column.update(_bytes(values, kind))
        self._columns[2].update(b"".join(encoded.to_pylist()))
        self._columns[3].update(_bytes(moment.cast(pa.int64()), "<i8"))
        self._columns[4].update(_bytes(score, "<f8"))

    def hexdigest(self) -> str:
        """64 hex digits."""
        return hashlib.sha256(b"".join(column.digest() for column in self._columns)).hexdigest()


def _bytes(values: Any, kind: str) -> bytes:
    return np.ascontiguousarray(np.asarray(values), dtype=kind).tobytes()
