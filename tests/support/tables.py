"""Frames as tables of PostgreSQL."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from psycopg2 import sql
from sqlalchemy import Connection

_NULL = r"\N"


def write(frame: pd.DataFrame, connection: Connection, name: str, schema: str | None = None) -> None:
    """Make a table, in place of one that is there; its rows come by COPY."""
    frame.to_sql(name, connection, schema=schema, if_exists="replace", index=False, method=_copy)


def _copy(table: Any, connection: Connection, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([_NULL if value is None else value for value in row] for row in rows)
    name = sql.Identifier(*filter(None, [table.schema, table.name]))
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with connection.connection.cursor() as cursor:
        text.seek(0)
        cursor.copy_expert(
            sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, NULL {})").format(name, names, sql.Literal(_NULL)), text
        )
