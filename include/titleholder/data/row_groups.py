"""A stored snapshot, one row group after the other: for whoever must not hold it, wherever the store can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from titleholder.data.snapshots import explained
from titleholder.data.storage import storage_of


class Span(NamedTuple):
    """Rows of a snapshot by their positions, from 0: `first` up to, but not with, `end`.

    >>> Span(0, 10).parts(3)
    [Span(first=0, end=4), Span(first=4, end=7), Span(first=7, end=10)]
    """

    first: int
    end: int

    @property
    def rows(self) -> int:
        """How many rows."""
        return self.end - self.first

    def parts(self, number: int) -> list[Span]:
        """The same rows in so many parts of nearly equal size, in their order; fewer where there are fewer rows."""
        number = max(1, min(number, self.rows))
        each, more = divmod(self.rows, number)
        bounds = [self.first + each * n + min(n, more) for n in range(number + 1)]
        return [Span(*bound) for bound in pairwise(bounds)]


@contextmanager
def opened(uri: str) -> Iterator[pq.ParquetFile]:
    """The file of a snapshot in its store, of which only what is asked for is read.

    Its hash is not compared: whoever hands out the address does that once (`snapshots.verify`).

    Raises:
        DataError: when the file is gone or is no Parquet file.
        ServiceError: when the place cannot be read.
    """
    with explained(uri):
        storage, path = storage_of(uri)
        with storage.open(path) as file, pq.ParquetFile(file, pre_buffer=True) as parquet:
            yield parquet


def groups(uri: str) -> list[Span]:
    """Where the row groups of a snapshot lie."""
    with opened(uri) as parquet:
        metadata, first, found = parquet.metadata, 0, []
        for n in range(metadata.num_row_groups):
            found.append(Span(first, first + metadata.row_group(n).num_rows))
            first = found[-1].end
    return found


def read(uri: str, span: Span, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """These columns of these rows: the position of the first row, and the rows, of each row group that has some.

    Memory: one row group of these columns.
    """
    names = list(dict.fromkeys(columns))
    with opened(uri) as parquet:
        end = 0
        for n in range(parquet.metadata.num_row_groups):
            first, end = end, end + parquet.metadata.row_group(n).num_rows
            if first < span.end and end > span.first:
                table = parquet.read_row_group(n, columns=names, use_threads=False)
                start = max(span.first, first)
                yield start, table.slice(start - first, min(span.end, end) - start).select(names)
