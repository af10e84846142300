"""Whether the reports of the monitors agree with themselves and their scoring runs; part of `titleholder audit`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from titleholder.errors import DataError
from titleholder.ledger import monitor_reports
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.ledger.score_runs import ScoreRun


class ReportFault(NamedTuple):
    """What is wrong with a report, in a sentence; without lane and decision where it cannot be read."""

    explanation: str
    lane: str | None = None
    decision: int | None = None


class CheckedReports(NamedTuple):
    """How many reports a model has, and what is wrong with them."""

    number: int
    faults: tuple[ReportFault, ...]


def check(model: str, runs: Sequence[ScoreRun], url: str) -> CheckedReports:
    """The reports of a model, held against their own columns and against all of its scoring runs."""
    known = {run.id: run for run in runs}
    faults: list[ReportFault] = []
    number = 0
    for one in monitor_reports.each(url, model):
        number += 1
        if isinstance(one, DataError):
            faults.append(ReportFault(f"{str(one).rstrip('.')}."))
        else:
            said = _faults(one, known)
            faults.extend(ReportFault(f"Monitor report {one.id} {what}.", one.lane, one.decision) for what in said)
    return CheckedReports(number, tuple(faults))


def _faults(one: MonitorRecord, known: dict[int, ScoreRun]) -> Iterator[str]:
    names = tuple(alarm.name for alarm in one.report.alarms)
    new = tuple(alarm.name for alarm in one.report.alarms if alarm.new)
    if (one.state, one.alarms, one.new_alarms) != (one.report.state, names, new):
        yield "has other alarms in its columns than in what it found"
    for run in one.score_runs:
        of = known.get(run)
        if of is None or (of.lane, of.decision) != (one.lane, one.decision):
            yield f"names scoring run {run}, which is none of its reign"
    volume, drift = one.report.volume, one.report.drift
    if volume and drift and any(sum(f.counts) != volume.rows for f in drift.features):
        yield "does not count as many rows by bin as it says that there were"
