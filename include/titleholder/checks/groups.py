"""Groups of rows that share a value, and what looking at many of them costs in confidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

MISSING = "(missing)"
MOST = 20
"""At most so many groups of a check are told in its numbers, the worst ones."""
NAMED = 3
"""At most so many are named in its sentence."""
Thing = TypeVar("Thing")


class Group(NamedTuple):
    """The rows, by position, whose `column` has this value."""

    column: str
    value: str
    rows: NDArray[np.intp]

    @property
    def name(self) -> str:
        """`region=north`."""
        return f"{self.column}={self.value}"


def groups(frame: pd.DataFrame, columns: Iterable[str]) -> list[Group]:
    """The groups of each column in the order of their values; missing values are a group of their own."""
    return [
        Group(column, str(value), np.asarray(rows))
        for column in dict.fromkeys(columns)
        for value, rows in sorted(as_text(frame[column]).groupby(as_text(frame[column])).indices.items())
    ]


def as_text(values: pd.Series) -> pd.Series:
    """Values as text, the missing ones as `(missing)`; whole numbers that came as floats lose their point."""
    missing = values.isna()
    if types.is_float_dtype(values.dtype) and values[~missing].mod(1).eq(0).all():
        values = values.astype("Int64")
    return values.astype(object).where(~missing, MISSING).map(str).reset_index(drop=True)


def adjusted(confidence: float, tests: int) -> float:
    """The confidence of each of so many intervals that keeps the chance of any false alarm below 1 - confidence.

    Source: Dunn (1961), Multiple comparisons among means, J. Am. Stat. Assoc. 56(293) (Bonferroni's inequality).
    """
    return 1 - (1 - confidence) / max(tests, 1)


def worst(things: Iterable[Thing], key: Callable[[Thing], float]) -> list[Thing]:
    """The `MOST` things with the smallest key, the smallest first."""
    return sorted(things, key=key)[:MOST]


def listed(things: Sequence[str]) -> str:
    """The first `NAMED` things, and how many more there are."""
    more = len(things) - NAMED
    return ", ".join(things[:NAMED]) + (f" and {more} more" if more > 0 else "")
