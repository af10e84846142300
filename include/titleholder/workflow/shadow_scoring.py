"""Shadow scoring: the newest challengers score the rows of the champion's run, after it and apart from it."""

from __future__ import annotations

import logging

from titleholder.data import snapshots
from titleholder.errors import ServiceError, UsageError, one_line
from titleholder.ledger import score_runs
from titleholder.ledger.score_runs import ScoreRun
from titleholder.settings import Settings
from titleholder.workflow.batch_scoring import key_of, model_of, write
from titleholder.workflow.payloads import Payload, PinnedChallenger, PinnedVersion

log = logging.getLogger(__name__)


class FailedShadow(Payload):
    """A challenger that could not score these rows, and why.

    >>> str(FailedShadow(version=4, reason="the model is gone"))
    'version 4 did not score in shadow: the model is gone'
    """

    version: int
    reason: str

    def __str__(self) -> str:
        return f"version {self.version} did not score in shadow: {self.reason}"


class ShadowRuns(Payload):
    """The runs of the challengers beside one run of the champion, and the challengers that failed."""

    runs: tuple[ScoreRun, ...] = ()
    failed: tuple[FailedShadow, ...] = ()


def shadow(pinned: PinnedVersion, *, settings: Settings) -> ShadowRuns:
    """Let the pinned challengers score the rows that the champion has scored, each as a run of its own.

    The rows are those of the champion's run, from its snapshot: the warehouse is not asked again. A challenger that
    cannot score them, because its model is gone or needs a column that they lack, is one of `failed`, and the others
    score. A repeated call finds the runs that are there, and tries again those that failed.

    Raises:
        UsageError: the champion has not scored these rows.
        DataError: the snapshot of the champion's run is gone or was changed.
        ServiceError: PostgreSQL, MLflow or the store of the snapshots does not answer.
    """
    url, name = settings.ledger_url, pinned.spec.name
    found = {one.version: score_runs.find(url, key_of(pinned, one)) for one in pinned.challengers}
    runs, failed = {version: run for version, run in found.items() if run}, []
    if len(runs) == len(found):
        return ShadowRuns(runs=tuple(runs.values()))
    if (champion := score_runs.find(url, key_of(pinned))) is None:
        raise UsageError(f"{name} as of {pinned.as_of}: the champion, version {pinned.version}, has not scored yet")
    with snapshots.opened(champion.input_uri, champion.input_sha256) as extract:
        for one in pinned.challengers:
            if one.version in runs:
                continue
            try:
                runs[one.version] = _scored(one, extract, pinned, settings)
            except ServiceError:
                raise
            except Exception as error:  # whatever a model or its libraries raise: the others score
                failed.append(FailedShadow(version=one.version, reason=one_line(error)))
                log.warning("%s as of %s: %s", name, pinned.as_of, failed[-1])
    return ShadowRuns(runs=tuple(runs.values()), failed=tuple(failed))


def _scored(
    challenger: PinnedChallenger, extract: snapshots.Extract, pinned: PinnedVersion, settings: Settings
) -> ScoreRun:
    return write(key_of(pinned, challenger), extract, model_of(challenger.decision, settings), pinned, settings)
