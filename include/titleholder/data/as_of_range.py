"""The as-of dates at which a model can be trained. Any other date is refused with the nearest valid ones."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from titleholder.data import contract, extraction
from titleholder.errors import ContractError, DataError, ServiceError, UsageError
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import by_day

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def intervals(url: str, spec: ModelSpec, as_of: date) -> windows.Intervals:
    """The training and holdout intervals of a run at `as_of`.

    Raises:
        UsageError: for a date in the future, with today's; for one so early that the windows would start before all
            records, with the first that leaves enough rows.
    """
    if as_of > (today := today_utc()):
        raise UsageError(f"{spec.name}: as_of {as_of} lies in the future; the latest valid date is today, {today}")
    try:
        return windows.intervals(spec, as_of)
    except UsageError as error:
        raise UsageError("; ".join(filter(None, (str(error), _valid_dates(url, spec, as_of))))) from None


def enforce_contract(url: str, spec: ModelSpec, frame: pd.DataFrame, spans: windows.Intervals, as_of: date) -> None:
    """Enforce the contract of the rows of a run at `as_of`; see `contract.enforce`.

    Raises:
        ContractError: listing every violation. Where there are too few rows to train on, it also names the first as-of
            date that leaves enough; where nothing else is wrong, it says only that, in one sentence.
    """
    try:
        contract.enforce(frame, spec, spans, as_of)
    except ContractError as error:
        if not (few := contract.too_few(frame, spec, spans)) or not (valid := _valid_dates(url, spec, as_of)):
            raise
        if contract.violations(frame, spec, spans, as_of, to_train=False):
            raise ContractError(f"{error}\n{valid.capitalize()}.") from None
        raise ContractError(f"{spec.name}: as_of {as_of} leaves {few}; {valid}") from None


def _valid_dates(url: str, spec: ModelSpec, as_of: date) -> str:
    """A clause that names the as-of dates that leave enough rows; empty where the warehouse cannot be queried."""
    events, today = lru_cache(partial(events_by_day, url, spec)), today_utc()
    try:
        first = windows.first_as_of(spec, events, today)
        last = windows.last_as_of(spec, events(today), as_of) if first and first < as_of else None
    except (DataError, ServiceError) as error:
        log.warning("%s: the as_of dates that leave enough rows are not known: %s", spec.name, error)
        return ""
    if not first:
        return "no as_of up to today leaves enough"
    until = f", the last before {as_of} is {last}" if last and last < as_of else ""
    return f"the first as_of that leaves enough is {first}{until}"


def events_by_day(url: str, spec: ModelSpec, as_of: date) -> dict[date, int]:
    """The number of rows with an outcome that the query returns at `as_of` for each day of event time so far."""
    spans = windows.Intervals(train_start=windows.BEGINNING, holdout_start=windows.BEGINNING, matured=as_of)
    with extraction.opened(url, spec, spans, as_of) as session:
        _, batches = session.read(by_day(spec.sql, spec.columns.event_time, spec.columns.accepted))
        rows = [row for batch in batches for row in batch.to_pylist()]
    return {row["day"].date(): row["events"] for row in rows if row["day"] is not None}


def today_utc() -> date:
    """Today's date in UTC."""
    return datetime.now(UTC).date()
