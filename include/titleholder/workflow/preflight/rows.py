"""The rows of one as-of date: their contract, whether they were watched, what the windows hold, and leaks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
import pandas as pd

from titleholder.data import contract, data_end, extraction
from titleholder.data.leakage import leaktest
from titleholder.data.leakage.report import Kind
from titleholder.errors import ContractError, UsageError
from titleholder.spec import windows
from titleholder.validation.evidence import informative
from titleholder.workflow.on_trust import strong_features, trusted_features
from titleholder.workflow.preflight.known import Known, Said
from titleholder.workflow.preflight.report import Outcome

LEAK_OUTCOMES: dict[Kind, Outcome] = {
    "leak": "fault", "rows come later": "warning", "recorded late": "warning", "overwritten": "warning",
    "later dates": "warning", "not tested": "not tested", "compared": "ok", "assumed": "ok",
}  # fmt: skip


def check_contract(known: Known) -> Iterator[Said]:
    """Every violation of the contract, and features that carry no information."""
    spec, spans, day = known.spec, known.spans, known.day
    with tempfile.TemporaryDirectory(prefix="titleholder-") as scratch:
        known.taken = taken = extraction.extract(known.url, spec, spans, day, scratch)
    known.frame, rest = contract.parts(taken, spec)
    violations = contract.violations(known.frame, spec, spans, day, rest=rest)
    for violation in violations:
        yield Said("fault", violation, ContractError.exit_code)
    empty = [c for c in spec.columns.features if c in taken.columns and _says_nothing(taken.read([c])[c])]
    if empty and taken.rows:
        yield Said("warning", f"One value or none in every row: {', '.join(empty)}. Remove them from columns.")
    if not violations:
        known.done.add("contract")
        yield Said("ok", f"{taken.rows:,} rows in [{spans.train_start}, {spans.matured}), as declared.")


def _says_nothing(values: pd.Series) -> bool:
    """Whether all rows have one value or none; not of arrays and JSON, which the contract refuses."""
    return not contract.nested_columns(values.to_frame()) and values.nunique() <= 1


def check_newest_facts(known: Known) -> Iterator[Said]:
    """When the facts of each table end; events that were not watched until their label maturity are a fault."""
    spec, day = known.spec, known.day
    ends = data_end.newest_facts(known.url, spec, day)
    for end in ends:
        if end.newest is None:
            yield Said("warning", f"{end.table}: no fact that was known then, or it may not be read.")
        elif end.watched_until and end.watched_until < day:
            days, usual = (day - end.newest).days, (end.watched_until - end.newest).days
            yield Said("warning", f"{end.table}: no fact for {days} days, since {end.newest}; up to {usual} are usual.")
        else:
            yield Said("ok", f"{end.table}: the newest fact is of {end.newest}.")
    if not spec.source.tables:
        yield Said("not tested", "source.tables declares no table: nothing tells when the data end.")
    if known.frame is None:
        yield Said("not tested", "It needs the rows that `contract` reads.")
    elif late := data_end.unwatched(known.frame, spec, ends):
        explanation = f"as_of {day} is after the end of the data: {late}. {data_end.acknowledge(ends)}"
        yield Said("fault", explanation, UsageError.exit_code)


def check_windows(known: Known) -> Iterator[Said]:
    """What the windows hold: enough rows to judge, of both classes, from the beginning of the training window."""
    spec, spans, frame, start = known.spec, known.spans, known.frame, min(known.days)
    if frame is None or spec.columns.target not in frame:
        yield Said("not tested", "It needs the rows that `contract` reads.")
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
        yield Said("fault", f"The rows begin on {start}, the holdout on {spans.holdout_start}: nothing to train on.")
        return
    if not events:
        yield Said("fault", f"{about}: there is nothing to judge by. Make windows.holdout longer.")
    elif events < spec.judgement.minimum_events:
        wanted = f"judgement.minimum_events is {spec.judgement.minimum_events}"
        yield Said("warning", f"{about}; {wanted}: no challenger could win. Make windows.holdout longer.")
    else:
        yield Said("ok", f"{about}.")
    for remark in windows.remarks(spec, windows.with_rows(spans, known.days)):
        yield Said("warning", remark)


def check_leaks(known: Known) -> Iterator[Said]:
    """The sentences of the leak test, and which features declared `on_trust` look overwritten.

    It is one holdout before the last date at most, because it needs facts after its own date.
    """
    report = leaktest.leaktest(known.spec, known.leak_day or known.day, url=known.url)
    for kind, sentence in report.findings:
        outcome = LEAK_OUTCOMES[kind]
        said = f"{kind.capitalize()}: {sentence}" if outcome == "ok" else sentence
        yield Said(outcome, f"No leak. {said}" if kind == "compared" and report.outcome == "clean" else said)
    if known.taken is None or "contract" not in known.done or not trusted_features(known.spec):
        return
    if found := strong_features(known.spec, known.taken.read()):
        yield Said("warning", str(found))
