"""The as-of dates at which a model can be trained. Any other date is refused with the nearest valid ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from itertools import groupby
from typing import TYPE_CHECKING

from titleholder.data import contract, data_end, enough_rows, extraction, warehouse
from titleholder.errors import ContractError, DataError, ServiceError, UsageError
from titleholder.spec import as_of_dates, windows
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import by_day

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def intervals(url: str, spec: ModelSpec, as_of: date) -> windows.Intervals:
    """The training and holdout intervals of a run at `as_of`.

    Raises:
        UsageError: for a date in the future, and for one so early that the windows would start before all records;
            with the first and the last that leave enough.
    """
    try:
        refuse_future(url, spec, as_of)
        return windows.intervals(spec, as_of)
    except UsageError as error:
        raise UsageError("; ".join(filter(None, (str(error), _valid_dates(url, spec, as_of))))) from None


def enforce_contract(
    url: str,
    spec: ModelSpec,
    frame: pd.DataFrame,
    spans: windows.Intervals,
    as_of: date,
    *,
    rest: contract.Batches | None = None,
) -> None:
    """Enforce the contract of the rows of a run at `as_of`; see `contract.enforce`.

    Raises:
        ContractError: listing every violation. Where there is too little to train on or to judge by, it also names the
            first and the last as-of date that leave enough.
        UsageError: in one sentence with these dates, where nothing is wrong but that: too little, or events that were
            not watched until their label maturity because the data ended.
    """
    try:
        contract.enforce(frame, spec, spans, as_of, rest=rest)
    except ContractError as error:
        if not (little := enough_rows.too_little(frame, spec, spans)) or not (valid := _valid_dates(url, spec, as_of)):
            raise
        if contract.violations(frame, spec, spans, as_of, to_train=False, rest=rest):
            raise ContractError(f"{error}\n{valid.capitalize()}.") from None
        raise UsageError(f"{spec.name}: as_of {as_of} leaves {', and '.join(little)}; {valid}") from None
    ends = data_end.newest_facts(url, spec, as_of)
    if late := data_end.unwatched(frame, spec, ends):
        dates = "; ".join(filter(None, (late, _valid_dates(url, spec, as_of))))
        raise UsageError(
            f"{spec.name}: as_of {as_of} is after the end of the data: {dates}. {data_end.acknowledge(ends)}"
        )


def refuse_undecidable(url: str, spec: ModelSpec, dates: Sequence[date]) -> None:
    """Refuse a series of as-of dates, in ascending order, of which some leave too little, before any of them is run.

    Where the warehouse cannot be queried nothing is refused: the first run says why.

    Raises:
        UsageError: naming the first and the last of them, and the stretches of the others.
    """
    today, counts = today_utc(), lru_cache(partial(counts_by_day, url, spec))
    try:
        watched = data_end.watched_until(data_end.newest_facts(url, spec, today), today)
        enough = as_of_dates.enough_of(spec, counts, dates, today, watched)
    except (DataError, ServiceError) as error:
        log.warning("%s: it is not known whether each as_of date has enough rows: %s", spec.name, error)
        return
    if refused := [day for day in dates if day not in enough]:
        which = f"first {refused[0]}, last {refused[-1]}" if len(refused) > 1 else str(refused[0])
        runs = [list(days) for good, days in groupby(dates, key=enough.__contains__) if good]
        asked = " and ".join(f"`--as-of {days[0]} --until {days[-1]}`" for days in runs)
        raise UsageError(
            f"{spec.name}: {len(refused)} of {len(dates)} as-of dates ({which}) have too few rows, or lie after the "
            f"end of the data; {f'the others are {asked}' if runs else 'no other is left'}. Nothing was run; "
            f"{_valid_dates(url, spec, dates[0])}"
        )


def refuse_future(url: str, spec: ModelSpec, as_of: date) -> None:
    """Raise a UsageError for a date in the future, by the warehouse's clock where a day matters: each worker has one of
    its own, which may be wrong."""
    if as_of < today_utc() - timedelta(days=1):
        return
    if as_of > (today := _warehouse_today(url, spec)):
        raise UsageError(f"{spec.name}: as_of {as_of} lies in the future (today is {today})")


def _warehouse_today(url: str, spec: ModelSpec) -> date:
    """Today's date in UTC by the warehouse's clock; by this machine's where the warehouse does not answer."""
    try:
        return warehouse.today(url, spec.source.connection)
    except ServiceError as error:
        log.warning("%s: today's date is taken from this machine's clock: %s", spec.name, error)
        return today_utc()


def _valid_dates(url: str, spec: ModelSpec, as_of: date) -> str:
    """A clause that names the as-of dates that leave enough; empty where the warehouse cannot be queried."""
    today = today_utc()
    try:
        found = find(url, spec, lru_cache(partial(counts_by_day, url, spec)), as_of)
    except (DataError, ServiceError) as error:
        log.warning("%s: the as_of dates that leave enough rows are not known: %s", spec.name, error)
        return ""
    if not found:
        return "no as_of up to today has enough rows"
    before = f", the last before {as_of} is {found.before}" if found.before else ""
    last = f"the last is {f'today, {today}' if found.last == today else found.last}"
    if found.whole < found.last:
        last = f"the last with a whole holdout is {found.whole}, and {last}"
    return f"the first as_of with enough rows is {found.first}{before}, {last}"


def find(url: str, spec: ModelSpec, counts: as_of_dates.Counts, asked: date) -> as_of_dates.AsOfDates | None:
    """The as-of dates up to today that leave enough, before the data ended; see `as_of_dates.find`."""
    today = today_utc()
    ended = data_end.ended(data_end.newest_facts(url, spec, today), today)
    return as_of_dates.find(spec, counts, asked, today, ended)


def counts_by_day(url: str, spec: ModelSpec, as_of: date) -> dict[date, as_of_dates.DayCount]:
    """What the query returns at `as_of` for each day of event time so far, of rows with a known outcome."""
    spans = windows.Intervals(train_start=windows.BEGINNING, holdout_start=windows.BEGINNING, matured=as_of)
    number = "integer" if spec.task == "classification" else "double precision"
    query = by_day(spec.sql, spec.columns.event_time, spec.columns.target, number, spec.columns.accepted)
    with extraction.opened(url, spec, spans, as_of) as session:
        _, batches = session.read(query)
        rows = [row for batch in batches for row in batch.to_pylist()]
    return {
        row["day"].date(): as_of_dates.DayCount(row["rows"], row["lowest"], row["highest"], row["events"])
        for row in rows
        if row["day"] is not None and row["lowest"] is not None
    }


def today_utc() -> date:
    """Today's date in UTC."""
    return datetime.now(UTC).date()
