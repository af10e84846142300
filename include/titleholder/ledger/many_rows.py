"""Many rows of the ledger as Arrow: scores, of which a run may have millions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import adbc_driver_manager
import pyarrow as pa

from titleholder.data import warehouse
from titleholder.errors import ServiceError, one_line


@contextmanager
def reading(url: str, longest: timedelta) -> Iterator[Any]:
    """An ADBC cursor, as `warehouse.rows`, within which all that the driver raises is a ServiceError.

    Raises:
        ServiceError: the ledger cannot be reached, refuses the query, or ends it.
    """
    with warehouse.rows(url, "of the ledger", longest) as cursor:
        try:
            yield cursor
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
            raise ServiceError(f"the ledger's rows could not be read: {one_line(error)}") from None
