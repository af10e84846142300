"""Load a simulated lender's books into PostgreSQL: in one transaction, and only if they differ from those there."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
from psycopg2 import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from demo.lender import Lender
from titleholder import postgres
from titleholder.errors import DataError

Progress = Callable[[str, int, int], None]
MARK = "Simulated by Titleholder's demo: "
CHUNK = 50_000  # rows sent at a time

TABLES: dict[str, dict[str, str]] = {
    "applications": {
        "application_id": "bigint not null",
        "applied_at": "timestamptz not null",
        "amount": "numeric(12, 2) not null",
        "term": "smallint not null",
        "income": "numeric(12, 2)",
        "age_band": "text not null",
        "employment": "text",
        "channel": "text not null",
        "purpose": "text not null",
        "region": "text not null",
        "prior_loans": "integer not null",
        "bureau_score": "numeric(6, 1)",
        "utilisation": "numeric(6, 4) not null",
        "recorded_at": "timestamptz not null",
    },
    "instalments": {
        "application_id": "bigint not null",
        "number": "smallint not null",
        "due_on": "date not null",
        "amount": "numeric(12, 2) not null",
        "paid_on": "date",
        "recorded_at": "timestamptz not null",
    },
    "outcomes": {
        "application_id": "bigint not null",
        "status": "text not null",
        "occurred_on": "date not null",
        "loss": "numeric(12, 2) not null",
        "recorded_at": "timestamptz not null",
    },
    "unemployment": {
        "region": "text not null",
        "valid_from": "date not null",
        "valid_to": "date not null",
        "rate": "numeric(4, 1) not null",
        "recorded_from": "timestamptz not null",
        "recorded_to": "timestamptz",
    },
}

FINISH = """
alter table {s}.applications add primary key (application_id);
alter table {s}.instalments add primary key (application_id, number, recorded_at);
alter table {s}.outcomes add primary key (application_id, recorded_at);
alter table {s}.unemployment add primary key (region, valid_from, recorded_from);
alter table {s}.instalments add foreign key (application_id) references {s}.applications;
alter table {s}.outcomes add foreign key (application_id) references {s}.applications;
create index on {s}.applications (applied_at);
create index on {s}.applications (recorded_at);
create index on {s}.instalments (recorded_at);
create index on {s}.outcomes (recorded_at);
comment on table {s}.applications is 'Loans granted, one row each, as the applicant was that day';
comment on table {s}.instalments is 'Append-only: a later recorded_at overturns the row before it';
comment on column {s}.instalments.paid_on is 'Empty as long as the payment is missing';
comment on table {s}.outcomes is 'Append-only: a later recorded_at overturns the row before it';
comment on column {s}.outcomes.status is
    'repaid; defaulted; recovered: defaulted, part of it came back; reversed: the default was entered by mistake';
comment on column {s}.outcomes.occurred_on is 'Day of the default, or of the last payment';
comment on column {s}.outcomes.loss is 'Money lost as far as known';
comment on table {s}.unemployment is
    'Versions: the rate of a region in a month, as published from recorded_from until it was revised at recorded_to';
comment on column {s}.unemployment.recorded_to is 'Empty as long as the version stands';
comment on schema {s} is {mark};
analyze {s}.applications;
analyze {s}.instalments;
analyze {s}.outcomes;
analyze {s}.unemployment;
"""


def load(url: str, lender: Lender, schema: str = "lender", progress: Progress | None = None) -> dict[str, int]:
    """Fill `schema` of the database at `url` with the lender's books; rows per table.

    All or nothing, in one transaction. Books already there are left alone; other simulated books are replaced.
    `progress` is called with table, rows sent and rows in all, and not at all when nothing needs loading.

    Raises:
        DataError: when the schema exists and was not made by this function.
    """
    frames = lender.tables
    engine = create_engine("postgresql+psycopg2://", poolclass=NullPool, connect_args=postgres.parameters(url))
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"demo.load {schema}"])
        if _mark(cursor, schema) != MARK + lender.fingerprint:
            _replace(cursor, schema, lender.fingerprint, frames, progress)
        connection.commit()
    finally:
        connection.close()  # rolls back what was not committed
    return {table: len(frame) for table, frame in frames.items()}


def loaded(url: str, schema: str = "lender") -> str | None:
    """The fingerprint of the simulated lender in `schema`, or None when there is none."""
    engine = create_engine("postgresql+psycopg2://", poolclass=NullPool, connect_args=postgres.parameters(url))
    connection = engine.raw_connection()
    try:
        mark = _mark(connection.cursor(), schema)
    finally:
        connection.close()
    return mark.removeprefix(MARK) if mark else None


def _mark(cursor: Any, schema: str) -> str | None:
    """The comment of this module on a schema that it made."""
    cursor.execute("select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = %s", [schema])
    found = cursor.fetchone()
    if found is None:
        return None
    if not (found[0] or "").startswith(MARK):
        raise DataError(
            f"schema {schema!r} exists and was not made by the demo; it is left as it is. Choose another name"
        )
    return str(found[0])


def _replace(
    cursor: Any, schema: str, fingerprint: str, frames: dict[str, pd.DataFrame], progress: Progress | None
) -> None:
    name = sql.Identifier(schema)
    cursor.execute(sql.SQL("drop schema if exists {s} cascade; create schema {s}").format(s=name))
    for table, columns in TABLES.items():
        body = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(c), sql.SQL(t)) for c, t in columns.items())
        cursor.execute(sql.SQL("create table {} ({})").format(sql.Identifier(schema, table), body))
        _copy(cursor, schema, table, frames[table], progress)
    cursor.execute(sql.SQL(FINISH).format(s=name, mark=sql.Literal(MARK + fingerprint)))


def _copy(cursor: Any, schema: str, table: str, frame: pd.DataFrame, progress: Progress | None) -> None:
    columns = TABLES[table]
    command = sql.SQL("copy {} ({}) from stdin with (format csv)").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    for start in range(0, len(frame), CHUNK):
        chunk = frame.iloc[start : start + CHUNK]
        cursor.copy_expert(command, _csv(chunk, columns))
        if progress:
            progress(table, start + len(chunk), len(frame))


def _csv(frame: pd.DataFrame, columns: dict[str, str]) -> io.BytesIO:
    """The rows as comma-separated text; missing values are empty, which COPY reads as NULL."""
    arrays = [pa.array(frame[c], from_pandas=True) for c in columns]
    plain = [a.dictionary_decode() if pa.types.is_dictionary(a.type) else a for a in arrays]
    dated = [
        a.cast(pa.date32()) if kind.startswith("date ") or kind == "date" else a
        for a, kind in zip(plain, columns.values(), strict=True)
    ]
    buffer = io.BytesIO()
    pacsv.write_csv(pa.table(dated, names=list(columns)), buffer, pacsv.WriteOptions(include_header=False))
    buffer.seek(0)
    return buffer
