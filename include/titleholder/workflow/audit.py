"""Whether ledger, registry and snapshots still agree with what was decided: `titleholder audit`.

Nothing is changed but, on request, an alias.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from titleholder.data import snapshots
from titleholder.data.scores import ScoreStore
from titleholder.errors import DataError, ServiceError, TitleholderError, UsageError
from titleholder.ledger import guards, integrity, seals, store
from titleholder.ledger.score_runs import ScoreRun
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.registry.server import ABSENT
from titleholder.settings import Settings
from titleholder.spec.types import LIVE
from titleholder.workflow import score_audit
from titleholder.workflow.audit_book import Book
from titleholder.workflow.audit_report import ADVICE, DOUBTS, AuditFinding, AuditReport, Repair
from titleholder.workflow.promotion import follow_head
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.stored_model import files_differ, scores_differ

OnStep = Callable[[str, int, int], None]
SECOND_LOOK = 2.0
"""Seconds after which an alias is looked at again: a run that promotes sets it a moment after the ledger's row."""


Job = Callable[[Sequence[AuditFinding]], Iterator[AuditFinding | Repair]]
"""One look at something, given what was found before it."""


def audit(
    models: Sequence[str] = (), *, settings: Settings, repair: bool = False, on_step: OnStep | None = None
) -> AuditReport:
    """Audit these models, or all about which the ledger or the registry knows of decisions.

    With `repair` an alias is set to the ledger's live head, unless that lane is itself in doubt. `on_step` gets what is
    looked at next, how many things were looked at before it, and how many there are.

    Raises:
        UsageError: for a model without decisions.
        ServiceError: when PostgreSQL or MLflow does not answer.
    """
    registry = Registry(settings.tracking_uri)
    books = _open(models, settings, registry)
    jobs = list(_jobs(books, registry, settings, repair))
    found: list[AuditFinding] = []
    repaired: list[str] = []
    for n, (what, look) in enumerate(jobs):
        if on_step:
            on_step(what, n, len(jobs))
        seen = list(look(tuple(found)))
        found += [item for item in seen if isinstance(item, AuditFinding)]
        repaired += [item.explanation for item in seen if isinstance(item, Repair)]
    return AuditReport(
        findings=tuple(found),
        models=tuple(b.model for b in books),
        lanes=sum(len(b.lanes) for b in books),
        rows=sum(len(b.rows) for b in books),
        witnesses=sum(len(b.versions) for b in books),
        snapshots=len({key for b in books for key in b.extracts}),
        reports=sum(len(b.reports) for b in books),
        champions=sum(b.head is not None for b in books),
        score_runs=sum(len(b.score_runs) for b in books),
        scores_counted=sum(len(b.score_runs) - len(score_audit.to_compare(b.score_runs)) for b in books),
        monitor_reports=sum(b.monitor_reports.number for b in books),
        repaired=tuple(repaired),
    )


def _open(models: Sequence[str], settings: Settings, registry: Registry) -> list[Book]:
    versions = registry.models.tagged(names.DECISION)
    known = sorted({*store.models(settings.ledger_url), *(v.name for v in versions)})
    if unknown := [m for m in models if m not in known]:
        raise UsageError(
            f"no decisions about {', '.join(unknown)}; models with decisions: {', '.join(known) or 'none'}"
        )
    return [Book(m, [v for v in versions if v.name == m], settings.ledger_url) for m in models or known]


def doubts(models: Sequence[str], *, settings: Settings) -> list[AuditFinding]:
    """What makes the ledger doubtful about these models. No snapshot is read for it, and no model loaded."""
    versions = Registry(settings.tracking_uri).models.tagged(names.DECISION)
    books = [Book(model, [v for v in versions if v.name == model], settings.ledger_url) for model in models]
    return [finding for book in books for finding in _decisions(book, ())]


def _jobs(books: Sequence[Book], registry: Registry, settings: Settings, repair: bool) -> Iterator[tuple[str, Job]]:
    """What is looked at, with its name, in this order: later looks depend on what earlier ones found."""
    yield "guards of the ledger", lambda _: _guards(settings)
    for book in books:
        yield f"{book.model}: decisions", partial(_decisions, book)
    for book in books:
        for (uri, sha256), row in book.extracts.items():
            yield f"{book.model}: snapshot of {row['as_of']}", partial(_snapshot, book, uri, sha256, settings)
    for book in books:
        for run_id in dict.fromkeys(report.run_id for report in book.reports):
            yield f"{book.model}: reports of run {run_id}", partial(_reports, book, registry, run_id)
    for book in books:
        yield from _score_jobs(book, settings.ledger_url)
    for book in books:
        yield f"{book.model}: monitor reports", partial(_monitor_reports, book)
        yield f"{book.model}: seals", partial(_seals, book, settings.ledger_url)
    for book in books:
        yield f"{book.model}: champion", partial(_champion, book, registry, settings)
    for book in books:
        yield f"{book.model}: alias", partial(_alias, book, registry, settings, repair)


def _score_jobs(book: Book, url: str) -> Iterator[tuple[str, Job]]:
    compared = score_audit.to_compare(book.score_runs)
    older = [run for run in book.score_runs if run not in compared]
    if older:
        yield f"{book.model}: scores of older runs", lambda _: _miscounted(book, older, url)
    for run in compared:
        yield f"{book.model}: scores of run {run.id}", partial(_scores, book, run, url)
    first = {run.input_uri: run.id for run in reversed(book.score_runs)}  # champion and challengers share an input
    for run in book.score_runs:
        own = first[run.input_uri] == run.id
        yield f"{book.model}: files of run {run.id}", partial(_score_files, book, run, own)


def _monitor_reports(book: Book, _: Sequence[AuditFinding]) -> Iterator[AuditFinding]:
    for explanation, lane, decision in book.monitor_reports.faults:
        yield book.finding("monitor", explanation, lane=lane, decision=decision)


def _seals(book: Book, url: str, _: Sequence[AuditFinding]) -> Iterator[AuditFinding]:
    for lane, explanation, decision in seals.faults(url, book.model, book.lanes):
        yield book.finding("seal", explanation, lane=lane, decision=decision)


def _miscounted(book: Book, runs: Sequence[ScoreRun], url: str) -> Iterator[AuditFinding]:
    for run, explanation in score_audit.miscounted(runs, url):
        yield book.finding("scores", explanation, lane=run.lane, decision=run.decision)


def _scores(book: Book, run: ScoreRun, url: str, _: Sequence[AuditFinding]) -> Iterator[AuditFinding]:
    if explanation := score_audit.scores_differ(run, url):
        yield book.finding("scores", explanation, lane=run.lane, decision=run.decision)


def _score_files(book: Book, run: ScoreRun, own: bool, _: Sequence[AuditFinding]) -> Iterator[AuditFinding]:
    """`own`: whether no earlier run has the same input."""
    advice = "Its scores remain, but there is no file to compare them with."
    for explanation in score_audit.files_differ(run, with_input=own):
        yield book.finding("snapshot", explanation, lane=run.lane, decision=run.decision, advice=advice)


def _guards(settings: Settings) -> Iterator[AuditFinding]:
    for fault in guards.faults(settings.ledger_url):
        yield AuditFinding(check="guard", explanation=f"{fault}. {ADVICE['guard']}")


def _decisions(book: Book, _: Sequence[AuditFinding]) -> Iterator[AuditFinding]:
    for lane, rows in book.lanes.items():
        chained, followed = integrity.broken_links(rows), integrity.wrong_champions(rows, lane)
        for check, faults in (("chain", chained), ("succession", followed)):
            for row, explanation in faults:
                where = f"Decision {row['id']} (lane {lane}, sequence {row['sequence']}):"
                yield book.finding(check, f"{where} {explanation}", row)
    hashes = {str(row["id"]): row["hash"] for row in book.rows}
    for version in book.versions:
        yield from _witness(book, version, hashes)


def _witness(book: Book, version: ModelVersion, hashes: dict[str, str]) -> Iterator[AuditFinding]:
    """A version carries the number and the hash of the decision that was made about it."""
    number, tagged = version.tags[names.DECISION], version.tags.get(names.DECISION_HASH)
    written = f"Version {version.version} carries decision {number}"
    about: dict[str, Any] = {
        "lane": version.tags.get(names.LANE),
        "decision": int(number) if number.isdecimal() and len(number) < len(str(2**63)) else None,
    }
    if number not in hashes:
        yield book.finding("witness", f"{written}, which the ledger does not have.", **about)
    elif tagged != hashes[number]:
        both = f"with the hash {(tagged or '')[:12]}…; in the ledger it has {hashes[number][:12]}…"
        yield book.finding("witness", f"{written} {both}.", **about)


def _snapshot(
    book: Book, uri: str, sha256: str, settings: Settings, _: Sequence[AuditFinding]
) -> Iterator[AuditFinding]:
    """Whoever may append rows may name any place: one that is not ours and cannot be read hides no other finding."""
    try:
        snapshots.verify(uri, sha256)
    except TitleholderError as error:
        if not isinstance(error, DataError) and uri.startswith(f"{settings.snapshots.rstrip('/')}/"):
            raise
        resting = [r for r in book.rows if (r["snapshot_uri"], r["snapshot_sha256"]) == (uri, sha256)]
        which = f"Decision {', '.join(str(r['id']) for r in resting)}:"
        yield book.finding("snapshot", f"{which} {error}.", resting[0])


def _reports(book: Book, registry: Registry, run_id: str, _: Sequence[AuditFinding]) -> Iterator[AuditFinding]:
    """Cards and backtests in MLflow are what was written there. A backtest may be gone: no decision rests on one."""
    known = [report for report in book.reports if report.run_id == run_id]
    try:
        found = registry.runs.sha256(run_id, [report.file for report in known])
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        found = {}
    for report in known:
        sha256 = found.get(report.file)
        if sha256 in report.sha256 or (sha256 is None and report.decision is None):
            continue
        said = "is gone" if sha256 is None else "is not what was written"
        explanation = f"{report.file} of the MLflow run {run_id} {said}."
        yield book.finding("report", explanation, lane=report.lane, decision=report.decision)


def _champion(
    book: Book, registry: Registry, settings: Settings, found: Sequence[AuditFinding]
) -> Iterator[AuditFinding]:
    """The live champion can be loaded under today's libraries, and scores its first training rows as it once did."""
    if book.head is None:
        return
    row = integrity.decision_on(book.lanes[LIVE], book.head)
    if row is None:
        yield book.finding(
            "model", f"Version {book.head} is champion, but no decision says what it was trained on.", lane=LIVE
        )
        return
    lost = {f.decision for f in found if f.check == "snapshot"}
    same = {r["id"] for r in book.rows if r["snapshot_uri"] == row["snapshot_uri"]}
    try:
        wrong = files_differ(row, book.head, registry)
        if not wrong and not lost & same:
            wrong = scores_differ(row, book.head, Scorer(registry, ScoreStore(settings.snapshots)))
    except Exception as error:  # whatever a model or its libraries raise
        if isinstance(error, ServiceError):
            registry.models.champion(book.model)  # raises as well where it is the server that does not answer
        wrong = f"it cannot be loaded or does not predict: {type(error).__name__}: {error}"
    if wrong:
        yield book.finding("model", f"Version {book.head} is champion, but {wrong.rstrip('.')}.", row)


def _alias(
    book: Book, registry: Registry, settings: Settings, repair: bool, found: Sequence[AuditFinding]
) -> Iterator[AuditFinding | Repair]:
    head, alias = book.head, registry.models.champion(book.model)
    if head != alias:
        time.sleep(SECOND_LOOK)
        head = store.champion(settings.ledger_url, book.model, LIVE)
        alias = registry.models.champion(book.model)
    if head == alias:
        return
    differs = f"The alias {names.ALIAS} points at {_version(alias)}; in the ledger {_version(head)} is champion"
    if head is None and not store.retired(settings.ledger_url, book.model):
        advice = "Delete the alias in MLflow: only a live run sets it."
        yield book.finding("alias", f"{differs}.", lane=LIVE, advice=advice)
    elif not repair:
        yield book.finding("alias", f"{differs}.", lane=LIVE)
    elif any(f.model == book.model and f.check in DOUBTS and f.lane in (LIVE, None) for f in found):
        advice = "It is not repaired, because the ledger may be wrong itself."
        yield book.finding("alias", f"{differs}.", lane=LIVE, advice=advice)
    else:
        try:
            follow_head(book.model, settings=settings, registry=registry)
            now = f"{_version(alias)}, now at {_version(head)}"
            yield Repair(explanation=f"{book.model}: the alias {names.ALIAS} pointed at {now}")
        except MlflowException as error:
            yield book.finding("alias", f"{differs}, but it cannot be set: {error}.", lane=LIVE, advice="")


def _version(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
