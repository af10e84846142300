"""The as-of dates at which a model can run, against those of its schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache, partial

from titleholder.data import as_of_range
from titleholder.errors import UsageError
from titleholder.spec import windows
from titleholder.spec.as_of_dates import AsOfDates, DayCount, leaves_enough, shortfalls, thin
from titleholder.spec.model import ModelSpec
from titleholder.validation.evidence import informative_rows
from titleholder.workflow.preflight.known import Known, Said

UNDIVIDED = "a fold of the search (training.search.folds) has one class only, or there are too few days for the folds"
FEWER_FOLDS = "Use fewer folds, or make windows.train longer"


def check_dates(known: Known) -> Iterator[Said]:
    """The first and last as-of dates that leave enough rows; the one of this test, which is tried in any case."""
    spec, today = known.spec, as_of_range.today_utc()
    counts = lru_cache(partial(as_of_range.counts_by_day, known.url, spec))
    known.found = found = as_of_range.find(known.url, spec, counts, known.as_of or today)
    whole = min(found.whole if found else _matured_by(known, today), spec.end_date or today)
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
    yield Said("ok", last_compared(spec, found, max(known.days)))
    if few := few_to_compare(spec, found, known.days):
        yield Said("warning", few)
    if not leaves_enough(spec, counts, known.as_of):
        undivided = shortfalls(spec, known.days, [known.as_of]).undivided
        why = f": {UNDIVIDED}. {FEWER_FOLDS}" if undivided else ""
        yield Said("fault", f"as_of {known.as_of} is not among them{why}.", UsageError.exit_code)
    elif known.as_of > found.last:
        yield Said(
            "warning",
            f"as_of {known.as_of} is after {found.last}, the last date that the facts reach: the newest events may not "
            f"have been watched until their label maturity, and count as if they had. Test as of {found.last}, or load "
            "newer facts.",
        )


def _matured_by(known: Known, today: date) -> date:
    """The date by which the event of the last row has matured, `today` at most."""
    return min(today, max(known.days) + timedelta(days=1) + known.spec.windows.label_maturity)


def last_compared(spec: ModelSpec, found: AsOfDates, newest: date) -> str:
    """Which decisions a backtest can compare, by the rows that follow them; `newest` is the day of the newest row."""
    last = _last_final(spec, found, newest)
    if last >= found.first:
        return f"A backtest can compare decisions as of up to {last}: later ones have no rows with a final outcome yet."
    return f"A backtest can compare none yet: outcomes after {found.first} are not final (windows.label_maturity)."


def _last_final(spec: ModelSpec, found: AsOfDates, newest: date) -> date:
    """The last tick that rows with a final outcome follow."""
    return windows.last_tick(spec.schedule, min(found.last - spec.windows.label_maturity - timedelta(days=1), newest))


def few_to_compare(spec: ModelSpec, found: AsOfDates, days: Mapping[date, DayCount]) -> str:
    """That a backtest would leave most ticks out, because too few rows of the rarer class follow each; else empty."""
    if spec.schedule is None:
        return ""
    ticks = windows.ticks(spec.schedule, max(spec.start_date, found.first), _last_final(spec, found, max(days)))
    few, least = thin(spec, days, ticks), spec.judgement.minimum_new_events
    if 2 * len(few) <= len(ticks):
        return ""
    return (
        f"At {_of(few, ticks)} fewer than {least} {informative_rows(spec)} follow until the next "
        "(judgement.minimum_new_events): a backtest does not compare these. Lower it (5 at the least), or choose a "
        "schedule with longer periods."
    )


def check_schedule(known: Known) -> Iterator[Said]:
    """Every tick of the schedule while there are data: the runs that would fail, and those in which no one can win."""
    spec, found, today = known.spec, known.found, as_of_range.today_utc()
    if found is None:
        yield Said("not tested", "No as-of date has enough rows.")
        return
    if spec.schedule is None:
        yield Said("ok", "There is none: runs are asked for, or follow assets.")
        return
    ticks = windows.ticks(spec.schedule, spec.start_date, min(found.whole, spec.end_date or today))
    too_little = list(tick_shortfalls(spec, known.days, ticks, found.first))
    for sentence in too_little:
        yield Said("warning", sentence)
    if late := schedule_goes_on(spec, found.whole, _matured_by(known, today), today):
        yield Said("warning", late)
    if not too_little:
        yield Said("ok", _all_enough(ticks))


def _all_enough(ticks: Sequence[date]) -> str:
    if not ticks:
        return "It has no tick yet between start_date and the last date with a whole holdout."
    return f"{_of(ticks, ticks)}: each has enough rows to train on and to judge by."


def tick_shortfalls(
    spec: ModelSpec, days: Mapping[date, DayCount], ticks: Sequence[date], first: date
) -> Iterator[str]:
    """A sentence for each kind of shortfall of these ticks, and what to do; none where each tick leaves enough.

    `first` is the first as-of date that leaves enough.
    """
    early, ticks = [tick for tick in ticks if tick < first], [tick for tick in ticks if tick >= first]
    found, least = shortfalls(spec, days, ticks), spec.judgement.minimum_events
    begin = max(_leading(short, ticks) for short in found)
    start = f"Write start_date: {ticks[begin] if ticks else first}"
    few = f"fewer than {least} {informative_rows(spec)} (judgement.minimum_events)"
    if early:
        yield (
            f"start_date {spec.start_date} is before {first}, the first date with enough rows that are older than "
            f"windows.label_maturity ({spec.windows.label_maturity}) and windows.holdout ({spec.windows.holdout}): "
            f"{_of(early, [*early, *ticks])} would fail. {start}."
        )
    if little := [day for day in found.refused if day not in found.undivided]:
        remedy = start if _leading(little, ticks) else "Look for a gap in the rows"
        yield f"{_of(little, ticks)} would fail: there is too little to train on or to judge by. {remedy}."
    if found.undivided:
        remedy = f"{start}. " if _leading(found.undivided, ticks) else ""
        yield f"{_of(found.undivided, ticks)} would fail: {UNDIVIDED}. {remedy}{FEWER_FOLDS}."
    if found.to_judge_by:
        remedy = f"{start}, or make" if _leading(found.to_judge_by, ticks) else "Make"
        at = _of(found.to_judge_by, ticks)
        yield f"At {at} the holdout has {few}: no challenger could win. {remedy} windows.holdout longer."
    if found.to_train_on:
        remedy = f"{start}, or make" if _leading(found.to_train_on, ticks) else "Make"
        at, less = _of(found.to_train_on, ticks), "to train on, less than a challenger is judged by"
        yield f"At {at} there are {few} {less}. {remedy} windows.train longer."


def _of(some: Sequence[date], ticks: Sequence[date]) -> str:
    """`6 of 36 ticks of the schedule (first 2010-01-01, last 2010-06-01)`."""
    which = f"first {some[0]}, last {some[-1]}" if len(some) > 1 else str(some[0])
    return f"{len(some):,} of {len(ticks):,} ticks of the schedule ({which})"


def _leading(short: Sequence[date], ticks: Sequence[date]) -> int:
    """How many ticks these are, where they are the first ones and not all; else zero."""
    n = len(short)
    return n if n < len(ticks) and tuple(ticks[:n]) == tuple(short) else 0


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
