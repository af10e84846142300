"""Load a file into the local warehouse, with the file's columns and types."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from localstack import parquet_files
from localstack.csv_files import CsvTable
from localstack.cut_times import CutTimes
from localstack.settings import environment
from localstack.state import State
from localstack.text_columns import TextColumns
from titleholder import postgres
from titleholder.data.csv_file import AS_USUAL, CsvFile, Written
from titleholder.errors import DataError, ServiceError, UsageError
from titleholder.settings import need

LOADER_URL = "TITLEHOLDER_LOADER_URL"
OnRows = Callable[[int, int | None, str], None]
"""Called with the rows done, the rows in all (None where that is not known yet), and what is being done."""
_COLUMNS = """
SELECT attname::text, format_type(atttypid, atttypmod)::text, quote_ident(attname)::text
FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 ORDER BY attnum
"""


class LoadedColumn(NamedTuple):
    """A column as the warehouse has it, and how SQL names it: in double quotes where it has capitals or spaces."""

    column: str
    type: str
    sql: str


@dataclass(frozen=True)
class LoadedTable:
    """What was loaded, and what about its columns a person should know."""

    table: str
    rows: int
    columns: tuple[LoadedColumn, ...]
    warnings: tuple[str, ...]

    @property
    def quoted(self) -> list[LoadedColumn]:
        """The columns that SQL finds only in double quotes."""
        return [column for column in self.columns if column.sql != column.column]


class Opened(NamedTuple):
    """A reader of a file's rows, their number, and what a person should know before they are used."""

    rows: pa.RecordBatchReader
    total: int
    warnings: tuple[str, ...] = ()


def open_file(path: Path, written: Written, on_rows: OnRows) -> Opened:
    """The rows of a Parquet or CSV file.

    Raises:
        UsageError: for a file that cannot be read, is neither Parquet nor CSV, or has numbers whose decimal mark
            was not given, and two fit.
        DataError: for text that is not in the file's encoding.
    """
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return _open_csv(path, written, on_rows)
    if not name.endswith(".parquet"):
        raise UsageError(f"{path.name}: a file to load ends in .parquet, .csv or .csv.gz")
    written.refuse_for(path.name)
    batches, rows, said = parquet_files.opened(path, lambda n: on_rows(n, None, "reading"))
    return Opened(batches, rows, tuple(said))


def _open_csv(path: Path, written: Written, on_rows: OnRows) -> Opened:
    csv = CsvTable(CsvFile.of(path, written))
    layout = csv.layout(lambda n: on_rows(n, None, "reading"))
    commas = ", ".join(layout.commas)
    said = [f"{name} has {sign} in each value, which was left out" for name, sign in layout.written.items() if sign]
    if commas:
        said.append(f"{commas} came as text, with decimal commas: load the file again with --replace --decimal ','")
    return Opened(csv.batches(layout), layout.rows, tuple(said))


def load(path: Path, table: str, *, replace: bool, on_rows: OnRows, written: Written = AS_USUAL) -> LoadedTable:
    """Stream a file into `table` in one transaction.

    Raises:
        UsageError: for a file type or table name that cannot be used, or a table that exists (without `replace`).
        DataError: for text that is not in the file's encoding, and where PostgreSQL refuses the rows.
        ServiceError: when the warehouse cannot be reached.
    """
    schema, name = _names(table)
    url = postgres.address(postgres.parameters(os.environ.get(LOADER_URL) or _of_local_stack()))
    reader, total, doubts = open_file(path, written, on_rows)
    texts, times = TextColumns(), CutTimes()
    try:
        connection = dbapi.connect(url)
    except adbc_driver_manager.Error as error:
        raise ServiceError(f"the warehouse cannot be reached: {error}. Locally: `make up`.") from None
    with connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')  # a name of letters, digits and _ only
        if _exists(cursor, schema, name) and not replace:
            raise UsageError(f"table {schema}.{name} exists already; use --replace to replace it, or another --table")
        counted = pa.RecordBatchReader.from_batches(reader.schema, _counted(reader, total, (texts, times), on_rows))
        try:
            rows = cursor.adbc_ingest(name, counted, mode="replace" if replace else "create", db_schema_name=schema)
        except adbc_driver_manager.Error as error:
            if postgres.is_interrupt(error):
                raise KeyboardInterrupt from None
            raise DataError(f"{path.name} cannot be loaded into {schema}.{name}: {error}") from None
        cursor.execute(_COLUMNS, (f'"{schema}"."{name}"',))
        columns = tuple(LoadedColumn(*row) for row in cursor.fetchall())
        connection.commit()
    return LoadedTable(table, int(rows), columns, (*doubts, *texts.warnings(), *times.warnings(), *_bytes(columns)))


def _of_local_stack() -> str:
    try:
        return environment(State.locate())[LOADER_URL]
    except ServiceError:
        return need(LOADER_URL)  # whose message names both ways


def _bytes(columns: tuple[LoadedColumn, ...]) -> Iterator[str]:
    for column in columns:
        if column.type == "bytea":
            yield f"{column.column} came as bytes, which are neither category nor number. Write the file with text."


def _names(table: str) -> tuple[str, str]:
    if not (match := re.fullmatch(r"(?:([a-z_][a-z0-9_]*)\.)?([a-z_][a-z0-9_]*)", table)):
        raise UsageError(
            f"--table {table!r}: a name is lower-case letters, digits and _, such as loans or lender.loans"
        )
    if (schema := match[1] or "public").startswith("pg_") or schema == "information_schema":
        raise UsageError(f"--table {table!r}: schema {schema} belongs to PostgreSQL; use public or one of yours")
    return schema, match[2]


def _exists(cursor: dbapi.Cursor, schema: str, name: str) -> bool:
    cursor.execute("SELECT to_regclass($1)::text", (f'"{schema}"."{name}"',))
    return bool(cursor.fetchone()[0])


def _counted(
    reader: pa.RecordBatchReader, total: int, looks: tuple[TextColumns, CutTimes], on_rows: OnRows
) -> Iterator[pa.RecordBatch]:
    seen = 0
    for batch in reader:
        seen += batch.num_rows
        for look in looks:
            look.add(batch)
        on_rows(seen, total, "loading")
        yield batch
