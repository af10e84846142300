"""The ledger's PostgreSQL: one pool of connections per address, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DataError as InvalidValueError
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from titleholder.errors import DataError, ServiceError

CONNECT_TIMEOUT, SHORT_TIMEOUT = 10, 3
"""Seconds in which a server must take a connection: from a task, which Airflow tries again; from a page or a form."""


@lru_cache(maxsize=8)
def engine(url: str, *, short: bool = False) -> Engine:
    """The pool for an address, in UTC. With `short`, queries also end after as long as a connection may take.

    A server that refuses raises at once in either case; the timeouts are for one that does not answer.
    """
    options = f"-c timezone=utc{f' -c statement_timeout={SHORT_TIMEOUT}s' if short else ''}"
    connecting = {"options": options, "connect_timeout": SHORT_TIMEOUT if short else CONNECT_TIMEOUT}
    pool_timeout = SHORT_TIMEOUT if short else 30
    return create_engine(url, pool_pre_ping=True, pool_size=2, pool_timeout=pool_timeout, connect_args=connecting)


@contextmanager
def reachable() -> Iterator[None]:
    """Turn SQLAlchemy's errors into ours, without addresses or passwords: DataError for a row that was refused."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ServiceError(f"the ledger's PostgreSQL does not answer: {reason}. Locally: `make up`.") from error
    except PoolTimeoutError as error:
        raise ServiceError("the ledger is asked by too many at once; try again in a moment") from error
    except (IntegrityError, InvalidValueError) as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise DataError(f"the ledger refused the row: {reason}. Nothing was written") from error
    except ProgrammingError as error:
        raise ServiceError(f"the ledger refused: {str(error.orig).strip()}") from error
