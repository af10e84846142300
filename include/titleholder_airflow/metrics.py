"""What tasks count and measure, through Airflow's own metrics: StatsD, Datadog or OpenTelemetry, as Airflow is set.

All that tells series apart is in the name, as plain StatsD has no tags: a step, a kind of decision, a class of error,
and of the two gauges the model. No run, version, candidate or lane's name is in any.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk.observability import stats

from titleholder.errors import TitleholderError
from titleholder.spec.types import LIVE

if TYPE_CHECKING:
    from titleholder.ledger.decision import Decision

log = logging.getLogger(__name__)
PREFIX = "titleholder"
NO_RESULT = ("TaskDeferred", "AirflowSkipException", "TaskAwaitingInput")
"""What Airflow raises where a task neither failed nor ended."""


@contextmanager
def observed(step: str) -> Iterator[None]:
    """Measure a step in milliseconds, and count its failure by the class of the error."""
    began = time.monotonic()
    try:
        yield
    except BaseException as error:
        if type(error).__name__ not in NO_RESULT:
            stats.incr(f"{PREFIX}.failed.{step}.{_reason(error)}")
        raise
    stats.timing(f"{PREFIX}.duration.{step}", 1000 * (time.monotonic() - began))


def _reason(error: BaseException) -> str:
    """An error of ours by its class, any other as `other`: there are few."""
    return type(error).__name__ if isinstance(error, TitleholderError) else "other"


def decided(decision: Decision) -> None:
    """Count a decision by its kind; of the live lane also say how old the champion is. A repeated task counts again."""
    live = decision.lane == LIVE
    stats.incr(f"{PREFIX}.decisions.{'live' if live else 'other'}.{decision.kind}")
    if live:
        _champion(decision.model)


def _champion(model: str) -> None:
    """A number for a monitor is no reason to fail a task whose decision stands."""
    from titleholder.ledger import queries
    from titleholder_airflow.tasks import settings

    try:
        champion = queries.live_status(settings().ledger_url, [model])[model].champion
    except TitleholderError as error:
        log.warning("The age of the champion of %s is not known: %s", model, error)
        return
    if champion is None:
        return
    since = champion.reigned_from
    stats.gauge(f"{PREFIX}.champion.since.{model}", int(since.timestamp()))
    stats.gauge(f"{PREFIX}.champion.age_days.{model}", round((datetime.now(UTC) - since).total_seconds() / 86_400, 2))
