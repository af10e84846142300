"""Databases and roles: each service has its own and cannot read another's.

airflow     owned by `airflow`           mlflow       owned by `mlflow`
warehouse   owned by `loader`, which fills it; `reader` reads it, and cannot write
titleholder owned by `ledger_owner`, which migrates it; `ledger` gets its rights from the migrations

As on a production server, a compromised service exposes its own database and no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from localstack.keys import ROLES, Keys
from localstack.ports import HOST
from localstack.postgres import SUPERUSER

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor

OWNERS = {"airflow": "airflow", "mlflow": "mlflow", "warehouse": "loader", "titleholder": "ledger_owner"}
GUESTS = {"warehouse": ("reader",), "titleholder": ("ledger",)}


def provision(keys: Keys, port: int) -> None:
    """Make every role and database that is missing, and set what each may do. Safe to repeat."""
    with _superuser(keys, port) as connected, connected.cursor() as cursor:
        _make_roles(cursor, keys)
        _make_databases(cursor)
        _grant(cursor)


def answers(keys: Keys, port: int) -> bool:
    """Whether the server takes a connection and answers a query."""
    import psycopg2

    try:
        with _superuser(keys, port) as connected, connected.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    except psycopg2.Error:
        return False


@contextmanager
def _superuser(keys: Keys, port: int) -> Iterator[connection]:
    import psycopg2

    with closing(
        psycopg2.connect(
            host=HOST,
            port=port,
            user=SUPERUSER,
            password=keys.roles[SUPERUSER],
            dbname="postgres",
            connect_timeout=2,
            require_auth="scram-sha-256",
            options="-c statement_timeout=20000",
        )
    ) as connected:
        connected.autocommit = True
        yield connected


def _make_roles(cursor: cursor, keys: Keys) -> None:
    from psycopg2 import sql

    cursor.execute("SELECT rolname FROM pg_roles")
    present = {name for (name,) in cursor.fetchall()}
    for role in ROLES:
        if role not in present:
            cursor.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(sql.Identifier(role)), (keys.roles[role],)
            )


def _make_databases(cursor: cursor) -> None:
    from psycopg2 import sql

    cursor.execute("SELECT datname FROM pg_database")
    present = {name for (name,) in cursor.fetchall()}
    for database, owner in OWNERS.items():
        if database not in present:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(owner))
            )


def _grant(cursor: cursor) -> None:
    from psycopg2 import sql

    for database in (*OWNERS, "postgres", "template1"):
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    for database, guests in GUESTS.items():
        for guest in guests:
            cursor.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), sql.Identifier(guest))
            )
    # The role covers tables that do not exist yet; `reader` can connect to nothing but the warehouse.
    cursor.execute("GRANT pg_read_all_data TO reader")
    cursor.execute("ALTER ROLE reader SET default_transaction_read_only = on")
    cursor.execute("GRANT TEMPORARY ON DATABASE warehouse TO reader")  # for the copies of the leak test
