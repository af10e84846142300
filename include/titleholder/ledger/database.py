"""The ledger's PostgreSQL: one pool of connections per address, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from titleholder.errors import ServiceError

PATIENCE, HURRY = 10, 3
"""Seconds in which a server must take a connection: from a task, which Airflow tries again; from a page or a form."""


@lru_cache(maxsize=8)
def engine(url: str, *, hurried: bool = False) -> Engine:
    """The pool for an address, in UTC. A hurried one also gives up a question that takes longer than a connection may.

    A server that refuses is told at once in either case; the patience is for one that says nothing.
    """
    options = f"-c timezone=utc{f' -c statement_timeout={HURRY}s' if hurried else ''}"
    connecting = {"options": options, "connect_timeout": HURRY if hurried else PATIENCE}
    patience = HURRY if hurried else 30
    return create_engine(url, pool_pre_ping=True, pool_size=2, pool_timeout=patience, connect_args=connecting)


@contextmanager
def reachable() -> Iterator[None]:
    """Turn SQLAlchemy's errors into ServiceErrors without addresses or passwords."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ServiceError(f"the ledger's PostgreSQL does not answer: {reason}. Locally: `make up`.") from error
    except PoolTimeoutError as error:
        raise ServiceError("the ledger is asked by too many at once; try again in a moment") from error
    except ProgrammingError as error:
        raise ServiceError(f"the ledger refused: {str(error.orig).strip()}") from error
