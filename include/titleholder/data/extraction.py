"""From PostgreSQL into a snapshot: one read-only query, one stream in batches of bounded size, one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import adbc_driver_manager
import pyarrow as pa

from titleholder import postgres
from titleholder.data import contract, snapshots, warehouse
from titleholder.errors import ContractError, DataError
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import columns_of, line_of, ordered, quoted_line, setting
from titleholder.spec.windows import Intervals, midnight

SYNTAX_ERROR = "42601"
UTC_TIME = pa.timestamp("us", tz="UTC")


def extract(url: str, spec: ModelSpec, spans: Intervals, as_of: date, root: str) -> snapshots.Extract:
    """Stream the rows of the spec's query at `as_of` into `root/<model>/<as_of>/<sha256>.parquet`, by time and entity.

    The rows can be read from what is returned; the stored file is not fetched for it.

    Raises:
        ServiceError: when the warehouse cannot be reached or is lost, or `root` cannot be written.
        DataError: when the query fails, with PostgreSQL's own message.
    """
    with stream(url, spec, spans, as_of) as (schema, batches):
        return snapshots.write(root, f"{spec.name}/{as_of}", schema, batches)


class OutsideQueryError(DataError):
    """What fails is the statement around a model's query: the spec names a column that the query does not return."""


class Session:
    """One read-only transaction on one snapshot of the database, for the query of one spec at one as-of date.

    Every method raises DataError when the query fails, with PostgreSQL's own message and the line of the query; an
    `OutsideQueryError` where what fails is the statement around it. Where the connection is lost it is a ServiceError.
    """

    def __init__(self, cursor: Any, spec: ModelSpec) -> None:
        self._cursor = cursor
        self._spec = spec

    def bind(self, name: str, value: str) -> None:
        """Set the transaction's setting `titleholder.<name>`, which statements read as a parameter."""
        with _explained(self._cursor, self._spec):
            self._cursor.execute("SELECT set_config($1, $2, true)", (setting(name), value))
            self._cursor.fetchall()

    def read(self, sql: str, about: str = "") -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The result of `sql`, as (schema, batches). Memory is bounded by one batch of the driver (16 MB).

        `about` is what an error blames in place of the query.
        """
        with _explained(self._cursor, self._spec, sql, about):
            self._cursor.execute(sql)
            reader = self._cursor.fetch_record_batch()
        schema = _normalised_schema(reader.schema)
        return schema, _batches(self._cursor, reader, schema, self._spec)


@contextmanager
def opened(url: str, spec: ModelSpec, spans: Intervals, as_of: date) -> Iterator[Session]:
    """A session at `as_of`, whose transaction is REPEATABLE READ, READ ONLY, in UTC, with the query's values bound.

    Raises:
        ServiceError: when the warehouse cannot be reached.
    """
    moments = {"as_of": as_of, "window_start": spans.train_start, "window_end": spans.matured}
    with warehouse.rows(url, spec.source.connection, spec.timeouts.query) as cursor:
        session = Session(cursor, spec)
        for name, moment in moments.items():
            session.bind(name, midnight(moment).isoformat())
        yield session


@contextmanager
def stream(
    url: str, spec: ModelSpec, spans: Intervals, as_of: date
) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """The rows of the spec's query at `as_of`, ordered by event time and entity, as (schema, batches).

    NUMERIC arrives as float64, dates and timestamps as UTC microseconds. Memory is bounded by one batch of the driver.

    Raises:
        ServiceError: when the warehouse cannot be reached.
        DataError: when the query fails, with PostgreSQL's own message and the line of the query.
        ContractError: when the query lacks the columns that order the rows, with how it differs from the spec.
    """
    with opened(url, spec, spans, as_of) as session:
        try:
            rows = session.read(ordered(spec.sql, spec.columns.event_time, spec.columns.entity))
        except OutsideQueryError:
            rows = None
        if rows:
            yield rows
    if not rows:
        with opened(url, spec, spans, as_of) as session:
            returned = session.read(columns_of(spec.sql))[0].names
        raise ContractError(
            f"{spec.name}: {contract.column_difference(returned, spec)}\n"
            f"Correct the columns in {spec.name}.yaml, or {spec.source.query}."
        )


def _batches(cursor: Any, reader: pa.RecordBatchReader, schema: pa.Schema, spec: ModelSpec) -> Iterator[pa.RecordBatch]:
    while True:
        with _explained(cursor, spec):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
        arrays = [_normalised_array(batch.column(i), f.type) for i, f in enumerate(schema)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


@contextmanager
def _explained(cursor: Any, spec: ModelSpec, statement: str = "", about: str = "") -> Iterator[None]:
    """What the warehouse raises for a statement around the spec's query becomes one DataError of one sentence.

    A lost connection is a ServiceError.
    """
    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        if postgres.is_interrupt(error):
            raise KeyboardInterrupt from None
        if not warehouse.answers(cursor):
            raise warehouse.lost(spec.source.connection, error) from None
        found = _diagnostics(error)
        said = ". ".join(found[part] for part in ("MESSAGE_PRIMARY", "MESSAGE_DETAIL", "MESSAGE_HINT") if part in found)
        position = int(found.get("STATEMENT_POSITION", 0))
        line = line_of(position, statement, spec.sql) if position else None
        place = quoted_line(line, spec.sql)
        if not line and found.get("SQLSTATE") == SYNTAX_ERROR:  # such as a bracket that is never closed
            place = ", at its end,"
        kind = OutsideQueryError if position and not line else DataError
        raise kind(
            f"{spec.name}: {about or spec.source.query + place} failed in the warehouse: {said or _message(error)}"
        ) from None


def _diagnostics(error: BaseException) -> dict[str, str]:
    """PostgreSQL's fields of an error, such as MESSAGE_PRIMARY and STATEMENT_POSITION; empty where there are none."""
    fields = {_text(key): _text(value) for key, value in getattr(error, "details", ())}
    return {key.removeprefix("PG_DIAG_"): value for key, value in fields.items()}


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _normalised_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(f.name, _normalised_type(f)) for f in schema])


def _normalised_type(field: pa.Field) -> pa.DataType:
    kind = field.type
    if isinstance(kind, pa.OpaqueType):
        return pa.float64() if kind.type_name == "numeric" else kind.storage_type
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string()
    if pa.types.is_temporal(kind) and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return UTC_TIME
    if pa.types.is_decimal(kind):
        return pa.float64()
    return kind


def _normalised_array(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if kind == UTC_TIME and pa.types.is_timestamp(array.type) and array.type.tz is None:
        array = array.cast(pa.timestamp("us"))  # a timestamp without a zone is read as UTC
    return array.cast(kind)


def _message(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines).split(" Query was:")[0].split(" Query:")[0].rpartition("ERROR: ")[2].strip()[:600]
