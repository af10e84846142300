"""The contract of a snapshot's rows, checked before anything is trained on them. All violations are in one report."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types
from pandera.errors import SchemaErrors
from pandera.pandas import Column, DataFrameSchema

from titleholder.data.column_schema import is_moment, schema, wrong_type
from titleholder.data.enough_rows import too_little
from titleholder.errors import ContractError
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals

if TYPE_CHECKING:
    from titleholder.data.snapshots import Extract


class Fault(NamedTuple):
    """What is wrong with a column: in how many rows (None: as a whole), and with an example.

    >>> str(Fault("amount", "is missing (null)", 2, "None, id 7"))
    'amount: is missing (null) (2 rows, e.g. None, id 7)'
    """

    column: str
    text: str
    rows: int | None = None
    example: str = ""

    def __str__(self) -> str:
        if self.rows is None:
            return f"{self.column}: {self.text}"
        return f"{self.column}: {self.text} ({self.rows} row{'s' if self.rows > 1 else ''}, e.g. {self.example})"


class Batches(NamedTuple):
    """Columns that are read batch by batch, because all of them at once may not fit: those of features alone."""

    columns: tuple[str, ...]
    read: Callable[[], Iterator[pd.DataFrame]]


def parts(extract: Extract, spec: ModelSpec) -> tuple[pd.DataFrame, Batches | None]:
    """The rows of an extract, but for columns that are features alone, which are in batches.

    All columns, and no batches, where the extract has others than the spec names.
    """
    if column_difference(extract.columns, spec):
        return extract.read(), None
    of = spec.columns
    whole = {of.entity, of.event_time, of.target, of.known_at, of.outcome_at, of.weight, of.accepted, of.cluster}
    rest = tuple(c for c in extract.columns if c not in whole)
    return extract.read([c for c in extract.columns if c in whole]), Batches(rest, partial(extract.batches, rest))


def enforce(
    frame: pd.DataFrame,
    spec: ModelSpec,
    spans: Intervals,
    as_of: date,
    *,
    to_train: bool = True,
    rest: Batches | None = None,
) -> None:
    """Raise a ContractError that lists every violation in the rows, if there is any.

    Without `to_train`, the rows are not for training: they may be few, or of one class.
    """
    if found := violations(frame, spec, spans, as_of, to_train=to_train, rest=rest):
        raise broken(spec, f"the snapshot as of {as_of} breaks its contract", found, "nothing was trained")


def broken(spec: ModelSpec, what: str, found: Sequence[str], outcome: str) -> ContractError:
    """The error that lists every violation in the rows of the spec's query, and says what to correct."""
    number = f"{len(found)} violation{'s' if len(found) > 1 else ''}"
    remedy = f"Correct {spec.source.query} or the columns in {spec.name}.yaml."
    return ContractError(f"{spec.name}: {what} ({number}); {outcome}:\n{listed(found)}\n{remedy}")


def listed(found: Sequence[str]) -> str:
    """Violations, one a line."""
    return "\n".join(f"  - {violation}" for violation in found)


def violations(
    frame: pd.DataFrame,
    spec: ModelSpec,
    spans: Intervals,
    as_of: date,
    *,
    to_train: bool = True,
    rest: Batches | None = None,
) -> list[str]:
    """Every violation of the contract of `spec` in the rows, one sentence each, columns first.

    `rest` has the columns that `frame` has not. What may be wrong with these is a type, which is that of every batch.
    """
    columns = [*frame.columns, *(rest.columns if rest else ())]
    single, wrong = _single(frame.reset_index(drop=True), spec)
    rows = too_little(single, spec, spans) if to_train else ()
    wanted = schema(spec, spans, as_of)
    cells = [*map(str, cell_faults(single, spec, wanted))]
    for batch in rest.read() if rest else ():
        own, nested = _single(batch.reset_index(drop=True), spec)
        wrong += nested
        cells += map(str, cell_faults(own, spec, wanted))
    outcomes = map(str, [*_outcome_violations(single, spec), *_late_outcomes(single, spec)])
    differences = filter(None, [column_difference(columns, spec)])
    return [*differences, *dict.fromkeys(wrong), *dict.fromkeys(cells), *outcomes, *rows]


def _single(frame: pd.DataFrame, spec: ModelSpec) -> tuple[pd.DataFrame, list[str]]:
    """The columns with one value in each cell, each once; and a sentence about each of the others."""
    single = frame.loc[:, ~frame.columns.duplicated()]
    nested = nested_columns(single)
    wrong = [f"{c}: {NESTED}" for c in nested if c in spec.columns.all]
    return single.drop(columns=nested), wrong


def nested_columns(frame: pd.DataFrame) -> list[str]:
    """The columns with arrays or JSON in them, which nothing else can be said about."""
    objects = [c for c in frame if types.is_object_dtype(frame[c].dtype)]
    return [str(c) for c in objects if not all(map(types.is_hashable, frame[c]))]


def column_difference(returned: Sequence[str], spec: ModelSpec) -> str:
    """Missing and unexpected columns as a diff: `-` was expected, `+` was found; empty where there are none."""
    return difference(returned, spec.columns.all)


def difference(returned: Sequence[str], expected: Sequence[str], allowed: Collection[str] = ()) -> str:
    """The same for any columns; those that are `allowed` may be there."""
    missing = [c for c in expected if c not in returned]
    extra = [str(c) for c in dict.fromkeys(returned) if c not in expected and c not in allowed]
    twice = [str(c) for c in dict.fromkeys(returned) if list(returned).count(c) > 1]
    lines = [f"- {c}{_nearest(c, extra)}" for c in missing] + [f"+ {c}{_nearest(c, missing)}" for c in extra]
    lines += [f"+ {c}   (occurs twice)" for c in twice]
    if not lines:
        return ""
    return "columns differ from the spec (- missing, + unexpected):\n" + "\n".join(f"      {line}" for line in lines)


def _nearest(name: str, others: list[str]) -> str:
    close = difflib.get_close_matches(name, others, n=1)
    return f"   (close to {close[0]!r})" if close else ""


def cell_faults(frame: pd.DataFrame, spec: ModelSpec, columns: Mapping[str, Column]) -> Iterator[Fault]:
    """What is wrong with these columns, found by pandera in one lazy pass; those that are missing are left out."""
    columns = {name: column for name, column in columns.items() if name in frame}
    try:
        DataFrameSchema(dict(columns)).validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        for (column, message), group in cases.groupby(["column", "check"], sort=False, dropna=False):
            yield _describe(str(column), str(message), group, frame, spec)


def _outcome_violations(frame: pd.DataFrame, spec: ModelSpec) -> Iterator[Fault]:
    """Accepted rows without an outcome, and rows with one that were not accepted."""
    target, accepted = spec.columns.target, spec.columns.accepted
    if accepted is None or target not in frame or accepted not in frame or not types.is_bool_dtype(frame[accepted]):
        return
    known = frame[target].notna()
    for wrong, text in (
        (frame[accepted] & ~known, "is missing (null) although the row was accepted"),
        (~frame[accepted] & known, "is known although the row was not accepted; let the query return null"),
    ):
        if wrong.any():
            cases = pd.DataFrame({"index": np.flatnonzero(wrong)})
            yield _describe(target, text, cases, frame, spec)


def _late_outcomes(frame: pd.DataFrame, spec: ModelSpec) -> Iterator[Fault]:
    """Positives (rows of a regression with a target) whose outcome came later than the label maturity."""
    names, maturity = spec.columns, spec.windows.label_maturity
    times = [frame[c] for c in (names.event_time, names.outcome_at) if c in frame and is_moment(frame[c].dtype)]
    if len(times) < 2 or names.target not in frame:
        return
    event, outcome = times
    latest = event + pd.DateOffset(years=maturity.years, months=maturity.months, days=maturity.days)
    counted = frame[names.target].notna() if spec.task == "regression" else frame[names.target].isin([1])
    if (late := (outcome > latest) & counted).any():
        cases = pd.DataFrame({"index": np.flatnonzero(late)})
        text = f"is later than {names.event_time} + label_maturity ({maturity}), so it does not count"
        yield _describe(str(names.outcome_at), text, cases, frame, spec)


def _describe(column: str, message: str, cases: pd.DataFrame, frame: pd.DataFrame, spec: ModelSpec) -> Fault:
    text = {"not_nullable": "is missing (null)", "field_uniqueness": NOT_UNIQUE}.get(message, message)
    rows = cases["index"].dropna()
    if rows.empty:
        return Fault(column, text)
    first = int(rows.iloc[0])
    who = f", {spec.columns.entity} {frame[spec.columns.entity].iloc[first]}" if spec.columns.entity in frame else ""
    return Fault(column, text, len(rows), f"{frame[column].iloc[first]}{who}")


NESTED = wrong_type("one value, no array and no JSON")
NOT_UNIQUE = "is not unique"
