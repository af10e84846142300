"""The as-of dates at which a model can run, against those of its schedule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache, partial

from titleholder.data import as_of_range
from titleholder.errors import UsageError
from titleholder.spec import windows
from titleholder.spec.as_of_dates import leaves_enough
from titleholder.spec.model import ModelSpec
from titleholder.workflow.preflight.known import Known, Said


def check_dates(known: Known) -> Iterator[Said]:
    """The first and last as-of dates that leave enough rows; the one of this test, which is tried in any case."""
    spec, today = known.spec, as_of_range.today_utc()
    counts = lru_cache(partial(as_of_range.counts_by_day, known.url, spec))
    found = as_of_range.find(known.url, spec, counts, known.as_of or today)
    by_rows = min(today, max(known.days) + timedelta(days=1) + spec.windows.label_maturity)
    whole = min(found.whole if found else by_rows, spec.end_date or today)
    newest = windows.last_tick(spec.schedule, whole)
    if found:
        newest = max(newest, found.first)
        earlier = windows.last_tick(spec.schedule, newest - spec.windows.holdout)
        known.leak_day = max(min(known.as_of or newest, earlier), found.first)
    known.as_of = known.as_of or newest
    as_of_range.intervals(known.url, spec, known.as_of)
    known.done.add("as-of dates")
    if found is None:
        needed = f"{spec.training.minimum_rows} rows to train on with two outcomes, and enough to judge by"
        yield Said("fault", f"No as-of date up to {today} leaves {needed} (training.minimum_rows, windows).")
        return
    until = "" if found.whole == found.last else f", those to {found.whole} a whole holdout"
    yield Said("ok", f"{found.first} to {found.last} leave enough rows{until}; tested as of {known.as_of}.")
    if not leaves_enough(spec, counts, known.as_of):
        yield Said("fault", f"as_of {known.as_of} is not among them.", UsageError.exit_code)
    if spec.start_date < found.first:
        yield Said("warning", f"start_date {spec.start_date} is before {found.first}: the runs before it would fail.")
    if late := schedule_goes_on(spec, found.whole, by_rows, today):
        yield Said("warning", late)


def schedule_goes_on(spec: ModelSpec, whole: date, by_rows: date, today: date) -> str:
    """That there are ticks after the last date with a whole holdout, by two periods where they go on today.

    `by_rows` is the date by which the event of the last row matures. Where the facts end before it, a run one period
    after `whole` is not refused, so it is not named either.
    """
    if not spec.schedule:
        return ""
    if spec.end_date and spec.end_date < today:
        allowed = max(whole, min(by_rows, windows.next_tick(spec.schedule, whole)))
        if windows.last_tick(spec.schedule, spec.end_date) <= allowed:
            return ""
        return f"end_date {spec.end_date} is after {whole}, the last date with a whole holdout: set it to {whole}."
    if whole >= today - 2 * (windows.next_tick(spec.schedule, today) - today):
        return ""
    said = f"end_date {spec.end_date} has not come" if spec.end_date else "No end_date"
    return f"{said}, and the data end: {whole} is the last date that has all it needs."
