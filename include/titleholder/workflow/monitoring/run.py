"""One look at the reign that scores in a lane: what is new since the look before, and what stands now.

    record = run(spec, as_of, lane)

Safe to repeat: a second try finds what the first one wrote; where that lacked outcomes that can be read now, it writes
another look with them. Nothing is trained, decided or promoted.
"""

from __future__ import annotations

import logging
from datetime import date

from titleholder.data import as_of_range
from titleholder.errors import ServiceError
from titleholder.ledger import monitor_reports
from titleholder.ledger.monitor_reports import Entry, MonitorRecord, PastLook
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.workflow.lanes import refuse_deleted
from titleholder.workflow.monitoring.look import Look, monitor_of
from titleholder.workflow.monitoring.watched import Watched, watched_at
from titleholder.workflow.payloads import Origin

log = logging.getLogger(__name__)
ATTEMPTS = 10
"""How often a look is made again because another one of the lane was written meanwhile."""


def run(
    spec: ModelSpec,
    as_of: date,
    lane: str,
    *,
    url: str,
    origin: Origin,
    settings: Settings,
    backfill: bool = False,
) -> MonitorRecord | None:
    """Look at the reign that scored last in the lane until `as_of`, and write what stands; None before any scores.

    `url` is the warehouse's. A look of a backfill never asks for a retrain, nor does one outside of Airflow.

    Raises:
        SpecError: the spec has no section `monitor`.
        UsageError: for a deleted lane, or an as-of date in the future.
        DataError: when a snapshot is gone, or the ledger refuses the look. Outcomes that cannot be used are no error:
            the look is written without them, with the reason in `report.unavailable`.
        ServiceError: when a service does not answer, or other looks of the lane were written during every attempt.
    """
    monitor_of(spec)
    refuse_deleted(spec.name, lane, settings.ledger_url)
    as_of_range.refuse_future(url, spec, as_of)
    for _ in range(ATTEMPTS):
        watched = watched_at(spec.name, lane, as_of, settings)
        if watched is None:
            log.info("%s, lane %s: nothing was scored until %s.", spec.name, lane, as_of)
            return None
        found = _standing(watched, as_of)
        if found and (found.complete or found is not watched.looks[-1]):
            log.info("%s as of %s: report %d has looked at it already.", spec.name, as_of, found.id)
            return monitor_reports.numbered(settings.ledger_url, found.id)
        made = Look(spec, as_of, watched, url, settings).entry(lane, origin, backfill=backfill)
        if found := (found if made.report.unavailable else _same(watched, made)):
            return monitor_reports.numbered(settings.ledger_url, found.id)
        if written := monitor_reports.record(settings.ledger_url, made):
            return written
    raise ServiceError(f"{spec.name}, lane {lane}: other looks were written during {ATTEMPTS} attempts; try again")


def _standing(watched: Watched, as_of: date) -> PastLook | None:
    """The look of this day, if nothing was scored since; of a day that is past, the one before it."""
    until = [one for one in watched.looks if one.as_of <= as_of]
    if watched.new_runs or not until:
        return None
    later = any(one.as_of > as_of for one in watched.looks)
    return until[-1] if later or until[-1].as_of == as_of else None


def _same(watched: Watched, made: Entry) -> PastLook | None:
    complete = made.report.unavailable is None
    wanted = made.as_of, list(made.score_runs), complete
    return next((one for one in watched.looks if (one.as_of, one.score_runs, one.complete) == wanted), None)
