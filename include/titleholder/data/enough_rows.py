"""Whether there are enough rows to train on and to judge by, and on which days they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pandas as pd
from pandas.api import types

from titleholder.data.column_schema import is_moment
from titleholder.spec.as_of_dates import HOLDOUT_ROWS
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals, midnight


def too_little(frame: pd.DataFrame, spec: ModelSpec, spans: Intervals) -> list[str]:
    """What there is too little of to train on and to judge by, one clause each; empty where there is enough.

    At least `training.minimum_rows` rows to train on and two to judge by, both with two different outcomes; those of a
    regression's holdout may be equal. Rows without an outcome, because they were not accepted, do not count.
    """
    time = spec.columns.event_time
    if len(frame) and (time not in frame or not is_moment(frame[time].dtype)):
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
