"""Times with nanoseconds, of which PostgreSQL keeps microseconds: noted while a file is loaded, named at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc


class CutTimes:
    """The columns of the batches of a file that lose digits of their times.

    >>> times = CutTimes()
    >>> times.add(pa.record_batch({"at": pa.array([1_000, None], pa.timestamp("ns"))}))
    >>> list(times.warnings())
    []
    >>> times.add(pa.record_batch({"at": pa.array([1_001], pa.timestamp("ns"))}))
    >>> list(times.warnings())
    ['at has nanoseconds, which PostgreSQL does not keep: they were cut off']
    """

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at the next batch."""
        for field in batch.schema:
            if field.name not in self._names and _in_nanoseconds(field.type) and _are_cut(batch[field.name]):
                self._names[field.name] = None

    def warnings(self) -> Iterator[str]:
        """A sentence for each of these columns."""
        for name in self._names:
            yield f"{name} has nanoseconds, which PostgreSQL does not keep: they were cut off"


def _in_nanoseconds(kind: pa.DataType) -> bool:
    times = pa.types.is_timestamp(kind) or pa.types.is_time64(kind) or pa.types.is_duration(kind)
    return bool(times and kind.unit == "ns")


def _are_cut(column: pa.Array) -> bool:
    """Whether a value is not a whole number of microseconds."""
    nanoseconds = column.cast(pa.int64())
    whole = pc.multiply(pc.divide(nanoseconds, 1_000), 1_000)
    return bool(pc.any(pc.not_equal(nanoseconds, whole)).as_py())
