"""Rows of an extract that are not in memory: columns of them are read one at a time, or rows in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titleholder.data.scores import Positions
from titleholder.data.snapshots import Extract


class LazyFrame:
    """The rows of an open extract at these ascending positions, shape (rows,).

    To `len`, `in`, `frame[column]` and `take` it answers as a pandas.DataFrame with these rows would, and reads what is
    asked for each time: a column of all rows, or all columns of some rows. Memory: 8 bytes a row, and what is returned.

        rows = LazyFrame(extract, extract.positions("applied_at", start=holdout_start))
        rows["amount"].mean(), sum(len(frame) for frame in rows.batches(["amount"], 10_000))
    """

    def __init__(self, extract: Extract, positions: Positions) -> None:
        self.extract, self.positions = extract, positions

    def __len__(self) -> int:
        return len(self.positions)

    def __contains__(self, column: object) -> bool:
        return column in self.extract.columns

    def __getitem__(self, column: str) -> pd.Series:
        """This column of all rows, in memory."""
        return self.read([column])[column]

    def take(self, rows: NDArray[np.integer[Any]]) -> pd.DataFrame:
        """All columns of the rows at these ascending places, in memory."""
        return self.extract.read(at=self.positions[rows])

    def read(self, columns: Sequence[str]) -> pd.DataFrame:
        """These columns of all rows, in memory."""
        return self.extract.read(columns, at=self.positions)

    def at(self, rows: NDArray[np.bool_] | NDArray[np.integer[Any]]) -> LazyFrame:
        """The rows at these ascending places, or where this is true."""
        return LazyFrame(self.extract, self.positions[rows])

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pd.DataFrame]:
        """These columns, at most so many rows at a time; the index is a row's position in the extract."""
        return self.extract.batches(columns, rows, at=self.positions)
