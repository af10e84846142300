"""The six verbs of the sentence: the only place where pure code meets I/O.

    snapshot   = extract(model, as_of)
    candidates = [train(snapshot, name) for name in snapshot.candidates]
    challenger = nominate(candidates)
    judged     = validate(challenger)
    ruled      = decide(judged)
    decision   = promote(ruled)

Each verb takes and returns a small frozen reference and is safe to repeat: a second try finds what the first one made.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from titleholder import reports
from titleholder.data import as_of_range, contract, extraction, snapshots
from titleholder.data.snapshots import Origin, Snapshot
from titleholder.errors import UsageError
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision
from titleholder.registry.models import Registry, key_of
from titleholder.settings import Settings, code_version
from titleholder.spec import windows
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import LIVE
from titleholder.training import search
from titleholder.validation.verdict import Verdict
from titleholder.workflow import cards, policy, publishing
from titleholder.workflow.payloads import Challenger, Judged, Question, Rollback, Ruled, Trained
from titleholder.workflow.promotion import align, already, roll_back, rule, settle
from titleholder.workflow.scoring import SCORES_TAG, Contest, prepare, recorded_scores

log = logging.getLogger(__name__)


def extract(
    model: str,
    as_of: date,
    lane: str,
    *,
    url: str,
    origin: Origin,
    settings: Settings,
    candidates: Sequence[str] = (),
) -> Snapshot:
    """Read what was known at `as_of` into an immutable snapshot, hold it to its contract, and open the MLflow run.

    Raises:
        UsageError: for a lane, candidate or as-of date that makes no sense.
        ContractError: listing every violation; nothing was trained then.
    """
    spec = load_specs(only=model)[model]
    chosen = _chosen(spec, candidates)
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", lane):
        raise UsageError(f"lane: {lane!r} is not a name such as 'live', 'backtest' or 'what-if-2'")
    spans = as_of_range.spans(url, spec, as_of)
    taken = extraction.extract(url, spec, spans, as_of, settings.snapshots)
    uri, sha256, rows = taken.uri, taken.sha256, taken.rows
    frame = snapshots.frame(uri, sha256)
    with as_of_range.first_told(url, spec, frame, spans, as_of):
        contract.enforce(frame, spec, spans, as_of)
    key = key_of(model, lane, as_of, spec.training_fingerprint(), sha256, chosen)
    registry = Registry(settings.tracking_uri)
    tags, note = _run_tags(model, as_of, lane, origin), publishing.opened(model, as_of, lane, origin)
    run_id = registry.open_run(model, key, f"{model} {as_of} {lane}", tags, note=note)
    with registry.work_on(run_id):
        registry.log_dataset(run_id, frame, name=f"{model} {as_of}", uri=uri, sha256=sha256, target=spec.columns.target)
        registry.annotate(run_id, params=_run_params(spec, spans, as_of, lane, sha256, rows), metrics=taken.costs)
    return Snapshot(
        model=model,
        lane=lane,
        as_of=as_of,
        spans=spans,
        candidates=chosen,
        spec_fingerprint=spec.fingerprint(),
        uri=uri,
        sha256=sha256,
        rows=len(frame),
        key=key,
        run_id=run_id,
        origin=origin,
    )


def _chosen(spec: ModelSpec, wanted: Sequence[str]) -> tuple[str, ...]:
    valid = tuple(spec.training.candidates)
    if unknown := [c for c in wanted if c not in valid]:
        raise UsageError(f"{spec.name}: candidates: no {', '.join(unknown)}; valid: {', '.join(valid)}")
    return tuple(c for c in valid if c in wanted) or valid


def _run_tags(model: str, as_of: date, lane: str, origin: Origin) -> dict[str, str]:
    asked = {"actor": origin.actor, "asked_because": origin.reason}
    airflow = {"airflow_run": origin.airflow_run, "airflow_url": origin.url}
    facts = {"model": model, "as_of": as_of, "lane": lane, "code_version": code_version(), **asked, **airflow}
    return {f"titleholder.{name}": str(value) for name, value in facts.items() if value}


def _run_params(
    spec: ModelSpec, spans: windows.Intervals, as_of: date, lane: str, sha256: str, rows: int
) -> dict[str, Any]:
    facts = {"as_of": as_of, "lane": lane, "snapshot_sha256": sha256, "rows": rows, "seed": spec.training.seed}
    return {**facts, **spans.model_dump(), "metric": spec.judgement.metric}


def train(
    snapshot: Snapshot, name: str, *, settings: Settings, on_trial: Callable[[int, int], None] | None = None
) -> Trained:
    """Search and fit one candidate in an MLflow run of its own. A second try re-attaches to the first one's run."""
    spec = _spec(snapshot)
    registry = Registry(settings.tracking_uri)
    tags = _run_tags(snapshot.model, snapshot.as_of, snapshot.lane, snapshot.origin) | {"titleholder.candidate": name}
    note = publishing.linked({publishing.AIRFLOW: snapshot.origin.url})
    run_id = registry.open_run(snapshot.model, f"{snapshot.key}:{name}", name, tags, parent=snapshot.run_id, note=note)
    known = registry.tags(run_id)
    if "titleholder.model_uri" not in known:
        with registry.work_on(run_id):
            known = _train_and_log(snapshot, spec, name, run_id, registry, on_trial)
    registry.finish(run_id)
    return Trained(
        snapshot=snapshot,
        name=name,
        run_id=run_id,
        model_uri=known["titleholder.model_uri"],
        score=float(known["titleholder.score"]),
    )


def _train_and_log(
    snapshot: Snapshot,
    spec: ModelSpec,
    name: str,
    run_id: str,
    registry: Registry,
    on_trial: Callable[[int, int], None] | None,
) -> dict[str, str]:
    rows = snapshots.part(snapshots.read(snapshot), snapshot.spans, spec.columns.event_time, "training")
    fitted = search.fit(rows, spec, name, on_trial)
    metric = spec.judgement.metric
    folds = {f"fold_{i}_{metric}": s for i, s in enumerate(fitted.fold_scores, start=1)}
    registry.annotate(
        run_id,
        params={**fitted.params, "estimator": spec.training.candidates[name].estimator, "rows": len(rows)},
        metrics={f"folds_{metric}": fitted.score, **folds},
    )
    registry.attach(run_id, figures={"search.png": reports.search_figure(fitted, metric)})
    uri = registry.log_model(run_id, fitted.pipeline, spec, spec.training.candidates[name].estimator)
    recorded = json.dumps(recorded_scores(fitted.pipeline, rows, spec).tolist())
    done = {"titleholder.score": repr(fitted.score), "titleholder.model_uri": uri, SCORES_TAG: recorded}
    registry.annotate(run_id, tags=done)
    return done


def nominate(candidates: Sequence[Trained], *, settings: Settings) -> Challenger:
    """Register the candidate with the best score on its folds (the first named wins a tie) as a model version."""
    if not candidates:
        raise UsageError("nominate: no candidate was trained")
    snapshot = candidates[0].snapshot
    spec = _spec(snapshot)
    ordered = sorted(candidates, key=lambda c: snapshot.candidates.index(c.name))
    best = (max if spec.judgement.greater_is_better else min)(ordered, key=lambda c: c.score)
    registry = Registry(settings.tracking_uri)
    key = key_of(snapshot.key, *(c.name for c in ordered))
    tags = {
        "as_of": snapshot.as_of,
        "lane": snapshot.lane,
        "candidate": best.name,
        "verdict": "pending",
        "trained_through": snapshot.spans.holdout_start,
        "airflow_run": snapshot.origin.airflow_run,
        "airflow_url": snapshot.origin.url,
    }
    links = {publishing.AIRFLOW: snapshot.origin.url}
    version = registry.register(
        snapshot.model,
        key,
        best.model_uri,
        best.run_id,
        {f"titleholder.{k}": str(v) for k, v in tags.items()},
        publishing.described(best.name, snapshot.as_of, snapshot.lane, snapshot.spans.holdout_start, links),
    )
    scores = {f"{c.name}_folds_{spec.judgement.metric}": c.score for c in ordered}
    registry.annotate(snapshot.run_id, metrics=scores, tags={"titleholder.challenger": str(version)})
    return Challenger(
        snapshot=snapshot,
        name=best.name,
        run_id=best.run_id,
        version=version,
        trained_through=snapshot.spans.holdout_start,
    )


def validate(challenger: Challenger, *, settings: Settings) -> Judged:
    """Score challenger and champion on the same rows, which neither has seen, and run every check."""
    snapshot = challenger.snapshot
    spec = _spec(snapshot)
    registry = Registry(settings.tracking_uri)
    rows = store.read(settings.ledger_url, snapshot.model, snapshot.lane)
    if decided := already(rows, challenger.version, spec):
        return Judged(challenger=challenger, verdict=decided.judged)
    reign = reigns.reign_before(rows, snapshot.lane, snapshot.as_of)
    with registry.work_on(snapshot.run_id):
        verdict = prepare(Contest.of(challenger, spec), reign, rows, registry).judge()
        registry.annotate(snapshot.run_id, metrics=_holdout_metrics(verdict))
        about = {"model": snapshot.model, "as_of": str(snapshot.as_of), "lane": snapshot.lane}
        told = json.dumps({**about, **verdict.model_dump(mode="json")}, indent=2)
        registry.attach(snapshot.run_id, texts={"verdict.json": told})
    return Judged(challenger=challenger, verdict=verdict)


def _holdout_metrics(verdict: Verdict) -> dict[str, float]:
    own = {f"holdout_{k}": v for k, v in verdict.challenger_metrics.items()}
    theirs = {f"champion_holdout_{k}": v for k, v in verdict.champion_metrics.items()}
    gain, reign = verdict.gain, verdict.accumulated()
    won = {"gain": gain.estimate, "gain_lower": gain.lower, "gain_upper": gain.upper} if gain else {}
    so_far = {"looks": reign.looks, "gain": reign.gain, "gain_lower": reign.lower} if reign else {}
    return {**own, **theirs, **won, **{f"reign_{k}": v for k, v in so_far.items()}}


def decide(judged: Judged, *, settings: Settings) -> Ruled:
    """Rule on a verdict: promote, keep, reject or ask."""
    snapshot = judged.challenger.snapshot
    rows = store.read(settings.ledger_url, snapshot.model, snapshot.lane)
    through = judged.challenger.trained_through
    ruling = rule(_spec(snapshot), judged.verdict, snapshot.as_of, through, snapshot.lane, rows)
    head = rows[-1].sequence if rows else 0
    return Ruled(**dict(judged), kind=ruling.kind, reason=ruling.reason, head=head)


def ask(ruled: Ruled, *, settings: Settings) -> Question | None:
    """What people are to be asked about a challenger; None where nobody needs to be."""
    snapshot = ruled.challenger.snapshot
    spec = _spec(snapshot)
    approval = spec.promotion.approval
    rows = store.read(settings.ledger_url, snapshot.model, snapshot.lane)
    decided = already(rows, ruled.challenger.version, spec)
    if ruled.kind != "ask" or approval == "automatic" or (decided and decided.kind == "promote"):
        return None
    facts = cards.proposed(ruled, spec, Registry(settings.tracking_uri))
    return Question(
        subject=reports.what(facts, ruled.verdict),
        body=reports.markdown(facts, ruled.verdict),
        asked=policy.approvers(approval, snapshot.origin.actor),
    )


def promote(ruled: Ruled, *, settings: Settings) -> Decision:
    """Write the decision to the ledger against the head it was judged against, then let the alias follow.

    Under the line's lock: when another run has moved the head meanwhile, the challenger is judged anew against it. A
    decision that stands already is returned, not written twice.
    """
    challenger = ruled.challenger
    snapshot = challenger.snapshot
    spec = _spec(snapshot)
    registry = Registry(settings.tracking_uri)
    with registry.work_on(snapshot.run_id):
        with store.line(settings.ledger_url, snapshot.model, snapshot.lane) as line:
            align(line, registry, snapshot.model)
            decided = already(line.rows, challenger.version, spec, ruled.answer)
            if decided:  # an earlier try may have died before MLflow knew of all that it wrote
                followed = reigns.followed(line.rows, decided)
                to_tell = [decided, *(row for row in followed if not publishing.told(row, registry))]
            else:
                to_tell = settle(line, ruled, spec, registry)
        if snapshot.lane == LIVE:
            reconcile(snapshot.model, settings=settings)
        for row in to_tell:
            _tell(row, registry, snapshot.origin, settings)
    registry.finish(snapshot.run_id)
    decision = to_tell[0]
    log.info("%s as of %s (%s): %s. %s", snapshot.model, snapshot.as_of, snapshot.lane, decision.kind, decision.reason)
    return decision


def _tell(row: Decision, registry: Registry, origin: Origin, settings: Settings) -> None:
    """Tell MLflow of a decision, or of the one that has taken its place: a run beside this one may judge it anew."""
    told = None
    while True:
        rows = store.read(settings.ledger_url, row.model, row.lane)
        if (newest := reigns.row_of(rows, row.challenger_version) or row) == told:
            return
        publishing.tell(newest, rows, registry, origin)
        told = newest


def rollback(model: str, order: Rollback, *, settings: Settings) -> Decision:
    """Give the live alias back to a version that once was champion: in the ledger first, then in the registry.

    Raises:
        UsageError: for a version that cannot come back, naming those that can; nothing was changed then.
    """
    registry = Registry(settings.tracking_uri)
    with store.line(settings.ledger_url, model, LIVE) as line:
        align(line, registry, model)
        decision = roll_back(line, order, model)
    reconcile(model, settings=settings)
    for version, verdict in ((decision.champion_before, "rolled back"), (decision.champion_after, "reinstated")):
        if version is not None:
            registry.tag_version(model, version, publishing.tags(decision, verdict))
    log.info("%s: %s", model, decision.reason)
    return decision


def reconcile(model: str, *, settings: Settings) -> bool:
    """Let the alias follow the ledger's live head; returns whether it had to be moved."""
    with store.line(settings.ledger_url, model, LIVE) as line:
        return align(line, Registry(settings.tracking_uri), model)


def _spec(snapshot: Snapshot) -> ModelSpec:
    """The spec as it stands, which must be the one the run began with."""
    spec = load_specs(only=snapshot.model)[snapshot.model]
    if spec.fingerprint() != snapshot.spec_fingerprint:
        raise UsageError(
            f"{snapshot.model}: the spec or its SQL changed since extract ran (was {snapshot.spec_fingerprint}, is "
            f"{spec.fingerprint()}). Start the run again from extract."
        )
    return spec
