"""The contract of a snapshot's rows, checked before anything is trained on them. All violations are in one report."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types
from pandera.errors import SchemaErrors
from pandera.pandas import Check, Column, DataFrameSchema

from titleholder.errors import ContractError
from titleholder.spec.as_of_dates import HOLDOUT_ROWS
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals, midnight

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
    times = [frame[c] for c in (names.event_time, names.outcome_at) if c in frame and _is_moment(frame[c].dtype)]
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


def schema(spec: ModelSpec, spans: Intervals, as_of: date) -> dict[str, Column]:
    """What each column of a training query must hold."""
    names = spec.columns
    start, end, now = midnight(spans.train_start), midnight(spans.matured), midnight(as_of)
    time_type = _typed(_is_moment, "a date or timestamp, in UTC")
    inside = _guarded(_is_moment, lambda s: (s >= start) & (s < end))
    known = _guarded(_is_moment, lambda s: s <= now)
    found = {
        names.entity: Column(unique=True, nullable=False),
        names.event_time: Column(
            nullable=False,
            checks=[time_type, Check(inside, error=f"is outside the window [{spans.train_start}, {spans.matured})")],
        ),
        names.target: Column(nullable=names.accepted is not None, checks=_target_checks(spec)),
    }
    if names.accepted:
        found[names.accepted] = Column(nullable=False, checks=[_typed(types.is_bool_dtype, "true/false", gaps=True)])
    if names.outcome_at:
        found[names.outcome_at] = Column(nullable=True, checks=[time_type])
    if names.weight:
        positive = _guarded(types.is_numeric_dtype, lambda s: s.isna() | (s.gt(0) & s.lt(float("inf"))))
        found[names.weight] = Column(
            nullable=False,
            checks=[
                _typed(types.is_numeric_dtype, "a number"),
                Check(positive, error="is not a positive, finite weight"),
            ],
        )
    if names.cluster:
        found.setdefault(names.cluster, Column(nullable=False))
    if names.known_at:
        late = Check(known, error=f"is after as_of {as_of}: the query returns rows that were not known yet")
        found[names.known_at] = Column(nullable=False, checks=[time_type, late])
    number = _typed(types.is_numeric_dtype, "a number")
    category = Check(_are_categories, error=_wrong_type("text, a whole number or true/false"))
    found |= {c: Column(nullable=True, checks=[number]) for c in names.numeric}
    for c in (*names.categorical, *names.segments, *names.protected):
        found.setdefault(c, Column(nullable=True, checks=[category]))
    return found


def _target_checks(spec: ModelSpec) -> list[Check]:
    number = _typed(types.is_numeric_dtype, "a number", gaps=spec.columns.accepted is not None)
    if spec.task == "regression":
        either = Check(
            lambda s: not types.is_bool_dtype(s.dropna().infer_objects().dtype) or not len(s.dropna()),
            error="is true or false; a regression needs numbers: set `task: classification`, or return a number",
        )
        finite = _guarded(types.is_numeric_dtype, lambda s: s.isna() | s.astype("float64").abs().lt(float("inf")))
        return [number, either, Check(finite, error="is infinite")]
    binary = _guarded(types.is_numeric_dtype, lambda s: s.isna() | s.isin([0, 1]))
    return [number, Check(binary, error="is neither 0 nor 1")]


def _is_moment(dtype: Any) -> bool:
    return isinstance(dtype, pd.DatetimeTZDtype)


def _is_category(dtype: Any) -> bool:
    return types.is_string_dtype(dtype) or types.is_integer_dtype(dtype) or types.is_bool_dtype(dtype)


def _are_categories(values: pd.Series) -> bool:
    """Whether a column can be a category. Whole numbers with gaps arrive as floats."""
    return _is_category(values.dtype) or (
        types.is_float_dtype(values.dtype) and bool(values.dropna().mod(1).eq(0).all())
    )


def _typed(right: Callable[[Any], bool], wanted: str, *, gaps: bool = False) -> Check:
    """A check that fails once for a whole column of the wrong type; with `gaps`, not where these made objects of it."""
    return Check(lambda s: s.isna().all() or right((s.infer_objects() if gaps else s).dtype), error=_wrong_type(wanted))


def _wrong_type(wanted: str) -> str:
    return f"has the wrong type; it must be {wanted}"


NESTED = _wrong_type("one value, no array and no JSON")
NOT_UNIQUE = "is not unique"


def _guarded(applies: Callable[[Any], bool], rule: Callable[[pd.Series], pd.Series]) -> Callable[[pd.Series], object]:
    """`rule` where it applies to the column's type; a wrong type is reported by another check."""
    return lambda s: rule(s) if applies(s.dtype) else True


def too_little(frame: pd.DataFrame, spec: ModelSpec, spans: Intervals) -> list[str]:
    """What there is too little of to train on and to judge by, one clause each; empty where there is enough.

    At least `training.minimum_rows` rows to train on and two to judge by, both with two different outcomes; those of a
    regression's holdout may be equal. Rows without an outcome, because they were not accepted, do not count.
    """
    time = spec.columns.event_time
    if len(frame) and (time not in frame or not _is_moment(frame[time].dtype)):
        return []
    split = midnight(spans.holdout_start)
    known = frame[_accepted(frame, spec)]
    training, holdout = (known[known[time] < split], known[known[time] >= split]) if len(known) else (known, known)
    before, after = f"[{spans.train_start}, {spans.holdout_start})", f"[{spans.holdout_start}, {spans.matured})"
    return [*_too_little_to_train_on(training, spec, before), *_too_little_to_judge_by(holdout, spec, after)]


def days(frame: pd.DataFrame, spec: ModelSpec) -> set[date]:
    """The days of the rows that can be trained on or judged by, in rows that keep their contract."""
    times = frame.loc[_accepted(frame, spec), spec.columns.event_time].dt.tz_convert("UTC")
    return set(times.dt.normalize().drop_duplicates().dt.date)


def _accepted(frame: pd.DataFrame, spec: ModelSpec) -> pd.Series:
    accepted = spec.columns.accepted
    if accepted in frame and types.is_bool_dtype(frame[accepted]):
        return frame[accepted]
    return pd.Series(True, index=frame.index)


def _too_little_to_train_on(rows: pd.DataFrame, spec: ModelSpec, window: str) -> Iterator[str]:
    if len(rows) < (needed := spec.training.minimum_rows):
        yield (
            f"too few rows to train on: {len(rows)} in {window}, at least {needed} are needed (training.minimum_rows)"
        )
    if only := _only_outcome(rows, spec):
        yield f"{only} to train on: every row in {window} has it"


def _too_little_to_judge_by(rows: pd.DataFrame, spec: ModelSpec, window: str) -> Iterator[str]:
    if len(rows) < HOLDOUT_ROWS:
        yield f"too few rows to judge by: {len(rows)} in the holdout {window}, at least {HOLDOUT_ROWS} are needed"
    elif spec.task == "classification" and (only := _only_outcome(rows, spec)):
        yield f"{only} to judge by: every row in the holdout {window} has it"


def _only_outcome(rows: pd.DataFrame, spec: ModelSpec) -> str:
    """A clause that names the outcome where all rows have the same; else empty."""
    target = spec.columns.target
    if target not in rows or len(known := rows[target].dropna()) == 0 or known.nunique() > 1:
        return ""
    return f"only one {'class' if spec.task == 'classification' else 'outcome'} ({target} {known.iloc[0]})"
