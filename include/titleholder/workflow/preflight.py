"""Everything about a model that can be tested without training it, step by step, with all faults at once.

A step that needs the result of one that failed is not tested, and says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from titleholder.data import as_of_range, contract, data_end, extraction
from titleholder.data.leakage import leaktest
from titleholder.data.leakage.report import Kind
from titleholder.errors import ContractError, SpecError, TitleholderError, UsageError
from titleholder.settings import connection_url
from titleholder.spec import as_of_dates, windows
from titleholder.spec.as_of_dates import DayCount
from titleholder.spec.loader import read_spec, spec_file
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import columns_of
from titleholder.training import estimators
from titleholder.validation.evidence import informative
from titleholder.workflow.on_trust import strong_features
from titleholder.workflow.scaffold import marks

if TYPE_CHECKING:
    import pandas as pd

Outcome = Literal["ok", "warning", "fault", "not tested"]
LEAK_OUTCOMES: dict[Kind, Outcome] = {
    "leak": "fault", "rows come later": "warning", "recorded late": "warning", "overwritten": "warning",
    "later dates": "warning", "not tested": "not tested", "compared": "ok", "on trust": "ok",
}  # fmt: skip
NOT_TESTED = 4
"""The exit code where nothing is wrong and something could not be tested."""


class Finding(BaseModel):
    """What one step says: a sentence, and the exit code where it is a fault."""

    model_config = ConfigDict(frozen=True)

    step: str
    outcome: Outcome
    explanation: str
    exit_code: int = 0


class Preflight(BaseModel):
    """The findings of all steps, in their order.

    >>> Preflight(model="loans", as_of=None, findings=(
    ...     Finding(step="leaks", outcome="not tested", explanation="No table is declared."),
    ... )).exit_code
    4
    """

    model_config = ConfigDict(frozen=True)

    model: str
    as_of: date | None
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """The code of the first fault; without one 4 if something is not tested, else 0."""
        faults = [f.exit_code for f in self.findings if f.outcome == "fault"]
        untested = NOT_TESTED if any(f.outcome == "not tested" for f in self.findings) else 0
        return next(iter(faults), untested)


@dataclass
class _Known:
    """What the steps have found out so far."""

    model: str
    as_of: date | None
    url: str = ""
    leak_day: date | None = None
    """The as-of date of the leak test, where it is not that of the other steps."""
    days: Mapping[date, DayCount] = field(default_factory=dict)
    frame: pd.DataFrame | None = None
    faults: list[str] = field(default_factory=list)
    """Those of the spec."""
    done: set[str] = field(default_factory=set)
    """The steps that gave what others need."""
    read: ModelSpec | None = None

    @property
    def spec(self) -> ModelSpec:
        """The model's spec, once it could be read."""
        if self.read is None:
            raise UsageError(f"{self.model}: no spec")
        return self.read

    @property
    def day(self) -> date:
        """The as-of date of the test, once it is known to leave enough rows."""
        if self.as_of is None:
            raise UsageError(f"{self.model}: no as_of")
        return self.as_of

    @property
    def spans(self) -> windows.Intervals:
        """The windows at that date."""
        return windows.intervals(self.spec, self.day)


class _Said(NamedTuple):
    """An outcome with its sentence, and the exit code of a fault."""

    outcome: Outcome
    explanation: str
    exit_code: int = 1


class _Step(NamedTuple):
    """A step: its name, what it does, and the steps that must not have failed before it."""

    name: str
    run: Callable[[_Known], Iterator[_Said]]
    needs: tuple[str, ...] = ()


def check(model: str, as_of: date | None = None, *, on_step: Callable[[str], None] = lambda _: None) -> Preflight:
    """Test the spec, its estimators, query, contract, dates and windows, and the query for leaks; train nothing.

    `as_of` is by default the schedule's last date at which the holdout is whole, today at most. Nothing is
    written anywhere but to a temporary folder.

    Raises:
        UsageError: for an unknown model.
    """
    spec_file(model)
    known, findings = _Known(model, as_of), list[Finding]()
    for step in STEPS:
        on_step(step.name)
        findings += _findings(step, known)
    return Preflight(model=model, as_of=known.as_of, findings=tuple(findings))


def _findings(step: _Step, known: _Known) -> Iterator[Finding]:
    """What a step says; an exception is a fault, with its exit code."""
    if failed := [name for name in step.needs if name not in known.done]:
        explanation = f"It needs what `{failed[0]}` could not give."
        yield Finding(step=step.name, outcome="not tested", explanation=explanation)
        return
    try:
        for outcome, explanation, code in step.run(known):
            exit_code = code if outcome == "fault" else 0
            yield Finding(step=step.name, outcome=outcome, explanation=explanation, exit_code=exit_code)
    except TitleholderError as error:
        explanation = str(error).removeprefix(f"{known.model}: ")
        yield Finding(step=step.name, outcome="fault", explanation=explanation, exit_code=error.exit_code)


def _spec(known: _Known) -> Iterator[_Said]:
    """Every fault of the spec; where only its candidates cannot be made, the other steps can go on."""
    path = spec_file(known.model)
    known.read, known.faults = read_spec(path)
    for fault in known.faults:
        yield _Said("fault", f"{path.name}, {fault}", SpecError.exit_code)
    if known.read is None:
        return
    known.done.add("spec")
    if not known.faults:
        features, fingerprint = len(known.spec.columns.features), known.spec.fingerprint()
        yield _Said("ok", f"A {known.spec.task} with {features} features; fingerprint {fingerprint}.")
    query = path.parent / known.spec.source.query
    if said := marks.sentence(*(file for file in (path, query) if file.is_file())):
        yield _Said("warning", f"{said} Remove the mark once you have looked.")


def _estimators(known: _Known) -> Iterator[_Said]:
    """What making the candidates says, where reading their sources has not said it yet."""
    said = {fault.split(".")[2] for fault in known.faults if "training.candidates." in fault}
    faults = [f for f in estimators.faults(known.spec) if f.split(".")[2].partition(":")[0] not in said]
    for fault in faults:
        yield _Said("fault", fault, SpecError.exit_code)
    good = [
        f"{n} ({c.estimator.rpartition('.')[2]})" for n, c in known.spec.training.candidates.items() if n not in said
    ]
    if not faults and good:
        yield _Said("ok", f"{', '.join(good)}.")


def _warehouse(known: _Known) -> Iterator[_Said]:
    known.url = connection_url(known.spec.source.connection)
    spans = windows.Intervals(train_start=windows.BEGINNING, holdout_start=windows.BEGINNING, matured=windows.BEGINNING)
    with extraction.opened(known.url, known.spec, spans, windows.BEGINNING):
        known.done.add("warehouse")
        yield _Said("ok", f"Connection {known.spec.source.connection} answers.")


def _query(known: _Known) -> Iterator[_Said]:
    """The query runs as of today, and returns the columns without which there are no rows to order."""
    spec, today = known.spec, as_of_range.today_utc()
    spans = windows.Intervals(train_start=windows.BEGINNING, holdout_start=windows.BEGINNING, matured=today)
    with extraction.opened(known.url, spec, spans, today) as session:
        schema, _ = session.read(columns_of(spec.sql))
    if not {spec.columns.entity, spec.columns.event_time, spec.columns.target} <= set(schema.names):
        empty = pa.Table.from_batches([], schema).to_pandas()
        for violation in contract.violations(empty, spec, spans, today, to_train=False):
            yield _Said("fault", violation)
        return
    known.days = as_of_range.counts_by_day(known.url, spec, today)
    if not known.days:
        yield _Said("fault", f"{spec.source.query} returns no rows with an outcome as of today, {today}.")
        return
    known.done.add("query")
    first, last, rows = min(known.days), max(known.days), sum(day.rows for day in known.days.values())
    yield _Said("ok", f"{len(schema.names)} columns, {rows:,} rows known today, of {first} to {last}.")


def _dates(known: _Known) -> Iterator[_Said]:
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
        yield _Said("fault", f"No as-of date up to {today} leaves {needed} (training.minimum_rows, windows).")
        return
    until = "" if found.whole == found.last else f", those to {found.whole} a whole holdout"
    yield _Said("ok", f"{found.first} to {found.last} leave enough rows{until}; tested as of {known.as_of}.")
    if not as_of_dates.leaves_enough(spec, counts, known.as_of):
        yield _Said("fault", f"as_of {known.as_of} is not among them.", UsageError.exit_code)
    if spec.start_date < found.first:
        yield _Said("warning", f"start_date {spec.start_date} is before {found.first}: the runs before it would fail.")
    if late := schedule_goes_on(spec, found.whole, by_rows, today):
        yield _Said("warning", late)


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


def _contract(known: _Known) -> Iterator[_Said]:
    """Every violation of the contract, and features that carry no information."""
    spec, spans, day = known.spec, known.spans, known.day
    with tempfile.TemporaryDirectory(prefix="titleholder-") as scratch:
        known.frame = frame = extraction.extract(known.url, spec, spans, day, scratch).read()
    violations = contract.violations(frame, spec, spans, day)
    for violation in violations:
        yield _Said("fault", violation, ContractError.exit_code)
    empty = [c for c in spec.columns.features if c in frame and frame[c].nunique() <= 1]
    if empty and len(frame):
        yield _Said("warning", f"One value or none in every row: {', '.join(empty)}. Remove them from columns.")
    if not violations:
        known.done.add("contract")
        yield _Said("ok", f"{len(frame):,} rows in [{spans.train_start}, {spans.matured}), as declared.")


def _newest_facts(known: _Known) -> Iterator[_Said]:
    """When the facts of each table end; events that were not watched until their label maturity are a fault."""
    spec, day = known.spec, known.day
    ends = data_end.newest_facts(known.url, spec, day)
    for end in ends:
        if end.newest is None:
            yield _Said("warning", f"{end.table}: no fact that was known then, or it may not be read.")
        elif end.watched_until and end.watched_until < day:
            days, usual = (day - end.newest).days, (end.watched_until - end.newest).days
            yield _Said(
                "warning", f"{end.table}: no fact for {days} days, since {end.newest}; up to {usual} are usual."
            )
        else:
            yield _Said("ok", f"{end.table}: the newest fact is of {end.newest}.")
    if not spec.source.tables:
        yield _Said("not tested", "source.tables declares no table: nothing tells when the data end.")
    if known.frame is None:
        yield _Said("not tested", "It needs the rows that `contract` reads.")
    elif late := data_end.unwatched(known.frame, spec, ends):
        explanation = f"as_of {day} is after the end of the data: {late}. {data_end.acknowledge(ends)}"
        yield _Said("fault", explanation, UsageError.exit_code)


def _windows(known: _Known) -> Iterator[_Said]:
    """What the windows hold: enough rows to judge, of both classes, from the beginning of the training window."""
    spec, spans, frame, start = known.spec, known.spans, known.frame, min(known.days)
    if frame is None or spec.columns.target not in frame:
        yield _Said("not tested", "It needs the rows that `contract` reads.")
        return
    held = frame[spec.columns.event_time] >= windows.midnight(spans.holdout_start)
    if spec.columns.accepted:
        held &= frame[spec.columns.target].notna()
    outcomes = frame.loc[held, spec.columns.target]
    events, called = informative(spec, outcomes.to_numpy(dtype=np.float64)), f"{len(outcomes):,} rows"
    if spec.task == "classification":
        called += f", {int((outcomes == 1).sum()):,} of them with outcome 1"
    about = f"Training from {max(spans.train_start, start)}, holdout from {spans.holdout_start} with {called}"
    if spans.holdout_start <= start:
        yield _Said("fault", f"The rows begin on {start}, the holdout on {spans.holdout_start}: nothing to train on.")
        return
    if not events:
        yield _Said("fault", f"{about}: there is nothing to judge by. Make windows.holdout longer.")
    elif events < spec.judgement.minimum_events:
        wanted = f"judgement.minimum_events is {spec.judgement.minimum_events}"
        yield _Said("warning", f"{about}; {wanted}: no challenger could win. Make windows.holdout longer.")
    else:
        yield _Said("ok", f"{about}.")
    for remark in windows.remarks(spec, windows.with_rows(spans, known.days)):
        yield _Said("warning", remark)


def _leaks(known: _Known) -> Iterator[_Said]:
    """The sentences of the leak test, and which features on trust look overwritten.

    It is one holdout before the last date at most, because it needs facts after its own date.
    """
    report = leaktest.leaktest(known.spec, known.leak_day or known.day, url=known.url)
    for kind, sentence in report.findings:
        outcome = LEAK_OUTCOMES[kind]
        said = f"{kind.capitalize()}: {sentence}" if outcome == "ok" else sentence
        yield _Said(outcome, f"No leak. {said}" if kind == "compared" and report.outcome == "clean" else said)
    if "contract" in known.done and known.frame is not None and (found := strong_features(known.spec, known.frame)):
        yield _Said("warning", str(found))


STEPS = (
    _Step("spec", _spec),
    _Step("estimators", _estimators, ("spec",)),
    _Step("warehouse", _warehouse, ("spec",)),
    _Step("query", _query, ("warehouse",)),
    _Step("as-of dates", _dates, ("query",)),
    _Step("contract", _contract, ("as-of dates",)),
    _Step("newest facts", _newest_facts, ("as-of dates",)),
    _Step("windows", _windows, ("as-of dates",)),
    _Step("leaks", _leaks, ("as-of dates",)),
)
