"""Everything about a model that can be tested without training it, step by step, with all faults at once.

A step that needs the result of one that failed is not tested, and names the first that failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

import pyarrow as pa

from titleholder.data import as_of_range, contract, extraction
from titleholder.data.scoring_contract import ScoringContract, scoring_window, spec_of_rows
from titleholder.errors import ContractError, SpecError, TitleholderError
from titleholder.settings import connection_url
from titleholder.spec import windows
from titleholder.spec.loader import read_spec, spec_file
from titleholder.spec.sql import columns_of
from titleholder.training import estimators
from titleholder.workflow.preflight.dates import check_dates, check_schedule
from titleholder.workflow.preflight.known import Known, Said
from titleholder.workflow.preflight.report import Finding, Preflight
from titleholder.workflow.preflight.rows import check_contract, check_leaks, check_newest_facts, check_windows
from titleholder.workflow.scaffold import marks


class Step(NamedTuple):
    """A step: its name, what it does, and the steps that must not have failed before it."""

    name: str
    run: Callable[[Known], Iterator[Said]]
    needs: tuple[str, ...] = ()


def check(model: str, as_of: date | None = None, *, on_step: Callable[[str], None] = lambda _: None) -> Preflight:
    """Test the spec, its estimators, query, contract, dates and windows, and the query for leaks; train nothing.

    `as_of` is by default the schedule's last date at which the holdout is whole, today at most. Nothing is
    written anywhere but to a temporary folder.

    Raises:
        UsageError: for an unknown model.
    """
    spec_file(model)
    known, findings = Known(model, as_of), list[Finding]()
    for step in STEPS:
        on_step(step.name)
        findings += _findings(step, known)
    return Preflight(model=model, as_of=known.as_of, findings=tuple(findings))


def _findings(step: Step, known: Known) -> Iterator[Finding]:
    """What a step says; an exception is a fault, with its exit code."""
    if failed := [name for name in step.needs if name not in known.done]:
        needed = known.waiting.setdefault(step.name, known.waiting.get(failed[0], failed[0]))
        explanation = f"Not before `{needed}` passes."
        yield Finding(step=step.name, outcome="not tested", explanation=explanation)
        return
    try:
        for outcome, explanation, code in step.run(known):
            exit_code = code if outcome == "fault" else 0
            yield Finding(step=step.name, outcome=outcome, explanation=explanation, exit_code=exit_code)
    except TitleholderError as error:
        explanation = str(error).removeprefix(f"{known.model}: ")
        yield Finding(step=step.name, outcome="fault", explanation=explanation, exit_code=error.exit_code)


def _spec(known: Known) -> Iterator[Said]:
    """Every fault of the spec; where only its candidates cannot be made, the other steps can go on."""
    path = spec_file(known.model)
    known.read, known.faults = read_spec(path)
    for fault in known.faults:
        yield Said("fault", f"{path.name}, {fault}", SpecError.exit_code)
    if known.read is None:
        return
    known.done.add("spec")
    if not known.faults:
        features, fingerprint = len(known.spec.columns.features), known.spec.fingerprint()
        yield Said("ok", f"A {known.spec.task} with {features} features; fingerprint {fingerprint}.")
    if said := marks.standing(path, known.spec.source.query):
        yield Said("warning", f"{said} Remove the mark once you have looked.")


def _estimators(known: Known) -> Iterator[Said]:
    """What making the candidates says, where reading their sources has not said it yet."""
    said = {fault.split(".")[2] for fault in known.faults if "training.candidates." in fault}
    faults = [f for f in estimators.faults(known.spec) if f.split(".")[2].partition(":")[0] not in said]
    for fault in faults:
        yield Said("fault", fault, SpecError.exit_code)
    good = [
        f"{n} ({c.estimator.rpartition('.')[2]})" for n, c in known.spec.training.candidates.items() if n not in said
    ]
    if not faults and good:
        yield Said("ok", f"{', '.join(good)}.")


def _scoring(known: Known) -> Iterator[Said]:
    """The scoring query runs as of today, and returns the columns that a version of this spec needs, and no outcome."""
    spec = known.spec
    if spec.scoring is None:
        return
    today = as_of_range.today_utc()
    spans = scoring_window(spec, today)
    rows_spec = spec_of_rows(spec, spec)
    with extraction.opened(known.url, rows_spec, spans, today) as session:
        names = session.read(columns_of(rows_spec.sql))[0].names
    faults = ScoringContract(rows_spec, spec.columns.features, names, spans, today).differences
    for fault in faults:
        yield Said("fault", fault, ContractError.exit_code)
    if not faults:
        yield Said("ok", f"{spec.scoring.query} returns what a version needs, and no outcome.")


def _warehouse(known: Known) -> Iterator[Said]:
    known.url = connection_url(known.spec.source.connection)
    spans = windows.Intervals(train_start=windows.BEGINNING, holdout_start=windows.BEGINNING, matured=windows.BEGINNING)
    with extraction.opened(known.url, known.spec, spans, windows.BEGINNING):
        known.done.add("warehouse")
        yield Said("ok", f"Connection {known.spec.source.connection} answers.")


def _query(known: Known) -> Iterator[Said]:
    """The query runs as of today, and returns the columns without which there are no rows to order."""
    spec, today = known.spec, as_of_range.today_utc()
    spans = windows.Intervals(train_start=windows.BEGINNING, holdout_start=windows.BEGINNING, matured=today)
    with extraction.opened(known.url, spec, spans, today) as session:
        schema, _ = session.read(columns_of(spec.sql))
    if not {spec.columns.entity, spec.columns.event_time, spec.columns.target} <= set(schema.names):
        empty = pa.Table.from_batches([], schema).to_pandas()
        for violation in contract.violations(empty, spec, spans, today, to_train=False):
            yield Said("fault", violation)
        return
    known.days = as_of_range.counts_by_day(known.url, spec, today)
    if not known.days:
        yield Said("fault", f"{spec.source.query} returns no rows with an outcome as of today, {today}.")
        return
    known.done.add("query")
    first, last, rows = min(known.days), max(known.days), sum(day.rows for day in known.days.values())
    yield Said("ok", f"{len(schema.names)} columns, {rows:,} rows known today, of {first} to {last}.")


STEPS = (
    Step("spec", _spec),
    Step("estimators", _estimators, ("spec",)),
    Step("warehouse", _warehouse, ("spec",)),
    Step("query", _query, ("warehouse",)),
    Step("as-of dates", check_dates, ("query",)),
    Step("schedule", check_schedule, ("as-of dates",)),
    Step("contract", check_contract, ("as-of dates",)),
    Step("newest facts", check_newest_facts, ("as-of dates",)),
    Step("windows", check_windows, ("as-of dates",)),
    Step("leaks", check_leaks, ("as-of dates",)),
    Step("scoring", _scoring, ("warehouse",)),
)
