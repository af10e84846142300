"""Features at scoring time against those of the same rows in a later training extract, column by column (pure)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from pydantic import BaseModel, ConfigDict

from titleholder.data import features
from titleholder.spec.source import Columns

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Numbers this close are the same number in another format, such as float32: a share of the one in the extract, or as
they are."""
LONGEST = 60
"""The greatest length of a value in an example."""


class Example(BaseModel):
    """One row in which a column differs: the values as text, empty for a gap."""

    model_config = ConfigDict(frozen=True)

    entity: str
    event_time: str
    at_scoring: str
    in_training: str


class ColumnSkew(BaseModel):
    """How often a column was another at scoring time. `largest` is the largest difference of numbers, None of others.

    >>> ColumnSkew(column="income", rows=200, differing=3, largest=900.0).share
    0.015
    """

    model_config = ConfigDict(frozen=True)

    column: str
    rows: int
    differing: int
    largest: float | None = None
    example: Example | None = None

    @property
    def share(self) -> float:
        """The share of the rows in which the two differ."""
        return self.differing / self.rows if self.rows else 0.0


class Skew(BaseModel):
    """What the rows of scoring runs say of the extract's: those that both have, and the columns, the worst first.

    `scored` rows were compared, `matched` are in the extract; `runs` have these rows, `unread` are further ones, which
    were too many or whose input is gone. `lacking` are features that no input has. `strangers` says how many rows have
    event times of the extract, and that none of them is in it; empty where any is.
    """

    model_config = ConfigDict(frozen=True)

    runs: int
    unread: int
    scored: int
    matched: int
    columns: tuple[ColumnSkew, ...]
    lacking: tuple[str, ...] = ()
    strangers: str = ""

    def beyond(self, share: float) -> tuple[ColumnSkew, ...]:
        """The columns that differ in more than this share of the rows."""
        return tuple(column for column in self.columns if column.share > share)


class SkewTally:
    """Compares rows batch by batch; memory does not grow with them.

    >>> tally = SkewTally(Columns(entity="id", event_time="at", target="bad", numeric=("income",)))
    >>> day = pd.Timestamp("2024-01-01", tz="UTC")
    >>> rows = pd.DataFrame({"id": [7], "at": [day], "income": [1200.0]})
    >>> tally.add(rows.assign(income=1.2), rows)
    >>> (found,) = tally.columns
    >>> found.differing, found.largest, found.example.at_scoring, found.example.in_training
    (1, 1198.8, '1.2', '1200')
    """

    def __init__(self, columns: Columns) -> None:
        self._of = columns
        self._found: dict[str, ColumnSkew] = {}

    @property
    def columns(self) -> tuple[ColumnSkew, ...]:
        """What was found so far, the column that differs most often first."""
        return tuple(sorted(self._found.values(), key=lambda column: (-column.share, column.column)))

    def add(self, scored: pd.DataFrame, trained: pd.DataFrame) -> None:
        """Compare the features that both frames have; their rows are the same ones, in the same order."""
        scored, trained = scored.reset_index(drop=True), trained.reset_index(drop=True)
        for name in self._of.features:
            if name in scored and name in trained:
                self._add(name, scored, trained)

    def _add(self, name: str, scored: pd.DataFrame, trained: pd.DataFrame) -> None:
        known = self._found.get(name) or ColumnSkew(column=name, rows=0, differing=0)
        differs, apart = _compared(scored[name], trained[name])
        largest, example = known.largest, known.example
        if differs.any():
            place = int(np.argmax(np.where(differs, np.nan_to_num(apart, nan=0.0), -1.0)))
            here = None if np.isnan(apart[place]) else float(apart[place])
            if example is None or (here is not None and here > (largest or 0.0)):
                largest, example = here, self._example(name, scored, trained, place)
        count = {"rows": known.rows + len(differs), "differing": known.differing + int(differs.sum())}
        self._found[name] = known.model_copy(update={**count, "largest": largest, "example": example})

    def _example(self, name: str, scored: pd.DataFrame, trained: pd.DataFrame, place: int) -> Example:
        return Example(
            entity=_text(trained[self._of.entity].iloc[place]),
            event_time=str(trained[self._of.event_time].iloc[place]),
            at_scoring=_text(scored[name].iloc[place]),
            in_training=_text(trained[name].iloc[place]),
        )


def _compared(scored: pd.Series, trained: pd.Series) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which rows differ, and by how much (NaN where that is no number), each of shape (rows,). A gap equals a gap."""
    if _is_number(scored) and _is_number(trained):
        one, other = (values.astype("float64").to_numpy() for values in (scored, trained))
        with np.errstate(invalid="ignore"):
            return ~np.isclose(one, other, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True), np.abs(one - other)
    then, now = features.as_text(scored), features.as_text(trained)
    same = (then == now) | (then.isna() & now.isna())
    return ~same.to_numpy(dtype=bool), np.full(len(same), np.nan)


def _is_number(values: pd.Series) -> bool:
    return bool(types.is_numeric_dtype(values.dtype)) or bool(values.isna().all())


def _text(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    return f"{value:.10g}" if isinstance(value, float | np.floating) else str(value)[:LONGEST]


def lacking(columns: Columns, found: Sequence[ColumnSkew]) -> tuple[str, ...]:
    """The features that were not compared."""
    known = {column.column for column in found}
    return tuple(name for name in columns.features if name not in known)
