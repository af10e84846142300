"""The ledger's PostgreSQL: one pool of connections per address, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from titleholder.errors import ServiceError


@lru_cache(maxsize=8)
def engine(url: str) -> Engine:
    """The pool for an address, in UTC."""
    return create_engine(url, pool_pre_ping=True, pool_size=2, connect_args={"options": "-c timezone=utc"})


@contextmanager
def reachable() -> Iterator[None]:
    """Turn SQLAlchemy's errors into ServiceErrors without addresses or passwords."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ServiceError(f"the ledger's PostgreSQL does not answer: {reason}. Locally: `make up`.") from error
    except ProgrammingError as error:
        raise ServiceError(f"the ledger refused: {str(error.orig).strip()}") from error
