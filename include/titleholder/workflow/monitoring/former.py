"""What came true of the scores of former champions, whose outcomes mature after their reigns. It is never an alarm."""

from __future__ import annotations

import logging

from titleholder.errors import DataError, one_line
from titleholder.ledger import monitor_reports
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.ledger.score_runs import ScoreRun
from titleholder.spec.monitor import Monitor
from titleholder.validation.monitoring.estimated import Recalibration
from titleholder.validation.monitoring.report import FormerReign
from titleholder.workflow.monitoring.outcomes import Reader
from titleholder.workflow.monitoring.promises import promise, review
from titleholder.workflow.monitoring.reference import reference_of
from titleholder.workflow.monitoring.watched import Reign, Watched, reign_of

log = logging.getLogger(__name__)


def former_reigns(watched: Watched, monitor: Monitor, reader: Reader) -> tuple[FormerReign, ...]:
    """The reigns before the one that is watched, some of whose outcomes were not final when that began to score.

    Each continues from what earlier looks of the lane found of it. Data that cannot be used are said in `unread`.
    """
    began, maturity = min(run.as_of for run in watched.runs), reader.spec.windows.label_maturity
    by_decision: dict[int, list[ScoreRun]] = {}
    for run in watched.former_runs:
        by_decision.setdefault(run.decision, []).append(run)
    late = {d: runs for d, runs in by_decision.items() if max(r.as_of for r in runs) + maturity > began}
    known = _known(watched, reader) if late else {}
    return tuple(_judged(watched, runs, known.get(d), monitor, reader) for d, runs in sorted(late.items()))


def _judged(
    watched: Watched, runs: list[ScoreRun], known: FormerReign | None, monitor: Monitor, reader: Reader
) -> FormerReign:
    before = known or _own(watched, runs, reader)
    months = reader.months(runs, before.cohorts[-1].end if before.cohorts else None, ended=True)
    if known and (not months or months[-1][1] == known.judged):
        return known
    try:
        reign = reign_of(watched.rows, runs, reader.settings.ledger_url)
        grown = reader.read(reign, months, _calibration(reign, reader) if months else None)
    except DataError as error:
        log.error("%s, decision %d: what came true is not known: %s", reader.spec.name, before.decision, error)  # noqa: TRY400
        return before.model_copy(update={"unread": one_line(error), "unread_months": len(months), "remark": ""})
    cohorts = (*before.cohorts, *grown.cohorts)
    return FormerReign(
        decision=before.decision,
        version=before.version,
        scored=before.scored,
        judged=before.judged if grown.unread or grown.remark or not months else months[-1][1],
        cohorts=cohorts,
        promise=promise(reign, monitor, cohorts),
        review=review(reign, cohorts, f"version {before.version}"),
        unread=grown.unread,
        unread_months=grown.months,
        remark=grown.remark,
    )


def _calibration(reign: Reign, reader: Reader) -> Recalibration | None:
    """That of the reference; None where its snapshot is gone: what came true needs none."""
    try:
        return reference_of(reign.judged, reign.trained, reader.scorer).calibration
    except DataError as error:
        log.warning(
            "%s: what was expected of version %s is not known: %s", reader.spec.name, reign.runs[0].version, error
        )
        return None


def _known(watched: Watched, reader: Reader) -> dict[int, FormerReign]:
    """What the newest look of the reign, else of the lane, says of former reigns."""
    found = watched.before or _report(watched.last, reader)
    return {one.decision: one for one in found.report.former} if found else {}


def _own(watched: Watched, runs: list[ScoreRun], reader: Reader) -> FormerReign:
    """What the last look of a reign itself found; nothing where it had none."""
    newest, url = max(runs, key=lambda run: run.as_of), reader.settings.ledger_url
    looks = monitor_reports.past(url, reader.spec.name, watched.crowning.lane, newest.decision)
    found = _report(looks[-1].id, reader) if looks else None
    return FormerReign(
        decision=newest.decision,
        version=newest.version,
        scored=newest.as_of,
        cohorts=found.report.cohorts if found else (),
    )


def _report(number: int | None, reader: Reader) -> MonitorRecord | None:
    """A report; None where it cannot be read: that of a former reign stops no look."""
    try:
        return None if number is None else monitor_reports.numbered(reader.settings.ledger_url, number)
    except DataError as error:
        log.warning("%s", error)
        return None
