"""As-of dates that make no sense: refused with one that does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from titleholder.data import contract, warehouse
from titleholder.errors import ContractError, DataError, ServiceError, UsageError
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import by_day

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def spans(url: str, spec: ModelSpec, as_of: date) -> windows.Intervals:
    """The windows of a run at `as_of`.

    Raises:
        UsageError: for a date in the future, with the latest that makes sense; for one that lies before all calendars,
            with the first that leaves enough rows.
    """
    if as_of > (today := _today()):
        raise UsageError(
            f"{spec.name}: as_of {as_of} lies in the future; the latest that makes sense is today, {today}"
        )
    try:
        return windows.intervals(spec, as_of)
    except UsageError as error:
        raise UsageError("; ".join(filter(None, (str(error), _when(url, spec, as_of))))) from None


@contextmanager
def first_told(url: str, spec: ModelSpec, frame: pd.DataFrame, spans: windows.Intervals, as_of: date) -> Iterator[None]:
    """Where a snapshot has too few rows, its ContractError also says from which as-of date on there are enough.

    It says nothing else where nothing else is wrong.
    """
    try:
        yield
    except ContractError as error:
        if not (few := contract.too_few(frame, spec, spans)) or not (when := _when(url, spec, as_of)):
            raise
        if contract.violations(frame, spec, spans, as_of, to_train=False):
            raise ContractError(f"{error}\n{when.capitalize()}.") from None
        raise ContractError(f"{spec.name}: as_of {as_of} leaves {few}; {when}") from None


def _when(url: str, spec: ModelSpec, as_of: date) -> str:
    """Which as-of dates leave enough rows, in words; empty where the warehouse cannot tell."""
    known, today = lru_cache(partial(_events_by_day, url, spec)), _today()
    try:
        first = windows.first_as_of(spec, known, today)
        last = windows.last_as_of(spec, known(today), as_of) if first and first < as_of else None
    except (DataError, ServiceError) as error:
        log.warning("%s: which as_of leaves enough rows is not known: %s", spec.name, error)
        return ""
    if not first:
        return "no as_of up to today leaves enough"
    until = f", the last before {as_of} is {last}" if last and last < as_of else ""
    return f"the first as_of that leaves enough is {first}{until}"


def _events_by_day(url: str, spec: ModelSpec, as_of: date) -> dict[date, int]:
    """How many rows the spec's query gives by the day of their event, over all of the past, as known at `as_of`."""
    spans = windows.Intervals(train_start=windows.BEGINNING, holdout_start=windows.BEGINNING, matured=as_of)
    with warehouse.opened(url, spec, spans, as_of) as session:
        _, batches = session.read(by_day(spec.sql, spec.columns.event_time))
        rows = [row for batch in batches for row in batch.to_pylist()]
    return {row["day"].date(): row["events"] for row in rows if row["day"] is not None}


def _today() -> date:
    return datetime.now(UTC).date()
