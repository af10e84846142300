"""Rows that a model is to score: from a CSV or Parquet file, a table of the warehouse, or a query; in batches.

Only the features are needed. What is wrong with them is one error that lists every column. Without rows there is one
batch, which has the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api import types

from titleholder.data import csv_rows, features, table_names, warehouse
from titleholder.data.contract import listed
from titleholder.data.csv_file import AS_USUAL, CsvFile, Written
from titleholder.data.decimals import WRITTEN, all_written, converted
from titleholder.data.extraction import Session
from titleholder.errors import ContractError, UsageError
from titleholder.formatting import counted
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import in_any_order, parameters

ROWS_AT_ONCE = 100_000
TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?")
SQL, PARQUET, CSV = (".sql",), (".parquet", ".pq"), (".csv", ".csv.gz", ".tsv", ".tsv.gz")
SOURCES = "a file (.csv, .tsv, also with .gz, or .parquet), a query in a .sql file, or a table such as lender.loans"
TRUTHS = {"true": 1.0, "t": 1.0, "false": 0.0, "f": 0.0}
"""Numbers of a column of true and false, as PostgreSQL and others write it."""


def batches(source: str, spec: ModelSpec, url: str, written: Written = AS_USUAL) -> Iterator[pd.DataFrame]:
    """The rows in frames of bounded size, with the features and, where it is there, the entity.

    The features have the form that every model gets, see `features.design_matrix`. `written` is for CSV files.

    Raises:
        UsageError: for a source that is none of these, or cannot be read.
        ContractError: for features that are missing or hold what is no number, all of them at once.
    """
    is_csv, first = source.lower().endswith(CSV), 0
    if not is_csv:
        written.refuse_for(f"--input {source}")
    file = CsvFile.of(Path(source), written) if is_csv else None
    for frame in _frames(source, spec, url, file):
        yield _checked(frame, spec, first, file)
        first += len(frame)


def is_in_warehouse(source: str) -> bool:
    """Whether reading this source needs the warehouse: a query or a table."""
    return not source.lower().endswith((*PARQUET, *CSV))


def _frames(source: str, spec: ModelSpec, url: str, file: CsvFile | None) -> Iterator[pd.DataFrame]:
    name, path, wanted = source.lower(), Path(source), [spec.columns.entity, *spec.columns.features]
    try:
        if name.endswith(PARQUET):
            return _as_frames(*_of_parquet(path, wanted))
        if file:
            return _as_frames(*csv_rows.read(file, wanted, spec.columns.numeric))
        if name.endswith(SQL):
            return _of_query(path.read_text(encoding="utf-8"), source, spec, url, wanted)
    except (OSError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise UsageError(f"{source} cannot be read: {error}") from error
    if not TABLE.fullmatch(source):
        raise UsageError(f"--input {source!r} is not {SOURCES}")
    with warehouse.session(url, spec.source.connection) as opened, opened.cursor() as asking:
        table = table_names.find(asking, source, "--input").name
    return _of_query(f"TABLE {table}", f"table {source}", spec, url, wanted)


def _as_frames(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pd.DataFrame]:
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        yield batch.to_pandas()
    if not rows:
        yield schema.empty_table().to_pandas()


def _of_parquet(path: Path, wanted: Sequence[str]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    file = pq.ParquetFile(path)
    present = [name for name in wanted if name in file.schema_arrow.names]
    schema = pa.schema([file.schema_arrow.field(name) for name in present])
    return schema, file.iter_batches(ROWS_AT_ONCE, columns=present)


def _of_query(sql: str, source: str, spec: ModelSpec, url: str, wanted: Sequence[str]) -> Iterator[pd.DataFrame]:
    if bound := ", ".join(f":{name}" for name in parameters(sql)):
        raise UsageError(
            f"{source} binds {bound}, which have no values here; the scoring query of the spec is run with --as-of in "
            "place of --input"
        )
    with warehouse.rows(url, spec.source.connection, spec.timeouts.query) as cursor:
        schema, found = Session(cursor, spec).read(in_any_order(sql), source)
        present = [name for name in wanted if name in schema.names]
        own = pa.schema([schema.field(name) for name in present])
        yield from _as_frames(own, (batch.select(present) for batch in found))


def _checked(frame: pd.DataFrame, spec: ModelSpec, first: int, file: CsvFile | None) -> pd.DataFrame:
    faults = [f"{name}: the column is missing" for name in spec.columns.features if name not in frame]
    numbers: dict[str, pd.Series] = {}
    for name in spec.columns.numeric:
        if name in frame:
            numbers[name], fault = _as_numbers(frame[name], first, file)
            faults += [fault] if fault else []
    if faults:
        raise ContractError(f"{spec.name}: these rows cannot be scored; nothing was written:\n{listed(faults)}")
    matrix = features.design_matrix(frame.assign(**numbers), spec)
    if spec.columns.entity in frame:
        matrix.insert(0, spec.columns.entity, frame[spec.columns.entity])
    return matrix


def _as_numbers(values: pd.Series, first: int, file: CsvFile | None) -> tuple[pd.Series, str]:
    """The values as numbers, and what is wrong with them, or nothing."""
    numbers = values
    if not types.is_numeric_dtype(values.dtype):
        numbers = pd.to_numeric(_by_mark(values, file), errors="coerce")
        numbers = numbers.fillna(values.where(numbers.isna()).astype(str).str.lower().map(TRUTHS))
    infinite = np.isinf(numbers.to_numpy(dtype="float64", na_value=np.nan))
    for wrong, what in (((numbers.isna() & values.notna()).to_numpy(), "no number"), (infinite, "infinite")):
        if many := int(wrong.sum()):
            place = int(wrong.argmax())
            said = f"{values.name}: {counted(many, 'value')} {'is' if many == 1 else 'are'} {what}"
            said += f", such as {str(values.iloc[place])!r:.60} in row {first + place + 1}"
            return numbers, said + (_mark_asked(values[wrong]) if file and not file.decimal else "")
    return numbers, ""


def _by_mark(values: pd.Series, file: CsvFile | None) -> pd.Series:
    """The texts of a file whose decimal mark was given as numbers; without what is no number with that mark."""
    if file is None or file.decimal is None:
        return values
    plain = values.astype(str)
    fitting = plain.str.match(WRITTEN[file.decimal])
    numbers = converted(pa.array(plain.where(fitting), pa.string(), from_pandas=True), file.decimal).to_pandas()
    return values.where(~plain.str.contains("[.,]")).where(~fitting, numbers.set_axis(values.index))


def _mark_asked(wrong: pd.Series) -> str:
    """What to do where all of these texts would be numbers with a decimal mark that is said."""
    texts = pa.array(wrong.astype(str), pa.string())
    marks = [f"--decimal {mark!r}" for mark in WRITTEN if all_written(texts, mark)]
    return f"; {' or '.join(marks)} reads it as a number" if marks else ""
