"""Which runs, versions and files of one model nothing references (pure). What cannot be told apart stays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mlflow.entities.model_registry import ModelVersion

from titleholder.data.storage import PART
from titleholder.ledger.store import References
from titleholder.registry import names
from titleholder.registry.runs import RunRecord
from titleholder.workflow.trained_versions import refit_of

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
SHA256 = "snapshot_sha256"
"""The parameter of a month's run that names its snapshot."""


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

    A month's run and those nested in it are a family. Of a family about which something was decided, the other
    candidates go; one about which nothing was decided goes as a whole. What is strange stays, with its family.
    """
    used = _merged(found for lane, found in known.lanes.items() if lane not in known.deleted)
    given_up = _merged(found for lane, found in known.lanes.items() if lane in known.deleted)
    decided, family = _runs(used), {run.run_id: run.parent or run.run_id for run in known.runs}
    whole = {family[run.run_id] for run in known.runs if run.is_open or run.changed_at >= before}
    active = {run for run, of in family.items() if of in whole}
    whole |= {
        family[run.run_id] for run in known.runs if run.run_id not in decided and _is_strange(run, known, given_up)
    }
    others = [version for version in known.versions if int(version.version) not in used.versions]
    stay = [v for v in others if _stays(v, known.aliased, before) or _is_strange_decision(v.tags, given_up)]
    whole |= {family.get(version.run_id or "", "") for version in stay}
    kept = decided | {run for run, of in family.items() if of in whole} | {family[r] for r in family if r in decided}
    kept |= {version.run_id or "" for version in known.versions if int(version.version) in used.versions}
    runs = {
        run.run_id: NOT_CHOSEN if family[run.run_id] in decided else _why(run.tags, known.deleted)
        for run in known.runs
        if run.run_id not in kept
    }
    versions = {int(v.version): _why(v.tags, known.deleted) for v in others if v not in stay and v.run_id not in kept}
    snapshots = used.snapshots | set(_snapshots([run for run in known.runs if run.run_id in kept], active))
    reasons = {sha256: SUPERSEDED for run in known.runs if (sha256 := run.tags.get(names.OUTCOMES_SHA256))}
    reasons |= {sha256: runs[r.run_id] for r in known.runs if (sha256 := r.params.get(SHA256)) and r.run_id in runs}
    return Unreferenced(versions, runs, kept, snapshots, reasons | dict.fromkeys(given_up.snapshots, LANE_DELETED))


def _merged(lanes: Iterable[References]) -> References:
    merged = References(set(), {}, set())
    for lane in lanes:
        merged.decisions.update(lane.decisions)
        merged.snapshots.update(lane.snapshots)
        for version, runs in lane.versions.items():
            merged.versions.setdefault(version, set()).update(runs)
    return merged


def _runs(found: References) -> set[str]:
    return set().union(*found.versions.values())


def _is_strange(run: RunRecord, known: Known, given_up: References) -> bool:
    """Whether a run that no decision references was made by others, reports on a lane, or is a witness of a lost row.

    A month's run finishes when its decision is in the ledger; else it fails, or stays open.
    """
    if run.tags.get(names.KIND) == "backtest":
        return run.tags.get(names.LANE) not in known.deleted
    if (
        not run.parent
        and run.status == "FINISHED"
        and not any(run.run_id in runs for runs in given_up.versions.values())
    ):
        return True
    return _is_strange_decision(run.tags, given_up)


def _is_strange_decision(tags: Mapping[str, str], given_up: References) -> bool:
    """Whether it is not ours, or names a decision that the ledger does not have, or that references others."""
    return names.KEY not in tags or tags.get(names.DECISION, "") not in {"", *given_up.decisions}


def _stays(version: ModelVersion, aliased: set[int], before: float) -> bool:
    changed = max(version.creation_timestamp or 0, version.last_updated_timestamp or 0) / 1000
    return int(version.version) in aliased or changed >= before


def _why(tags: Mapping[str, str], deleted: set[str]) -> str:
    return LANE_DELETED if tags.get(names.LANE) in deleted else UNDECIDED


def _snapshots(runs: Sequence[RunRecord], active: set[str]) -> Iterator[str]:
    """Those of runs that stay. Of the backtests only the newest of each lane needs its rows: they can be read again."""
    yield from (run.params[SHA256] for run in runs if SHA256 in run.params)
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
