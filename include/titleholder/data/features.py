"""What a model is trained on and scores: design matrix, weights and target of a snapshot's rows."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.snapshots import Extract
from titleholder.spec.model import ModelSpec


def trained_columns(spec: ModelSpec) -> list[str]:
    """The columns that a training row needs: features, target and weight."""
    columns = spec.columns
    return [*columns.features, columns.target, *([columns.weight] if columns.weight else [])]


def training_rows(extract: Extract, spec: ModelSpec, end: date | None) -> pd.DataFrame:
    """What a model is trained on: the accepted rows before `end` (None: all), with their event times."""
    of = spec.columns
    return extract.read([*trained_columns(spec), of.event_time], event_time=of.event_time, end=end, where=of.accepted)


def design_matrix(frame: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """The features in the form that every model gets: numbers as float64, categories as text, gaps in both as NaN."""
    columns = {name: feature(frame, name, spec) for name in spec.columns.features}
    return pd.DataFrame(columns, index=frame.index, copy=False)


def feature(frame: pd.DataFrame | LazyFrame, name: str, spec: ModelSpec) -> pd.Series:
    """One column of the design matrix."""
    return as_text(frame[name]) if name in spec.columns.categorical else frame[name].astype("float64")


def as_text(values: pd.Series) -> pd.Series:
    """Categories as text, each distinct one made once; a gap is NaN."""
    if types.is_float_dtype(values.dtype) and values.dropna().mod(1).eq(0).all():
        values = values.astype("Int64")  # whole numbers with gaps: 1 is the same category in a column without gaps
    codes, distinct = pd.factorize(values)
    texts = np.array([*map(str, distinct), np.nan], dtype=object)  # the code of a gap is -1
    return pd.Series(texts[codes], index=values.index, dtype=object)


def weights(frame: pd.DataFrame | LazyFrame, spec: ModelSpec) -> NDArray[np.float64] | None:
    """The rows' weights, where the spec names a column of them."""
    return frame[spec.columns.weight].to_numpy(dtype=np.float64) if spec.columns.weight else None


def accepted(frame: pd.DataFrame | LazyFrame, spec: ModelSpec) -> NDArray[np.bool_]:
    """Which rows have an outcome: those that were accepted, where the spec names a column that says so, else all."""
    column = spec.columns.accepted
    return frame[column].to_numpy(dtype=bool) if column else np.ones(len(frame), dtype=bool)


def target(frame: pd.DataFrame | LazyFrame, spec: ModelSpec) -> NDArray[np.float64]:
    """The outcomes, float64 of shape (rows,)."""
    return frame[spec.columns.target].to_numpy(dtype=np.float64)
