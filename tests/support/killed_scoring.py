"""The work of processes that score and monitor: killed at any point, or at once."""

from __future__ import annotations

import io
import os
import time
from contextlib import suppress
from datetime import date
from types import SimpleNamespace
from typing import Any

from support.forks import FORKS
from support.killing import Touches, settings_of
from support.monitored_world import LANE, watched
from support.retraining import TESTER
from titleholder.data import snapshots
from titleholder.errors import UsageError
from titleholder.ledger import monitor_reports, score_runs
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.ledger.score_runs import Entry, ScoreRun
from titleholder.settings import Settings, connection_url
from titleholder.workflow import batch_scoring, shadow_scoring
from titleholder.workflow.monitoring import run as monitoring
from titleholder.workflow.payloads import PinnedVersion

MODEL = "struck"
"""No other test has decisions about it."""
BATCH = 10
"""Rows at a time in these processes: a run of three days is three batches or more."""
SECOND = f'"{BATCH}"'.encode()
"""The position of the second batch's first row, as COPY is sent it."""


def pin(day: date, settings: Settings, lane: str = LANE) -> PinnedVersion:
    url = connection_url("warehouse")
    return batch_scoring.pin(watched(MODEL), day, lane, url=url, origin=TESTER, settings=settings)


def score(pinned: PinnedVersion, settings: Settings) -> list[ScoreRun]:
    """The champion's run, and then those of its challengers."""
    champion = batch_scoring.score(pinned, url=connection_url("warehouse"), settings=settings)
    beside = shadow_scoring.shadow(pinned, settings=settings)
    assert beside.failed == ()
    return [champion, *beside.runs]


def look(day: date, settings: Settings) -> MonitorRecord:
    url = connection_url("warehouse")
    record = monitoring.run(watched(MODEL), day, LANE, url=url, origin=TESTER, settings=settings)
    assert record
    return record


def scoring(touches: Touches, settings: Settings, day: str) -> None:
    """A run that may be killed at each step, also between the rows and the end of a COPY."""

    class Sent(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size)
            if not found and self.getvalue().split(b",", 2)[1] == SECOND:
                touches.touch("within the second COPY")
            return found

    snapshots.ROW_GROUP = BATCH
    score_runs.io = SimpleNamespace(BytesIO=Sent)  # type: ignore[assignment]
    for owner, name in ((batch_scoring, "pin"), (snapshots, "write"), (score_runs, "write")):
        touches.watch(owner, name)
    touches.watch_ledger(settings.ledger_url, "titleholder.begin_score_run", "the run's row")
    score(pin(date.fromisoformat(day), settings), settings)


def looking(touches: Touches, settings: Settings, day: str) -> None:
    """A look that may be killed at each step."""
    for owner, name in ((monitoring, "watched_at"), (monitor_reports, "record")):
        touches.watch(owner, name)
    touches.watch_ledger(settings.ledger_url, "titleholder.record_monitor_report", "the report's row")
    look(date.fromisoformat(day), settings)


def race(pinned: PinnedVersion, settings: Settings) -> list[int | None]:
    """Two processes that score the same, and one whose challengers score as soon as the champion has; their exit codes.

    Each writes only when all of them are about to: none has found the run of another.
    """
    starts = {"champion": FORKS.Barrier(2), "challenger": FORKS.Barrier(3)}
    runners = [
        FORKS.Process(
            target=_racer, args=(job, starts, pinned.model_dump_json(), settings_of(settings), dict(os.environ))
        )
        for job in (score, score, _beside)
    ]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(90)
    return [runner.exitcode for runner in runners]


def _racer(job: Any, starts: dict[str, Any], pinned: str, where: tuple[str, str, str], env: dict[str, str]) -> None:
    os.environ.update(env)
    snapshots.ROW_GROUP = BATCH
    write = score_runs.write

    def together(url: str, entry: Entry, *rest: Any) -> ScoreRun:
        starts[entry.role].wait(60)
        return write(url, entry, *rest)

    score_runs.write = together
    job(PinnedVersion.model_validate_json(pinned), Settings(*where))


def _beside(pinned: PinnedVersion, settings: Settings) -> None:
    for _ in range(600):
        with suppress(UsageError):  # the champion has not scored yet
            assert shadow_scoring.shadow(pinned, settings=settings).failed == ()
            return
        time.sleep(0.1)
    raise TimeoutError
