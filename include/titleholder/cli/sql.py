"""The command `sql`: psql on a warehouse or the ledger, or the result of one query."""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from typing import Annotated, Any

import typer

from titleholder.cli import local_stack
from titleholder.cli.console import AsJson, err, print_json, print_table
from titleholder.errors import UsageError

SHOWN = 200
"""Rows that a table for people has at most."""


def sql(
    command: Annotated[
        str, typer.Option("--command", "-c", help="Print the result of this query; without it, open psql.")
    ] = "",
    connection: Annotated[str, typer.Option(help="An Airflow connection of the environment.")] = "warehouse",
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Ask the ledger instead: decisions, scores, reports of monitors.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Open the warehouse with psql, or print the result of one query. Transactions are read-only by default.

    The role is that of the connection: `reader` in the local stack, which can change nothing. --ledger takes
    TITLEHOLDER_LEDGER_URL, whose role may append; its tables and views are in the schema titleholder.
    """
    from titleholder.settings import connection_url, need

    if ledger and connection != "warehouse":
        raise UsageError(f"--ledger and --connection {connection}: give one of them")
    url = need("TITLEHOLDER_LEDGER_URL") if ledger else connection_url(connection)
    if not command:
        if as_json:
            raise UsageError("--json needs a query: titleholder sql --json --command 'select …'")
        _open_psql(url)
    columns, rows = _query(url, "of the ledger" if ledger else connection, command)
    if as_json:
        print_json([{name: _plain(v) for name, v in zip(columns, row, strict=True)} for row in rows])
        return
    print_table("", [{n: "" if v is None else v for n, v in zip(columns, row, strict=True)} for row in rows[:SHOWN]])
    if len(rows) > SHOWN:
        err.print(f"The first {SHOWN} of {len(rows):,} rows; --json prints all.")


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _open_psql(url: str) -> None:
    """Replace this process by psql. The password is in its environment, never among its arguments, which all see."""
    from psycopg2.extensions import make_dsn

    from titleholder import postgres

    program = local_stack.psql()
    if program is None:
        raise UsageError(
            "psql is not in PATH. Install PostgreSQL's client, or print one result: titleholder sql -c 'select …'"
        )
    settings = postgres.parameters(url)
    hidden = {"password": "PGPASSWORD", "require_auth": "PGREQUIREAUTH"}  # the latter: an older psql does not know it
    added = {variable: settings.pop(name) for name, variable in hidden.items() if name in settings}
    read_only = f"{os.environ.get('PGOPTIONS', '')} -c default_transaction_read_only=on".strip()
    sys.stdout.flush()
    os.execve(program, [program, make_dsn(**settings)], {**os.environ, "PGOPTIONS": read_only, **added})  # noqa: S606


def _query(url: str, connection: str, command: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows that a query returns; none where it returns nothing."""
    import psycopg2

    from titleholder.data import warehouse

    with warehouse.session(url, connection) as connected, connected.cursor() as cursor:
        try:
            cursor.execute(command)
            rows = cursor.fetchall() if cursor.description else []
        except psycopg2.Error as error:
            raise UsageError(f"PostgreSQL refused the query: {str(error).strip()}") from None
        return [column.name for column in cursor.description or ()], rows
