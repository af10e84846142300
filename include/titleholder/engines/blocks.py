"""Training rows in blocks: which rows of a snapshot are in which, and a block as an array that estimators take.

Blocks follow the snapshot's order, which is that of time, so that the folds of a search are made of whole blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from titleholder.data import row_groups
from titleholder.data.row_groups import Span
from titleholder.errors import DataError, TrainingError
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec

Floats = NDArray[np.float32]


class Reading(NamedTuple):
    """What is read of a snapshot for one training: whose rows, and which of their columns.

    Training rows are those with an event time before `end` (all where that is None) that were accepted.
    """

    uri: str
    end: date | None
    event_time: str
    accepted: str | None
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    target: str
    weight: str | None
    whole: bool
    """Whether outcomes are whole numbers: of a classification."""

    @classmethod
    def of(cls, spec: ModelSpec, uri: str, end: date | None) -> Self:
        """That of a spec."""
        of = spec.columns
        return cls(
            uri=uri,
            end=end,
            event_time=of.event_time,
            accepted=of.accepted,
            numeric=of.numeric,
            categorical=of.categorical,
            target=of.target,
            weight=of.weight,
            whole=spec.task == "classification",
        )

    @property
    def columns(self) -> list[str]:
        """What a training row needs."""
        other = (self.target, self.weight, self.accepted)
        return [*self.numeric, *self.categorical, *(c for c in other if c is not None)]


class Moments(NamedTuple):
    """The training rows of a row group: how many, the first and the last event time, and the position after the last.

    Times are microseconds since 1970.
    """

    span: Span
    rows: int
    first: int
    last: int
    until: int


def moments(reading: Reading, span: Span) -> Moments:
    """That of the row group at this place.

    Raises:
        DataError: where its rows are not in the order of time.
    """
    positions, times, until = times_of(reading, span)
    if (np.diff(times) < 0).any():
        raise DataError(f"snapshot {reading.uri}: its rows are not in the order of {reading.event_time}")
    bounds = (int(times[0]), int(times[-1])) if len(times) else (0, 0)
    return Moments(span, len(positions), *bounds, until)


def times_of(reading: Reading, span: Span) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Positions and event times (microseconds) of the training rows among these, and where rows before `end` end."""
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    until = span.first
    names = [reading.event_time, *([reading.accepted] if reading.accepted else [])]
    for first, table in row_groups.read(reading.uri, span, names):
        times = table.column(reading.event_time).cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]")
        inside = np.ones(len(times), dtype=bool)
        if reading.end is not None:
            inside = times < np.datetime64(windows.midnight(reading.end).replace(tzinfo=None), "us")
        if inside.any():
            until = first + int(np.flatnonzero(inside)[-1]) + 1
        inside &= _accepted(reading, table)
        found.append((first + np.flatnonzero(inside), times[inside].astype(np.int64)))
    positions, moments = zip(*found, strict=True) if found else ([np.empty(0, np.int64)], [np.empty(0, np.int64)])
    return np.concatenate(positions), np.concatenate(moments), until


def _accepted(reading: Reading, table: pa.Table) -> NDArray[np.bool_]:
    if reading.accepted is None:
        return np.ones(table.num_rows, dtype=bool)
    found: NDArray[np.bool_] = pc.fill_null(table.column(reading.accepted), False).to_numpy()
    return found


Times = Callable[[Span], tuple[NDArray[np.int64], NDArray[np.int64], int]]


def stretches(found: Sequence[Moments], folds: int, times: Times) -> list[Span]:
    """The rows that are trained on, in `folds` + 1 stretches; with no folds, in one.

    The bounds are those of `titleholder.training.folds.time_folds`: rows of one moment are never parted.

    Raises:
        TrainingError: when there are too few distinct moments for that many folds.
    """
    ends = np.cumsum([group.rows for group in found])
    last = max((group.until for group in found if group.until > group.span.first), default=0)
    n = int(ends[-1]) if len(ends) else 0
    cuts = [_moment(found, ends, n * k // (folds + 1), times) for k in range(1, folds + 1)] if n else []
    first = next((group.first for group in found if group.rows), 0)
    if folds and (not cuts or cuts[0] == first or len(set(cuts)) < folds):
        raise TrainingError(
            f"training.search.folds: {folds} folds need {folds + 1} stretches of about equal size, which the distinct "
            "event times of the training window do not give; use fewer folds or a longer window"
        )
    bounds = [0, *(_position(found, cut, times) for cut in cuts), last]
    return [Span(*each) for each in pairwise(bounds)]


def _moment(found: Sequence[Moments], ends: NDArray[np.int64], rank: int, times: Times) -> int:
    """The event time of the training row of this rank, from 0."""
    group = int(np.searchsorted(ends, rank, side="right"))
    before = int(ends[group - 1]) if group else 0
    return int(times(found[group].span)[1][rank - before])


def _position(found: Sequence[Moments], moment: int, times: Times) -> int:
    """The position of the first training row at or after a moment."""
    group = next(group for group in found if group.rows and group.last >= moment)
    positions, at, _ = times(group.span)
    return int(positions[np.searchsorted(at, moment)])


class Values(NamedTuple):
    """The distinct values of a categorical column in a block, how often each occurs, and how many rows have none."""

    values: pa.Array
    counts: NDArray[np.int64]


class Facts(NamedTuple):
    """What is known of a block where its rows are not: outcomes and weights, shape (n,), and its categories.

    The classes of a classification take a byte each.
    """

    y: NDArray[Any]
    weights: NDArray[np.float64] | None
    categories: tuple[Values, ...]


class Block:
    """Training rows as float32 of shape (n, columns), numbers first, with their outcomes and weights.

    A category is the place of its value among `values`, until `number` has given it its number among all.
    """

    def __init__(
        self, X: Floats, y: NDArray[Any], weights: NDArray[np.float64] | None, categories: tuple[Values, ...]
    ) -> None:
        self.X, self.y, self.weights = X, y, weights
        self.facts = Facts(y.astype(np.int8) if y.dtype == np.int64 else y, weights, categories)
        self._numbered = False

    def number(self, ids: Sequence[NDArray[np.int64]]) -> Floats:
        """The rows with the numbers of categories: for each categorical column, that of each of its values here."""
        if not self._numbered:
            first = self.X.shape[1] - len(ids)
            for column, own in enumerate(ids, start=first):
                replace(self.X, column, own)
            self._numbered = True
        return self.X


def replace(X: Floats, column: int, codes: NDArray[Any]) -> None:
    """Put `codes[x]` in place of each x of a column; gaps stay gaps."""
    known = ~np.isnan(X[:, column])
    X[known, column] = codes[X[known, column].astype(np.intp)]


def load(reading: Reading, span: Span) -> Block:
    """The training rows of a span of the snapshot, read from the store here.

    Memory: the block, and one row group of the snapshot's columns.
    """
    width, n = len(reading.numeric) + len(reading.categorical), 0
    X = np.empty((span.rows, width), dtype=np.float32)
    y = np.empty(span.rows, dtype=np.int64 if reading.whole else np.float64)
    weights = np.empty(span.rows) if reading.weight else None
    texts: list[list[pa.Array]] = [[] for _ in reading.categorical]
    for _, table in row_groups.read(reading.uri, span, reading.columns):
        if reading.accepted:
            table = table.filter(pa.array(_accepted(reading, table)))
        rows = slice(n, n + table.num_rows)
        for at, name in enumerate(reading.numeric):
            X[rows, at] = table.column(name).cast(pa.float32(), safe=False).to_numpy()
        y[rows] = table.column(reading.target).to_numpy()
        if weights is not None:
            weights[rows] = table.column(reading.weight).to_numpy()
        for column, name in zip(texts, reading.categorical, strict=True):
            column.extend(table.column(name).dictionary_encode().chunks)
        n += table.num_rows
    categories = tuple(
        _encode(X[:n], at, column) for at, column in enumerate(texts, start=len(reading.numeric))
    )  # fmt: skip
    if n < span.rows:
        X, y, weights = X[:n].copy(), y[:n].copy(), None if weights is None else weights[:n].copy()
    return Block(X, y, weights, categories)


def _encode(X: Floats, column: int, chunks: list[pa.Array]) -> Values:
    """Put the places of values into a column; returns the values, and how often each occurs."""
    if not chunks:
        return Values(pa.array([], pa.string()), np.empty(0, np.int64))
    whole = pa.chunked_array(chunks).unify_dictionaries()
    values, places = whole.chunk(0).dictionary, pa.chunked_array([chunk.indices for chunk in whole.chunks])
    codes = places.cast(pa.float32(), safe=False).to_numpy()
    X[:, column] = codes
    counted = np.bincount(codes[~np.isnan(codes)].astype(np.intp), minlength=len(values))
    return Values(values, counted.astype(np.int64))
