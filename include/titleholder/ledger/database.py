"""The ledger's PostgreSQL: one pool of connections per address, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError as InvalidValueError
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from titleholder import postgres
from titleholder.errors import DataError, ServiceError, one_line

SHORT_TIMEOUT = 3
"""Seconds in which a server must take a connection and answer a query, from a page or a form, which Airflow shows."""
STATEMENT_TIMEOUT = 90
"""The same for a task's statement: longer than it may wait for a lane's lock."""
IDLE_TIMEOUT = 60
"""Seconds after which the server ends a transaction whose client sends nothing, because it was stopped or is gone."""


@lru_cache(maxsize=8)
def engine(url: str, *, short: bool = False) -> Engine:
    """The pool for an address, whose transactions are in UTC. Its own address is empty: nothing prints the password.

    A server that refuses raises at once; the timeouts are for one that does not answer, or a client that vanished.
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

    return made


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
