"""Whether ledger, registry and snapshots still say what was decided: `titleholder audit`.

Nothing is changed but, on request, an alias.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict

from titleholder.data import snapshots
from titleholder.errors import DataError, ServiceError, UsageError
from titleholder.ledger import integrity, store
from titleholder.ledger.integrity import Row
from titleholder.registry.models import ALIAS, Registry
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import LIVE
from titleholder.spec.windows import Intervals
from titleholder.validation.checks.model_contract import compare_scores, reloaded_scores
from titleholder.workflow import steps
from titleholder.workflow.scoring import SCORES_TAG, recorded_scores

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

OnStep = Callable[[str, int, int], None]
DECISION_TAG, HASH_TAG, LANE_TAG = (f"titleholder.{name}" for name in ("decision", "decision_hash", "lane"))
PATIENCE = 2.0
"""Seconds after which an alias is looked at again: a run that promotes sets it a moment after the ledger's row."""
ADVICE = {
    "guard": "Restore it as the table's owner, and find out who had the rights to change it.",
    "chain": "Only a superuser can have done that: compare with a backup of the ledger's database.",
    "succession": "Only a superuser can have done that: compare with a backup of the ledger's database.",
    "witness": "Ledger or registry was changed behind the other's back: compare both with their backups.",
    "alias": "`titleholder audit --repair` sets it to what the ledger says.",
    "snapshot": "Restore the file from a backup; without it the decision can be neither reproduced nor judged anew.",
    "model": "Restore its files or the libraries that it was trained with, or give the title back: a rollback.",
}
"""What to do about a finding, by its check."""
DOUBTS = ("chain", "succession", "witness")
"""Findings that make the ledger itself doubtful: no alias follows it then."""


class Finding(BaseModel):
    """Something that is not as it was written. `model`, `lane` and `decision` are None where it is about none."""

    model_config = ConfigDict(frozen=True)

    check: str
    model: str | None = None
    lane: str | None = None
    decision: int | None = None
    explanation: str


class Report(BaseModel):
    """What an audit found, how much it looked at, and which aliases it set right."""

    model_config = ConfigDict(frozen=True)

    findings: tuple[Finding, ...]
    models: tuple[str, ...]
    lanes: int
    rows: int
    witnesses: int
    snapshots: int
    champions: int
    repaired: tuple[str, ...]


class _Book:
    """One model's rows by lane, and the versions that tell of decisions about it.

    The versions were read first, so that a decision made meanwhile has its row already.
    """

    def __init__(self, model: str, versions: Sequence[ModelVersion], url: str) -> None:
        self.model, self.versions = model, versions
        self.lanes = {lane: store.stored(url, model, lane) for lane in store.lanes(url, model)}

    @property
    def rows(self) -> list[Row]:
        return [row for rows in self.lanes.values() for row in rows]

    @property
    def head(self) -> int | None:
        """The version that reigns in the live lane, if any."""
        live = self.lanes.get(LIVE)
        return live[-1]["champion_after"] if live else None

    def finding(
        self, check: str, explanation: str, row: Row | None = None, advice: str | None = None, **more: Any
    ) -> Finding:
        """A finding about this model; with a row, about that decision."""
        known = {"lane": row["lane"], "decision": row["id"]} if row else {}
        told = f"{explanation} {ADVICE[check] if advice is None else advice}".strip()
        return Finding(check=check, model=self.model, explanation=told, **(known | more))


def audit(
    models: Sequence[str] = (), *, settings: Settings, repair: bool = False, on_step: OnStep | None = None
) -> Report:
    """Audit these models, or all about which the ledger or the registry knows of decisions.

    With `repair` an alias is set to the ledger's live head, unless that line is itself in doubt. `on_step` is told what
    is looked at next, how many things were looked at before it, and how many there are.

    Raises:
        UsageError: for a model without decisions.
        ServiceError: when PostgreSQL or MLflow does not answer.
    """
    registry = Registry(settings.tracking_uri)
    books = _open(models, settings, registry)
    extracts = {(r["snapshot_uri"], r["snapshot_sha256"]): (b, r) for b in books for r in b.rows if r["snapshot_uri"]}
    found: list[Finding] = []
    repaired: list[str] = []
    jobs: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("guards of the ledger", partial(_guards, settings)),
        *((f"{b.model}: decisions", partial(_decisions, b)) for b in books),
        *((f"{b.model}: snapshot of {r['as_of']}", partial(_snapshot, b, *key)) for key, (b, r) in extracts.items()),
        *((f"{b.model}: champion", partial(_champion, b, registry, found)) for b in books),
        *((f"{b.model}: alias", partial(_alias, b, registry, settings, repair, found, repaired)) for b in books),
    ]
    for n, (what, look) in enumerate(jobs):
        if on_step:
            on_step(what, n, len(jobs))
        found += look()
    return Report(
        findings=tuple(found),
        models=tuple(b.model for b in books),
        lanes=sum(len(b.lanes) for b in books),
        rows=sum(len(b.rows) for b in books),
        witnesses=sum(len(b.versions) for b in books),
        snapshots=len(extracts),
        champions=sum(b.head is not None for b in books),
        repaired=tuple(repaired),
    )


def _open(models: Sequence[str], settings: Settings, registry: Registry) -> list[_Book]:
    versions = registry.tagged(DECISION_TAG)
    known = sorted({*store.models(settings.ledger_url), *(v.name for v in versions)})
    if unknown := [m for m in models if m not in known]:
        raise UsageError(
            f"no decisions about {', '.join(unknown)}; models with decisions: {', '.join(known) or 'none'}"
        )
    return [_Book(m, [v for v in versions if v.name == m], settings.ledger_url) for m in models or known]


def _guards(settings: Settings) -> Iterator[Finding]:
    for fault in store.guards(settings.ledger_url):
        yield Finding(check="guard", explanation=f"{fault}. {ADVICE['guard']}")


def _decisions(book: _Book) -> Iterator[Finding]:
    for lane, rows in book.lanes.items():
        for check, faults in (
            ("chain", integrity.broken_links(rows)),
            ("succession", integrity.false_successions(rows, lane)),
        ):
            for row, explanation in faults:
                where = f"Decision {row['id']} (lane {lane}, sequence {row['sequence']}):"
                yield book.finding(check, f"{where} {explanation}", row)
    hashes = {str(row["id"]): row["hash"] for row in book.rows}
    for version in book.versions:
        yield from _witness(book, version, hashes)


def _witness(book: _Book, version: ModelVersion, hashes: dict[str, str]) -> Iterator[Finding]:
    """A version was told which decision was made about it; some were told before there was a hash."""
    number, told = version.tags[DECISION_TAG], version.tags.get(HASH_TAG)
    written = f"Version {version.version} was told of decision {number}"
    about: dict[str, Any] = {
        "lane": version.tags.get(LANE_TAG),
        "decision": int(number) if number.isdecimal() else None,
    }
    if number not in hashes:
        yield book.finding("witness", f"{written}, which the ledger does not have.", **about)
    elif told is not None and told != hashes[number]:
        both = f"with the hash {told[:12]}…; in the ledger it has {hashes[number][:12]}…"
        yield book.finding("witness", f"{written} {both}.", **about)


def _snapshot(book: _Book, uri: str, sha256: str) -> Iterator[Finding]:
    try:
        snapshots.verify(uri, sha256)
    except DataError as error:
        resting = [r for r in book.rows if (r["snapshot_uri"], r["snapshot_sha256"]) == (uri, sha256)]
        who = f"Decision {', '.join(str(r['id']) for r in resting)}:"
        yield book.finding("snapshot", f"{who} {error}.", resting[0])


def _champion(book: _Book, registry: Registry, found: Sequence[Finding]) -> Iterator[Finding]:
    """The live champion can be loaded under today's libraries, and scores its first training rows as it once did."""
    if book.head is None:
        return
    row = integrity.row_of(book.lanes[LIVE], book.head)
    if row is None:
        yield book.finding(
            "model", f"Version {book.head} reigns, but no decision says what it was trained on.", lane=LIVE
        )
        return
    lost = {f.decision for f in found if f.check == "snapshot"}
    same = {r["id"] for r in book.rows if r["snapshot_uri"] == row["snapshot_uri"]}
    try:
        model = registry.load(book.model, book.head)
        wrong = "" if lost & same else _scores_otherwise(row, model, registry.origin_tags(book.model, book.head))
    except Exception as error:  # whatever a model or its libraries raise
        if isinstance(error, ServiceError):
            registry.champion(book.model)  # raises as well where it is the server that does not answer
        wrong = f"it cannot be loaded and asked: {type(error).__name__}: {error}"
    if wrong:
        yield book.finding("model", f"Version {book.head} reigns, but {wrong.rstrip('.')}.", row)


def _scores_otherwise(row: Row, model: Pipeline, tags: dict[str, str]) -> str:
    """How the model's scores differ from those on record; empty where they do not, or where none ever were."""
    if SCORES_TAG not in tags:
        judged = [c["status"] for c in row["verdict"]["checks"] if c["code"] == reloaded_scores.code]
        return (
            "" if judged in ([], ["not_applicable"]) else f"the scores recorded at its training ({SCORES_TAG}) are gone"
        )
    spec = ModelSpec.restore(row["spec"])
    whole = snapshots.frame(row["snapshot_uri"], row["snapshot_sha256"])
    sample = snapshots.part(whole, Intervals.model_validate(row["spans"]), spec.columns.event_time, "training")
    recorded = np.array(json.loads(tags[SCORES_TAG]), dtype=np.float64)
    compared = compare_scores(recorded, recorded_scores(model, sample, spec), spec.judgement.checks.reload.tolerance)
    return compared.explanation if compared.status == "fail" else ""


def _alias(
    book: _Book, registry: Registry, settings: Settings, repair: bool, found: Sequence[Finding], repaired: list[str]
) -> Iterator[Finding]:
    head, alias = book.head, registry.champion(book.model)
    if head != alias:
        time.sleep(PATIENCE)
        head, alias = _Book(book.model, (), settings.ledger_url).head, registry.champion(book.model)
    if head == alias:
        return
    says = f"The alias {ALIAS} points at {_version(alias)}; in the ledger {_version(head)} reigns"
    if head is None:
        yield book.finding(
            "alias", f"{says}.", lane=LIVE, advice="Delete the alias in MLflow: only a live run sets it."
        )
    elif not repair:
        yield book.finding("alias", f"{says}.", lane=LIVE)
    elif any(f.model == book.model and f.check in DOUBTS and f.lane in (LIVE, None) for f in found):
        advice = "It is not repaired, because the ledger is itself in doubt."
        yield book.finding("alias", f"{says}.", lane=LIVE, advice=advice)
    else:
        try:
            steps.reconcile(book.model, settings=settings)
            repaired.append(f"{book.model}: the alias {ALIAS} pointed at {_version(alias)}, now at {_version(head)}")
        except MlflowException as error:
            yield book.finding("alias", f"{says}, but it cannot be set: {error}.", lane=LIVE, advice="")


def _version(version: int | None) -> str:
    return "nobody" if version is None else f"version {version}"
