"""Connections to a warehouse, for rows (ADBC) and for questions (psycopg2), and errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any, cast

import adbc_driver_manager
import psycopg2
from adbc_driver_postgresql import dbapi

from titleholder import postgres
from titleholder.errors import ServiceError, TitleholderError, UsageError, one_line

LONGEST_QUESTION = timedelta(hours=1)
"""How long a statement may take that is no query of a spec, which has a limit of its own: `timeouts.query`."""
IDLE_TIMEOUT = timedelta(minutes=15)
"""After how long the server ends a transaction whose client sends nothing."""

LIMITS = """
SELECT set_config(s.name, v.value, true) FROM pg_settings AS s JOIN (VALUES
  ('statement_timeout', '{statement:.0f}s'), ('idle_in_transaction_session_timeout', '{idle:.0f}s'),
  ('client_connection_check_interval', '10s')
) AS v (name, value) USING (name)
"""
"""For the transaction only, because a pooler such as pgbouncer refuses `options`, and SET would be left to the next
client. A server looks whether the client of a running query is still there from PostgreSQL 14 on."""


@contextmanager
def rows(url: str, connection: str, timeout: timedelta) -> Iterator[Any]:
    """An ADBC cursor in a transaction in UTC that reads one snapshot and cannot write. `connection` names it in errors.

    Raises:
        ServiceError: when the warehouse cannot be reached.
    """
    with _reachable(connection):
        opened = dbapi.connect(postgres.address(postgres.parameters(url)))
    with closing(opened), opened.cursor() as cursor:
        with _reachable(connection):
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL TIME ZONE 'UTC'")
            cursor.execute(limits(timeout))
            cursor.fetchall()
        yield cursor


@contextmanager
def session(
    url: str, connection: str, timeout: timedelta = LONGEST_QUESTION, *, readonly: bool = True
) -> Iterator[psycopg2.extensions.connection]:
    """A psycopg2 connection in a transaction of one snapshot, which is rolled back at the end.

    Raises:
        ServiceError: when the warehouse cannot be reached, or is lost, whatever an error within makes of that.
    """
    with _reachable(connection):
        opened = psycopg2.connect(postgres.address(postgres.parameters(url)))
    with closing(opened):
        opened.set_session(isolation_level="REPEATABLE READ", readonly=readonly)
        with _reachable(connection), opened.cursor() as cursor:
            cursor.execute(limits(timeout))
        try:
            yield opened
        except (psycopg2.Error, TitleholderError) as error:
            if not opened.closed:
                raise
            raise lost(connection, error if isinstance(error, psycopg2.Error) else error.__context__ or error) from None


def answers(cursor: Any) -> bool:
    """Whether PostgreSQL is still there after an error of an ADBC cursor: it says that the transaction has failed."""
    try:
        cursor.execute("SELECT 1")
    except adbc_driver_manager.Error as error:
        return error.status_code != adbc_driver_manager.AdbcStatusCode.IO or bool(error.details)
    return True


def lost(connection: str, error: BaseException) -> ServiceError:
    """The error where a connection is lost within a query: no fault of the query, and a later try may succeed."""
    reason = one_line(error).partition(" This probably means")[0]
    return ServiceError(f"the warehouse (connection {connection}) was lost while a query ran: {reason}")


def today(url: str, connection: str) -> date:
    """Today's date in UTC, by the warehouse's clock.

    Raises:
        ServiceError: when the warehouse cannot be reached.
    """
    with session(url, connection) as opened, opened.cursor() as cursor:
        cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
        ((found,),) = cursor.fetchall()
    return cast("date", found)


def limits(timeout: timedelta) -> str:
    """The statement that limits the rest of a transaction: a statement's time, and how long the client is silent."""
    return LIMITS.format(statement=timeout.total_seconds(), idle=IDLE_TIMEOUT.total_seconds())


@contextmanager
def _reachable(connection: str) -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise UsageError(f"connection {connection}: {error}") from None
    except (adbc_driver_manager.Error, psycopg2.Error) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = next((line for line in lines if "Is the server running" not in line), type(error).__name__)
        reason = reason.rpartition("[libpq] Failed to connect: ")[2].rstrip(".")
        raise ServiceError(
            f"the warehouse (connection {connection}) cannot be reached: {reason}. "
            "Is PostgreSQL up? Locally: `make up`."
        ) from None
