"""Reading what there is, and deleting what nothing references: `titleholder gc`.

MLflow is read before the ledger, and both are read again before anything is deleted: a decision that is made meanwhile
keeps what it references. Versions go first, then runs, then files, so that a collection that is killed leaves nothing
that is referenced by what stays, and the next one finds the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from titleholder.data.storage import StoredFile, storage_of
from titleholder.errors import ServiceError, UsageError
from titleholder.ledger import score_runs, store
from titleholder.registry.client import Registry
from titleholder.registry.names import KEY
from titleholder.settings import Settings
from titleholder.workflow import lanes
from titleholder.workflow.audit import doubts
from titleholder.workflow.garbage.unreferenced import Known, OwnFile, Unreferenced, own_file, unreferenced

UNFINISHED_FOR = 86400.0
"""Seconds after which a file that nobody finished is removed, whatever the age of other things must be."""
OnStep = Callable[[str, int, int], None]
"""Gets what is looked at or deleted, how many things were before it, and how many there are."""


class Freed(BaseModel):
    """What goes, of one kind and for one reason; the bytes are those of files, in MLflow's storage too."""

    model_config = ConfigDict(frozen=True)

    kind: str
    why: str
    count: int
    bytes: int


class Kept(BaseModel):
    """What stays, of one kind."""

    model_config = ConfigDict(frozen=True)

    kind: str
    count: int
    bytes: int | None


class GarbageReport(BaseModel):
    """What was deleted, or would be.

    `doubtful` are models of which nothing is deleted, with why. `unknown` are files below the root that are not ours,
    or belong to models of which neither ledger nor MLflow knows: these stay.
    """

    model_config = ConfigDict(frozen=True)

    deleted: bool
    models: tuple[str, ...]
    freed: tuple[Freed, ...]
    kept: tuple[Kept, ...]
    unknown: Kept
    doubtful: dict[str, str]

    @property
    def bytes(self) -> int:
        """Of everything that goes."""
        return sum(one.bytes for one in self.freed)


def collect(
    models: Sequence[str] = (),
    *,
    older_than: timedelta,
    now: float,
    settings: Settings,
    delete: bool = False,
    on_step: OnStep = lambda *_: None,
) -> GarbageReport:
    """Find, and with `delete` delete, what nothing references and was last changed this long before `now`.

    `now` is in seconds since 1970. Where ledger and registry contradict each other about a model, nothing of it goes.

    Raises:
        UsageError: for a model of which neither ledger nor MLflow knows.
        ServiceError: when a service does not answer, or a file cannot be removed.
    """
    registry, files = Registry(settings.tracking_uri), _Files(settings.snapshots)
    known = _models(files, registry, settings)
    if unknown := [model for model in models if model not in known]:
        raise UsageError(f"nothing is known of {', '.join(unknown)}; models: {', '.join(known) or 'none'}")
    chosen = list(models or known)
    doubtful = {finding.model or "": finding.explanation for finding in doubts(chosen, settings=settings)}
    work = _Work(registry, files, settings, now, now - older_than.total_seconds(), delete=delete, on_step=on_step)
    for model in chosen:
        if model not in doubtful:
            work.collect(model)
    return GarbageReport(
        deleted=delete,
        models=tuple(model for model in chosen if model not in doubtful),
        freed=work.freed,
        kept=tuple(Kept(kind=kind, count=n, bytes=size) for kind, (n, size) in work.kept.items()),
        unknown=files.unknown(known),
        doubtful=doubtful,
    )


def _models(files: _Files, registry: Registry, settings: Settings) -> list[str]:
    """Those with decisions, and those with files and with runs of ours."""
    decided = set(store.models(settings.ledger_url))
    others = {m for m in files.by_model if m not in decided and any(KEY in r.tags for r in registry.runs.of_model(m))}
    return sorted(decided | others)


class _Files:
    """The files below the root of the snapshots, by model."""

    def __init__(self, root: str) -> None:
        self._storage, base = storage_of(root)
        self.by_model: dict[str, list[tuple[OwnFile, StoredFile]]] = defaultdict(list)
        self._foreign: list[StoredFile] = []
        try:
            for file in self._storage.files(base):
                own = own_file(file.path.removeprefix(base).lstrip("/"))
                self._foreign.append(file) if own is None else self.by_model[own.model].append((own, file))
        except OSError as error:
            raise ServiceError(f"snapshots: {root} cannot be read now: {error}") from error

    def unknown(self, known: Sequence[str]) -> Kept:
        """Those that are not ours, and those of models that are not known."""
        others = [file for model, found in self.by_model.items() if model not in known for _, file in found]
        found = [*self._foreign, *others]
        return Kept(kind="unknown files", count=len(found), bytes=sum(file.size for file in found))

    def remove(self, file: StoredFile, before: float) -> bool:
        """Remove a file that is still older than this, and that nobody holds."""
        try:
            return self._storage.remove(file.path, before)
        except OSError as error:
            raise ServiceError(f"snapshots: {file.path} cannot be removed: {error}") from error


class _Work:
    """One collection, model by model, with what it found."""

    def __init__(
        self,
        registry: Registry,
        files: _Files,
        settings: Settings,
        now: float,
        before: float,
        *,
        delete: bool,
        on_step: OnStep,
    ) -> None:
        self._registry, self._files, self._settings = registry, files, settings
        self._now, self._before, self._delete, self._on_step = now, before, delete, on_step
        self._freed: dict[tuple[str, str], tuple[int, int]] = {}
        self.kept: dict[str, tuple[int, int | None]] = {"versions": (0, None), "runs": (0, None)}

    @property
    def freed(self) -> tuple[Freed, ...]:
        """What goes, by kind and reason."""
        found = sorted(self._freed.items())
        return tuple(Freed(kind=kind, why=why, count=n, bytes=size) for (kind, why), (n, size) in found)

    def collect(self, model: str) -> None:
        """Collect what is of one model."""
        known = self._read(model)
        found = unreferenced(known, self._before)
        sizes = {}
        for n, run in enumerate(found.runs):
            self._on_step(f"{model}: runs", n, len(found.runs))
            sizes[run] = self._registry.runs.size(run)
        if self._delete:
            found = found.both(unreferenced(self._read(model), self._before))
            self._registry.models.delete(model, found.versions.keys(), keep=())
            self._registry.runs.delete(model, found.runs.keys(), keep=found.kept_runs)
        for why in found.versions.values():
            self._frees("versions", why, 0)
        for run, why in found.runs.items():
            self._frees("runs", why, sizes[run])
        self._keeps("versions", len(known.versions) - len(found.versions))
        self._keeps("runs", len(known.runs) - len(found.runs))
        self._collect_files(model, found)

    def _read(self, model: str) -> Known:
        registry, url = self._registry, self._settings.ledger_url
        runs, versions = registry.runs.of_model(model), registry.models.of_model(model)
        aliased = registry.models.aliased(model)
        found = store.references(url, model)
        for lane, sha256 in score_runs.files(url, model).items():
            found[lane].snapshots.update(sha256)  # a scoring run references a decision of its lane
        return Known(runs, versions, aliased, found, lanes.deleted(model, url))

    def _collect_files(self, model: str, found: Unreferenced) -> None:
        files = self._files.by_model[model]
        for n, (own, file) in enumerate(files):
            self._on_step(f"{model}: files", n, len(files))
            before = self._now - UNFINISHED_FOR if own.kind == "unfinished files" else self._before
            why = own.why_unneeded(found) if file.put_at < before else ""
            if why and (not self._delete or self._files.remove(file, before)):
                self._frees(own.kind, why, file.size)
            else:
                self._keeps(own.kind, 1, file.size)

    def _frees(self, kind: str, why: str, size: int) -> None:
        count, total = self._freed.get((kind, why), (0, 0))
        self._freed[kind, why] = (count + 1, total + size)

    def _keeps(self, kind: str, count: int, size: int | None = None) -> None:
        before, total = self.kept.get(kind, (0, 0))
        self.kept[kind] = (before + count, None if size is None or total is None else total + size)
