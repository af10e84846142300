"""The ledger's PostgreSQL: one pool of connections per address, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache

from psycopg2 import ProgrammingError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError as InvalidValueError
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from titleholder import postgres
from titleholder.errors import DataError, ServiceError, one_line
from titleholder.settings import code_version

SHORT_TIMEOUT = 3
"""Seconds in which a server must take a connection and answer a query, from a page or a form, which Airflow shows."""
STATEMENT_TIMEOUT = 90
"""The same for a task's statement: longer than it may wait for a lane's lock."""
IDLE_TIMEOUT = 60
"""Seconds after which the server ends a transaction whose client sends nothing, because it was stopped or is gone."""

SCHEMA_VERSION = "0004"
"""The last migration of the schema that this code reads and writes."""


@lru_cache(maxsize=8)
def engine(url: str, *, short: bool = False, any_schema: bool = False) -> Engine:
    """The pool for an address, whose transactions are in UTC. Its own address is empty: nothing prints the password.

    A server that refuses raises at once; the timeouts are for one that does not answer, or a client that vanished.
    A ledger whose schema is of another version is refused with a ServiceError, unless `any_schema` is wanted.
    """
    timeout = SHORT_TIMEOUT if short else postgres.CONNECT_TIMEOUT
    made = create_engine(
        "postgresql+psycopg2://",
        pool_pre_ping=True,
        pool_size=2,
        pool_timeout=SHORT_TIMEOUT if short else 30,
        connect_args=postgres.parameters(url, connect_timeout=timeout),
        hide_parameters=True,
    )

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        """Set what holds for this transaction alone.

        `options` of a connection is refused by poolers such as pgbouncer, and SET would be left to the next client.
        """
        limit(connection, statement_timeout=SHORT_TIMEOUT if short else STATEMENT_TIMEOUT, idle_timeout=IDLE_TIMEOUT)

    if not any_schema:
        event.listen(made, "first_connect", _refuse_other_schema)
    return made


def _refuse_other_schema(connection: DBAPIConnection, _: object) -> None:
    """ServiceError unless the schema is what this code was written for; asked once for each pool."""
    with closing(connection.cursor()) as cursor:
        try:
            cursor.execute("SELECT version_num FROM titleholder.alembic_version")
            found = cursor.fetchone()
        except ProgrammingError:  # there is no ledger, or one of before roles could read its version
            found = None
    connection.rollback()
    version = found[0] if found else None
    if version == SCHEMA_VERSION:
        return
    this = f"this is Titleholder {code_version()}, which needs {SCHEMA_VERSION}"
    if version is not None and version > SCHEMA_VERSION:
        raise ServiceError(
            f"the ledger's schema has version {version}, and {this}: an older one. Install the version that migrated "
            "the ledger, or a newer one, wherever Titleholder runs; migrations only go forward. Nothing was read or "
            "written"
        )
    has = f"version {version}" if version else "no version that this role may read"
    raise ServiceError(
        f"the ledger's schema has {has}, and {this}: run `titleholder migrate` as the ledger's owner. Nothing was read "
        "or written"
    )


def limit(connection: Connection, **seconds: int) -> None:
    """Set `statement_timeout`, `idle_timeout` or `lock_timeout` of the running transaction, which stays in UTC."""
    names = {"idle_timeout": "idle_in_transaction_session_timeout"}
    values = {"timezone": "utc", **{names.get(name, name): f"{value}s" for name, value in seconds.items()}}
    connection.exec_driver_sql(
        f"SELECT {', '.join(['set_config(%s, %s, true)'] * len(values))}",
        tuple(text for pair in values.items() for text in pair),
    )


@contextmanager
def reachable() -> Iterator[None]:
    """Turn SQLAlchemy's errors into ours, without addresses, passwords, or the statements and their values.

    DataError for a row that was refused, else ServiceError.
    """
    try:
        yield
    except PoolTimeoutError:
        raise ServiceError("too many connections to the ledger at once; try again in a moment") from None
    except DBAPIError as error:
        said = str(error.orig).strip()
        reason = said.splitlines()[0] if said else one_line(error)
        if isinstance(error, (IntegrityError, InvalidValueError)):
            raise DataError(f"the ledger refused the row: {reason}. Nothing was written") from None
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise ServiceError(f"the ledger's PostgreSQL does not answer: {reason}. Locally: `make up`.") from None
        raise ServiceError(f"the ledger refused: {said}") from None
