"""Rows that a model is to score: from a CSV or Parquet file, a table of the warehouse, or a query; in batches.

Only the features are needed. What is wrong with them is one error that lists every column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api import types

from titleholder.data import features, warehouse
from titleholder.data.contract import listed
from titleholder.data.extraction import Session
from titleholder.errors import ContractError, UsageError
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import in_any_order, quoted

ROWS_AT_ONCE = 100_000
TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?")
SQL, PARQUET, CSV = (".sql",), (".parquet", ".pq"), (".csv", ".csv.gz", ".tsv", ".tsv.gz")
SOURCES = "a file (.csv, .tsv, also with .gz, or .parquet), a query in a .sql file, or a table such as lender.loans"


def batches(source: str, spec: ModelSpec, url: str) -> Iterator[pd.DataFrame]:
    """The rows in frames of bounded size, with the features and, where it is there, the entity.

    The features have the form that every model gets, see `features.design_matrix`.

    Raises:
        UsageError: for a source that is none of these, or cannot be read.
        ContractError: for features that are missing or hold what is no number, all of them at once.
    """
    first = 0
    for frame in _frames(source, spec, url):
        yield _checked(frame, spec, first)
        first += len(frame)


def is_in_warehouse(source: str) -> bool:
    """Whether reading this source needs the warehouse: a query or a table."""
    return not source.lower().endswith((*PARQUET, *CSV))


def _frames(source: str, spec: ModelSpec, url: str) -> Iterator[pd.DataFrame]:
    name, path = source.lower(), Path(source)
    try:
        if name.endswith(PARQUET):
            return _of_parquet(path, _wanted(spec))
        if name.endswith(CSV):
            return _of_csv(path, spec)
        if name.endswith(SQL):
            return _of_query(path.read_text(encoding="utf-8"), source, spec, url)
    except (OSError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise UsageError(f"{source} cannot be read: {error}") from error
    if not TABLE.fullmatch(source):
        raise UsageError(f"--input {source!r} is not {SOURCES}")
    table = ".".join(map(quoted, source.split(".")))
    return _of_query(f"TABLE {table}", f"table {source}", spec, url)


def _wanted(spec: ModelSpec) -> list[str]:
    return [spec.columns.entity, *spec.columns.features]


def _of_parquet(path: Path, wanted: Sequence[str]) -> Iterator[pd.DataFrame]:
    file = pq.ParquetFile(path)
    present = [name for name in wanted if name in file.schema_arrow.names]
    return (batch.to_pandas() for batch in file.iter_batches(ROWS_AT_ONCE, columns=present))


def _of_csv(path: Path, spec: ModelSpec) -> Iterator[pd.DataFrame]:
    """As text: a category 01 stays what it is. Empty cells and NA are gaps."""
    wanted = set(_wanted(spec))
    separator = "\t" if ".tsv" in path.suffixes else ","
    options: dict[str, Any] = {"sep": separator, "dtype": str, "usecols": lambda name: name in wanted}
    try:
        with pd.read_csv(path, chunksize=ROWS_AT_ONCE, **options) as reader:
            yield from reader
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise UsageError(f"{path} cannot be read as CSV: {error}") from error


def _of_query(sql: str, source: str, spec: ModelSpec, url: str) -> Iterator[pd.DataFrame]:
    with warehouse.rows(url, spec.source.connection, spec.timeouts.query) as cursor:
        schema, found = Session(cursor, spec).read(in_any_order(sql), source)
        present = [name for name in _wanted(spec) if name in schema.names]
        for batch in found:
            yield batch.select(present).to_pandas()


def _checked(frame: pd.DataFrame, spec: ModelSpec, first: int) -> pd.DataFrame:
    faults = [f"{name}: the column is missing" for name in spec.columns.features if name not in frame]
    numbers: dict[str, pd.Series] = {}
    for name in spec.columns.numeric:
        if name in frame:
            numbers[name], fault = _as_numbers(frame[name], first)
            faults += [fault] if fault else []
    if faults:
        raise ContractError(f"{spec.name}: these rows cannot be scored; nothing was written:\n{listed(faults)}")
    matrix = features.design_matrix(frame.assign(**numbers), spec)
    if spec.columns.entity in frame:
        matrix.insert(0, spec.columns.entity, frame[spec.columns.entity])
    return matrix


def _as_numbers(values: pd.Series, first: int) -> tuple[pd.Series, str]:
    """The values as float64, and what is wrong with them, or nothing."""
    if types.is_numeric_dtype(values.dtype):
        return values, ""
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = numbers.isna() & values.notna()
    if not wrong.any():
        return numbers, ""
    place = int(wrong.to_numpy().argmax())
    shown = repr(str(values.iloc[place]))[:60]
    return (
        numbers,
        f"{values.name}: {int(wrong.sum())} values are no number, such as {shown} in row {first + place + 1}",
    )
