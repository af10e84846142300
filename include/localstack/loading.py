"""Load a file into the local warehouse, with the file's columns and types."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import adbc_driver_manager
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi

from titleholder.errors import DataError, ServiceError, UsageError
from titleholder.settings import need

BATCH = 10_000


def load(file: Path, table: str, *, replace: bool, on_rows: Callable[[int, int | None], None]) -> int:
    """Stream `file` into `table` in one transaction; returns the rows loaded.

    Raises:
        UsageError: for a file type or table name that cannot be used, or a table that exists (without `replace`).
        ServiceError: when the warehouse cannot be reached.
    """
    schema, name = _names(table)
    url = re.sub(r"^postgresql\+\w+://", "postgresql://", need("TITLEHOLDER_LOADER_URL"))
    reader, total = _open(file)
    try:
        connection = dbapi.connect(url)
    except adbc_driver_manager.Error as error:
        raise ServiceError(f"the warehouse cannot be reached: {error}. Locally: `make up`.") from None
    with connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')  # a name of letters, digits and _ only
        if _exists(cursor, schema, name) and not replace:
            raise UsageError(f"table {schema}.{name} exists already; use --replace to replace it, or another --table")
        counted = pa.RecordBatchReader.from_batches(reader.schema, _counted(reader, total, on_rows))
        try:
            rows = cursor.adbc_ingest(name, counted, mode="replace" if replace else "create", db_schema_name=schema)
        except adbc_driver_manager.Error as error:
            raise DataError(f"{file.name} cannot be loaded into {schema}.{name}: {error}") from None
        connection.commit()
    return int(rows)


def _names(table: str) -> tuple[str, str]:
    if not (match := re.fullmatch(r"(?:([a-z_][a-z0-9_]*)\.)?([a-z_][a-z0-9_]*)", table)):
        raise UsageError(
            f"--table {table!r}: a name is lower-case letters, digits and _, such as loans or lender.loans"
        )
    if (schema := match[1] or "public").startswith("pg_") or schema == "information_schema":
        raise UsageError(f"--table {table!r}: schema {schema} belongs to PostgreSQL; use public or one of yours")
    return schema, match[2]


def _open(file: Path) -> tuple[pa.RecordBatchReader, int | None]:
    try:
        if file.suffix == ".parquet":
            parquet = pq.ParquetFile(file)
            return pa.RecordBatchReader.from_batches(
                parquet.schema_arrow, parquet.iter_batches(BATCH)
            ), parquet.metadata.num_rows
        if file.suffix == ".csv":
            return pa.csv.open_csv(file), None
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    raise UsageError(f"{file.name}: a file to load ends in .parquet or .csv")


def _exists(cursor: dbapi.Cursor, schema: str, name: str) -> bool:
    cursor.execute("SELECT to_regclass($1)::text", (f'"{schema}"."{name}"',))
    return bool(cursor.fetchone()[0])


def _counted(
    reader: pa.RecordBatchReader, total: int | None, on_rows: Callable[[int, int | None], None]
) -> Iterator[pa.RecordBatch]:
    seen = 0
    for batch in reader:
        seen += batch.num_rows
        on_rows(seen, total)
        yield batch
