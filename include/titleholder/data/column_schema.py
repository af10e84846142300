"""What each column of a training query must hold, as columns of pandera."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
from pandas.api import types
from pandera.pandas import Check, Column

from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals, midnight


def schema(spec: ModelSpec, spans: Intervals, as_of: date) -> dict[str, Column]:
    """What each column of a training query must hold."""
    names = spec.columns
    start, end, now = midnight(spans.train_start), midnight(spans.matured), midnight(as_of)
    time_type = _typed(is_moment, "a date or timestamp, in UTC")
    inside = _guarded(is_moment, lambda s: (s >= start) & (s < end))
    known = _guarded(is_moment, lambda s: s <= now)
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
    number = [_typed(types.is_numeric_dtype, "a number"), _finite()]
    category = Check(_are_categories, error=wrong_type("text, a whole number or true/false"))
    found |= {c: Column(nullable=True, checks=number) for c in names.numeric}
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
        return [number, either, _finite()]
    binary = _guarded(types.is_numeric_dtype, lambda s: s.isna() | s.isin([0, 1]))
    return [number, Check(binary, error="is neither 0 nor 1")]


def _finite() -> Check:
    finite = _guarded(types.is_numeric_dtype, lambda s: s.isna() | s.astype("float64").abs().lt(float("inf")))
    return Check(finite, error="is infinite")


def is_moment(dtype: Any) -> bool:
    """Whether a column has timestamps with a time zone."""
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
    return Check(lambda s: s.isna().all() or right((s.infer_objects() if gaps else s).dtype), error=wrong_type(wanted))


def wrong_type(wanted: str) -> str:
    """What is wrong with a column that does not hold what it must."""
    return f"has the wrong type; it must be {wanted}"


def _guarded(applies: Callable[[Any], bool], rule: Callable[[pd.Series], pd.Series]) -> Callable[[pd.Series], object]:
    """`rule` where it applies to the column's type; a wrong type is reported by another check."""
    return lambda s: rule(s) if applies(s.dtype) else True
