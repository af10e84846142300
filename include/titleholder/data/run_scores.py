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
        ("reasons", pa.list_(pa.string())),
    ]
)
"""`position` is a row's in the input snapshot, from 0; rows are in that order. `reasons` are names of features, that
which moved the score most first, and null where the run gives none; nothing else is null."""
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
    (int32), the entities (UTF-8), the event times (int64, microseconds since 1970, UTC), the scores (float64), how many
    reasons each row has (int32, -1 where they are null), the length of each reason in bytes (int32) and the reasons
    (UTF-8), all little-endian. The SHA-256 of each column's bytes, one after the other, are hashed again.

    >>> whole, parts = Digest(), Digest()
    >>> rows = pa.record_batch([[0, 1], ["a", "bé"], [0, 1], [0.25, 0.5], [["age"], None]], schema=SCHEMA)
    >>> for batch in (rows.slice(0, 1), rows.slice(1)):
    ...     parts.update(batch)
    >>> whole.update(rows)
    >>> whole.hexdigest() == parts.hexdigest(), parts.rows
    (True, 2)
    """

    def __init__(self) -> None:
        self.rows = 0
        self._columns = [hashlib.sha256() for _ in range(8)]

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the next rows, which have `SCHEMA`."""
        position, entity, moment, score, reasons = batch.columns
        self.rows += batch.num_rows
        columns = [
            _bytes(position, "<i4"),
            *_texts(entity),
            _bytes(moment.cast(pa.int64()), "<i8"),
            _bytes(score, "<f8"),
            _bytes(pc.fill_null(pc.list_value_length(reasons), -1), "<i4"),
            *_texts(reasons.flatten()),
        ]
        for column, content in zip(self._columns, columns, strict=True):
            column.update(content)

    def hexdigest(self) -> str:
        """64 hex digits."""
        return hashlib.sha256(b"".join(column.digest() for column in self._columns)).hexdigest()


def _texts(values: pa.Array) -> tuple[bytes, bytes]:
    """The lengths of texts, and the texts one after the other."""
    encoded = values.cast(pa.binary())
    return _bytes(pc.binary_length(encoded), "<i4"), b"".join(encoded.to_pylist())


def _bytes(values: Any, kind: str) -> bytes:
    return np.ascontiguousarray(np.asarray(values), dtype=kind).tobytes()
