"""Which runs, versions and files of one model nothing references (pure). What cannot be told apart stays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from mlflow.entities.model_registry import ModelVersion

from titleholder.data.storage import PART
from titleholder.ledger.store import References
from titleholder.registry import names
from titleholder.registry.runs import RunRecord
from titleholder.workflow.scoring import refit_of

UNDECIDED = "nothing was decided"
NOT_CHOSEN = "another candidate was nominated"
LANE_DELETED = "the lane was deleted"
UNKNOWN = "no run or decision names it"
SUPERSEDED = "a newer backtest has other rows"
UNFINISHED = "its writer was killed"

_SNAPSHOT = re.compile(r"(?P<model>[^/]+)/\d{4}-\d\d-\d\d/(?P<sha256>[0-9a-f]{64})\.parquet")
_SCORES = re.compile(r"scores/(?P<model>[^/]+)/(?P<owner>[^/]+)/(?P<sha256>[0-9a-f]{64})(\.training|\.folds)?\.parquet")
_PART = re.compile(rf"(?:scores/)?(?P<model>[^/]+)/[^/]+/[^/]+{re.escape(PART)}")
_BENCHMARK = "benchmark-"
"""What the owner of the benchmark's scores begins with: they belong to a snapshot, whatever was trained on it."""
T = TypeVar("T", int, str)


class Known(NamedTuple):
    """What MLflow and the ledger have of one model. MLflow was read first: no decision is missing about what it had."""

    runs: Sequence[RunRecord]
    versions: Sequence[ModelVersion]
    aliased: set[int]
    lanes: Mapping[str, References]
    deleted: set[str]
    """The lanes that were deleted."""


class Unreferenced(NamedTuple):
    """The versions and runs of a model that may go, with why; the runs that stay, and the snapshots that they need.

    `others` are further snapshots that are known, with why nothing needs them.
    """

    versions: dict[int, str]
    runs: dict[str, str]
    kept_runs: set[str]
    snapshots: set[str]
    others: dict[str, str]

    def both(self, other: Unreferenced) -> Unreferenced:
        """What may go by either; what stays by one of them stays."""
        return Unreferenced(
            {number: why for number, why in self.versions.items() if number in other.versions},
            {run: why for run, why in self.runs.items() if run in other.runs},
            self.kept_runs | other.kept_runs,
            self.snapshots | other.snapshots,
            self.others,
        )


def unreferenced(known: Known, before: float) -> Unreferenced:
    """What no decision of a lane that exists references, and what is closed and was last changed before this time.

    A run or version that names a decision that the ledger does not have is a witness that a row was removed. It stays,
    and so does whatever Titleholder did not make.
    """
    used = [found for lane, found in known.lanes.items() if lane not in known.deleted]
    given_up = _union(found.decisions for lane, found in known.lanes.items() if lane in known.deleted)
    active = _active(known.runs, before)
    numbers = known.aliased | _union(found.versions for found in used)
    versions, needed = {}, _union(runs for found in used for runs in found.versions.values())
    for version in known.versions:
        old = max(version.creation_timestamp or 0, version.last_updated_timestamp or 0) / 1000 < before
        unused = int(version.version) not in numbers and version.run_id not in active
        if old and unused and _is_garbage(version.tags, given_up):
            versions[int(version.version)] = _why(version.tags, known.deleted)
        else:
            needed.add(version.run_id or "")
    decided = _union(runs for found in used for runs in found.versions.values())
    kept = active | {run.run_id for run in known.runs if run.run_id in needed or not _may_go(run, known, given_up)}
    kept |= {run.parent for run in known.runs if run.run_id in kept}
    kept |= {run.run_id for run in known.runs if run.parent in kept and run.parent not in decided}
    runs = {
        run.run_id: NOT_CHOSEN if run.parent in decided else _why(run.tags, known.deleted)
        for run in known.runs
        if run.run_id not in kept
    }
    snapshots = _union(found.snapshots for found in used)
    snapshots |= set(_snapshots([run for run in known.runs if run.run_id in kept], active))
    others = {sha256: SUPERSEDED for run in known.runs if (sha256 := run.tags.get(names.OUTCOMES_SHA256))}
    others |= {run.params["snapshot_sha256"]: runs[run.run_id] for run in known.runs if _extracted(run, runs)}
    others |= dict.fromkeys(
        _union(known.lanes[lane].snapshots for lane in known.deleted & known.lanes.keys()), LANE_DELETED
    )
    return Unreferenced(versions, runs, kept | needed, snapshots, others)


def _extracted(run: RunRecord, runs: Mapping[str, str]) -> bool:
    return run.run_id in runs and "snapshot_sha256" in run.params


def _union(sets: Iterable[Iterable[T]]) -> set[T]:
    return {item for one in sets for item in one}


def _active(runs: Sequence[RunRecord], before: float) -> set[str]:
    """The runs that are open or young, with those around them: a task that failed may be cleared and go on."""
    families = {run.parent or run.run_id for run in runs if run.is_open or run.changed_at >= before}
    return {run.run_id for run in runs if (run.parent or run.run_id) in families}


def _is_garbage(tags: Mapping[str, str], given_up: set[str]) -> bool:
    """Whether Titleholder made it, and no decision is named that stands."""
    return names.KEY in tags and tags.get(names.DECISION, "") in {"", *given_up}


def _may_go(run: RunRecord, known: Known, given_up: set[str]) -> bool:
    """The report of a backtest stays as long as its lane."""
    report = run.tags.get(names.KIND) == "backtest" and run.tags.get(names.LANE) not in known.deleted
    return _is_garbage(run.tags, given_up) and not report


def _why(tags: Mapping[str, str], deleted: set[str]) -> str:
    return LANE_DELETED if tags.get(names.LANE) in deleted else UNDECIDED


def _snapshots(runs: Sequence[RunRecord], active: set[str]) -> Iterator[str]:
    """Those of runs that stay. Of the backtests only the newest of each lane needs its rows: they can be read again."""
    yield from (run.params["snapshot_sha256"] for run in runs if "snapshot_sha256" in run.params)
    reports = [run for run in sorted(runs, key=lambda run: run.changed_at) if names.OUTCOMES_SHA256 in run.tags]
    newest = {run.tags.get(names.LANE): run.run_id for run in reports}
    chosen = active.union(newest.values())
    yield from (run.tags[names.OUTCOMES_SHA256] for run in reports if run.run_id in chosen)


class OwnFile(NamedTuple):
    """A file whose path says that Titleholder wrote it. `owner` is whose scores it has, `sha256` of which snapshot."""

    kind: str
    model: str
    sha256: str = ""
    owner: str = ""

    def why_unneeded(self, found: Unreferenced) -> str:
        """Why it may go; empty where it may not."""
        if self.kind == "unfinished files":
            return UNFINISHED
        if self.sha256 not in found.snapshots:
            return found.others.get(self.sha256, UNKNOWN)
        run = self.owner.removesuffix(refit_of(""))
        if not run or run.startswith(_BENCHMARK) or run in found.kept_runs:
            return ""
        return found.runs.get(run, UNKNOWN)


def own_file(path: str) -> OwnFile | None:
    """What a path below the root of the snapshots stands for; None where it is not one of ours.

    >>> own_file("scores/loans/4f0c/" + "ab" * 32 + ".training.parquet").kind, own_file("loans/notes.txt")
    ('scores', None)
    """
    if found := _PART.fullmatch(path):
        return OwnFile("unfinished files", found["model"])
    if found := _SCORES.fullmatch(path):
        return OwnFile("scores", **found.groupdict())
    if found := _SNAPSHOT.fullmatch(path):
        return OwnFile("snapshots", **found.groupdict())
    return None
