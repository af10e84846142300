"""What a look says in words: the alarms that stand, the state, and the reason for it (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal

from titleholder import formatting
from titleholder.plain_text import one_line
from titleholder.validation.monitoring.report import (
    LONGEST,
    Alarm,
    Drift,
    FeatureLook,
    MonitorReport,
    Promise,
    State,
    Volume,
)

PERFORMANCE = "performance"
DEPENDENT = 0.1
"""A larger share of rows whose entity was scored before is remarked on."""


def alarms(
    drift: Drift | None, promise: Promise | None, before: Sequence[Alarm], *, as_of: date, in_a_row: int
) -> tuple[Alarm, ...]:
    """The alarms that stand, those of performance first; one that stood `before` keeps its date."""
    known = {alarm.name: alarm for alarm in before}

    def made(name: str, kind: Literal["feature", "score", "performance"], sentence: str) -> Alarm:
        old = known.get(name)
        return Alarm(
            name=name, kind=kind, since=old.since if old else as_of, new=old is None, sentence=sentence
        )  # fmt: skip

    found = [made(PERFORMANCE, "performance", _shortfall(promise))] if promise and promise.broken else []
    found += [
        made(one.name, "score" if one.kind == "score" else "feature", _drifted(one))
        for one in (drift.features if drift else ())
        if one.in_a_row >= in_a_row
    ]
    return tuple(found)


def _shortfall(promise: Promise) -> str:
    name = formatting.metric(promise.metric)
    sizes = promise.promised.estimate, promise.least or 0, promise.tolerated
    was, least, tolerated = (formatting.number(size, 1.0) for size in sizes)
    return (
        f"{name} falls short of what it was at promotion, {was}: at least {least} is missing, and {tolerated} is "
        "tolerated."
    )


def _drifted(one: FeatureLook) -> str:
    label, before, now = most_moved(one)
    who = "The score has drifted" if one.kind == "score" else f"{one.name} has drifted"
    shares = f"was {formatting.percent(before)} and is {formatting.percent(now)}"
    index = formatting.number(one.psi.estimate, formatting.HUNDREDTHS)
    moved = f"the share of {one_line(label)[:LONGEST]!r} {shares}, PSI {index}."
    if not one.unseen:
        return f"{who}: {moved}"
    return f"{who}: {moved} {one.unseen_rows:,} rows have new categories, such as {one_line(one.unseen[0].name)}."


def most_moved(one: FeatureLook) -> tuple[str, float, float]:
    """The bin whose share of the rows changed most, and that share in the reference and now."""
    rows = max(sum(one.reference), 1), max(sum(one.counts), 1)
    shares = [(a / rows[0], b / rows[1]) for a, b in zip(one.reference, one.counts, strict=True)]
    label, (before, now) = max(
        zip(one.bins.labels, shares, strict=True), key=lambda named: abs(named[1][1] - named[1][0])
    )
    return label, before, now


def concluded(report: MonitorReport, *, minimum_rows: int) -> MonitorReport:
    """The report with its state, and the reason for it in a sentence."""
    state, reason = _state(report, minimum_rows)
    return report.model_copy(update={"state": state, "reason": reason})


def _state(report: MonitorReport, minimum_rows: int) -> tuple[State, str]:
    state, said = _found(report, minimum_rows)
    if report.unavailable is None:
        return state, said
    lacking = report.unavailable.sentence
    return ("alarm", f"{said} {lacking}") if state == "alarm" else ("waiting", f"{lacking} {said}".strip())


def _found(report: MonitorReport, minimum_rows: int) -> tuple[State, str]:
    if report.alarms:
        return "alarm", " ".join(alarm.sentence for alarm in report.alarms)
    if report.drift is None and not report.cohorts:
        return "waiting", f"{report.waiting_rows:,} rows were scored, and {minimum_rows:,} are needed for a first look."
    parts = []
    if report.drift:
        parts.append(_no_alarm(report.drift))
    if report.promise and report.promise.cohorts:
        parts.append(f"the promise holds over {formatting.counted(report.promise.cohorts, 'matured cohort')}")
    elif report.unavailable is None:
        parts.append("no cohort with enough outcomes has matured yet")
    said = ", and ".join(parts)
    return "quiet", f"{said[:1].upper()}{said[1:]}." if said else ""


def _no_alarm(drift: Drift) -> str:
    """A clause about drift without an alarm, which names what has changed all the same."""
    looks = formatting.counted(drift.looks, "look")
    if drift.level > drift.budget:
        return f"no drift of the score or of {formatting.counted(len(drift.features) - 1, 'feature')} in {looks}"
    changed = max(drift.features, key=lambda one: one.log_e)
    name = "the score" if changed.kind == "score" else changed.name
    index = formatting.number(changed.psi.estimate, formatting.HUNDREDTHS)
    return (
        f"no alarm of drift in {looks} ({name} has changed, PSI {index}: by too little, or in too few looks in a row)"
    )


def remarks(volume: Volume | None, drift: Drift | None, standing: Sequence[Alarm], again: int = 0) -> Iterator[str]:
    """What people should know that is no alarm, a sentence each; `again` rows are of entities that others are of."""
    if volume and not volume.expected:
        yield (
            f"{volume.rows:,} rows were scored from {volume.start} to {volume.end}; {volume.lower:,} to "
            f"{volume.upper:,} were to be expected."
        )
    if volume and again > DEPENDENT * volume.rows:
        yield (
            f"{again:,} of {volume.rows:,} rows are of entities or clusters that were scored in this look or the one "
            "before already: such rows are not independent, so false alarms of drift can be more frequent than the "
            "budget says."
        )
    alarmed = {alarm.name for alarm in standing}
    for one in drift.features if drift and volume else ():
        if one.unseen and one.name not in alarmed:
            names = ", ".join(one_line(category.name) for category in one.unseen[:3])
            yield f"{one.name}: {one.unseen_rows:,} rows have categories that no training row had: {names}."
