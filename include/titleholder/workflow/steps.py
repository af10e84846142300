"""The steps of a retrain: the only place where pure code meets I/O.

    snapshot   = extract(spec, as_of)
    candidates = [train(snapshot, name) for name in snapshot.candidates]
    challenger = nominate(candidates)
    validated  = validate(challenger)
    proposed   = decide(validated)
    decision   = promote(proposed)
                 report(decision)

Each step takes and returns a small frozen payload, which carries the spec, and is safe to repeat: a second try finds
what the first one made.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING

from titleholder.data import as_of_range, contract, enough_rows, extraction
from titleholder.data.leakage.table_copies import undeclared_tables
from titleholder.data.scores import ScoreStore
from titleholder.errors import DataError, SpecError, UsageError
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision
from titleholder.registry import names
from titleholder.registry.client import registry_at
from titleholder.registry.runs import key_of
from titleholder.settings import Settings, connection_url
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import LANE_PATTERN, LIVE, UNJUDGED
from titleholder.training import estimators, search
from titleholder.validation.verdict import Verdict
from titleholder.workflow import approval, fitting, nomination, publication, retrain_runs, training_record, warm_start
from titleholder.workflow.lanes import refuse_deleted
from titleholder.workflow.payloads import (
    ApprovalRequest,
    Challenger,
    Donor,
    Origin,
    ProposedDecision,
    Snapshot,
    TrainedCandidate,
    ValidatedChallenger,
)
from titleholder.workflow.promotion import Planner, champion_of, follow_head, refuse_retired, rule, standing
from titleholder.workflow.rivals import line_before, on_record
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import Comparison, compare
from titleholder.workflow.sealed_scores import from_scoring_runs

if TYPE_CHECKING:
    from titleholder.data.snapshots import Extract
    from titleholder.spec.windows import Intervals

log = logging.getLogger(__name__)


def extract(
    spec: ModelSpec,
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
        UsageError: for an invalid lane, candidate or as-of date, a deleted lane, or a live run of a retired model.
        SpecError: when no candidate can be trained at all; nothing was extracted then.
        ContractError: listing every violation; nothing was trained then.
        DataError: when `source.tables` names a table or a time that the warehouse does not have.
    """
    chosen = _chosen(spec, candidates)
    _refuse(spec, chosen, lane, settings)
    spans = as_of_range.intervals(url, spec, as_of)
    taken = extraction.extract(url, spec, spans, as_of, settings.snapshots)
    spans = _checked(url, spec, taken, spans, as_of)
    registry = registry_at(settings.tracking_uri)
    donors: tuple[Donor, ...] = ()
    if spec.training.search.warm_start:
        donors = warm_start.donors(spec, as_of, store.read_lane(settings.ledger_url, spec.name, lane), registry)
    snapshot = Snapshot(
        spec=spec,
        lane=lane,
        as_of=as_of,
        spans=spans,
        candidates=chosen,
        uri=taken.uri,
        sha256=taken.sha256,
        rows=taken.rows,
        key=key_of(spec.name, lane, as_of, spec.training_fingerprint(), taken.sha256, chosen, *donors),
        run_id="",
        origin=origin,
        donors=donors,
    )
    return snapshot.model_copy(update={"run_id": retrain_runs.open_run(snapshot, taken, registry)})


def _chosen(spec: ModelSpec, wanted: Sequence[str]) -> tuple[str, ...]:
    valid = tuple(spec.training.candidates)
    if unknown := [c for c in wanted if c not in valid]:
        raise UsageError(f"{spec.name}: candidates: no {', '.join(unknown)}; valid: {', '.join(valid)}")
    return tuple(c for c in valid if c in wanted) or valid


def _refuse(spec: ModelSpec, candidates: Sequence[str], lane: str, settings: Settings) -> None:
    """What can be known to fail before the warehouse is asked for anything."""
    if not re.fullmatch(LANE_PATTERN, lane):
        raise UsageError(f"lane: {lane!r} is not a name such as 'live', 'backtest' or 'what-if-2'")
    if len(faults := estimators.faults(spec, candidates)) == len(candidates):
        raise SpecError(f"{spec.name}: no candidate can be trained; nothing was extracted: {'; '.join(faults)}")
    refuse_deleted(spec.name, lane, settings.ledger_url)
    refuse_retired(spec.name, lane, store.retired(settings.ledger_url, spec.name))


def _checked(url: str, spec: ModelSpec, taken: Extract, spans: Intervals, as_of: date) -> Intervals:
    """The windows, with what the rows say of them, once the rows are known to keep their contract."""
    frame, rest = contract.parts(taken, spec)
    as_of_range.enforce_contract(url, spec, frame, spans, as_of, rest=rest)
    spans = windows.with_rows(spans, enough_rows.days(frame, spec))
    spans = spans.model_copy(update={"undeclared": _undeclared(url, spec)})
    for remark in windows.remarks(spec, spans):
        log.warning("%s as of %s: %s", spec.name, as_of, remark)
    return spans


def _undeclared(url: str, spec: ModelSpec) -> tuple[str, ...]:
    """The tables that the query reads and the spec does not declare; where they cannot be listed, `any table`."""
    try:
        return undeclared_tables(url, spec)
    except DataError as error:
        log.info("%s: the tables that the query reads are not known: %s", spec.name, error)
        return () if spec.source.tables else ("any table",)


def train(
    snapshot: Snapshot,
    name: str,
    *,
    settings: Settings,
    on_trial: Callable[[int, int], None] | None = None,
    connections: fitting.Connections = connection_url,
) -> TrainedCandidate:
    """Search and fit one candidate in an MLflow run of its own. A second try finds what the first one recorded.

    It trains again where the record, with the scores of the training, is lost or damaged, or where the model in MLflow
    is not the one that was recorded. A model about which something was decided stays.

    Raises:
        DataError: where the record of the run is that of another training.
        TrainingError: when it cannot be fitted, or when its rows do not fit the memory that there is.
        UsageError, ServiceError: where the engine's connection does not exist, or its cluster is away.
    """
    registry = registry_at(settings.tracking_uri)
    run_id = retrain_runs.open_candidate_run(snapshot, name, registry)
    scores = ScoreStore(settings.snapshots)
    record = training_record.read(snapshot, name, run_id, scores)
    if record is None or not all(registry.models.holds(m.uri, m.sha256) for m in record.nominee.models):
        decided = training_record.decided(snapshot, run_id, settings.ledger_url)
        if record is None or decided is None:
            with retrain_runs.training(snapshot, run_id, registry):
                record = retrain_runs.fit_and_store(
                    snapshot, name, run_id, scores, registry, decided, on_trial=on_trial, connections=connections
                )
    registry.runs.finish(record.nominee.run_id)
    return TrainedCandidate(snapshot=snapshot, nominee=record.nominee, score=record.score)


def failing(snapshot: Snapshot, *, settings: Settings) -> AbstractContextManager[None]:
    """For one process that trains all candidates: after an exception, the run of the retrain is FAILED in MLflow."""
    return retrain_runs.failing(snapshot, registry_at(settings.tracking_uri))


def nominate(candidates: Sequence[TrainedCandidate], *, settings: Settings) -> Challenger:
    """Register the candidate with the best score on its folds (the first named wins a tie) as a model version.

    The score is that of the search, by the spec's `search_metric`. The others follow it in the challenger's ranking.
    """
    if not candidates:
        raise UsageError("nominate: no candidate was trained")
    snapshot, registry = candidates[0].snapshot, registry_at(settings.tracking_uri)
    spec = snapshot.spec
    ordered = sorted(candidates, key=lambda c: snapshot.candidates.index(c.name))
    ranked = search.ranked(ordered, spec, lambda c: c.score)
    scores = {f"{c.name}_folds_{spec.search_metric}": c.score for c in ordered}
    with retrain_runs.failing(snapshot, registry):
        registry.runs.annotate(snapshot.run_id, metrics=scores)
        return nomination.register(snapshot, [c.nominee for c in ranked], (), registry)


def validate(challenger: Challenger, *, settings: Settings) -> ValidatedChallenger:
    """Score challenger and champion on the same rows, which neither has seen, and run every check.

    A challenger that is unfit for use gives way to the next candidate of its run, which is judged on the same rows.
    Where none is fit, the best stays of those that a champion may excuse: one that is as far off.
    """
    snapshot, url, scorer = challenger.snapshot, settings.ledger_url, _scorer(settings)
    rows = store.read_lane(url, snapshot.model, snapshot.lane)
    for version in nomination.versions(challenger, scorer.registry):
        if (decided := standing(rows, version, snapshot.spec)) is not None:
            verdict = store.decision(url, decided).judged
            return ValidatedChallenger(challenger=challenger.at(version, verdict), verdict=verdict)
    reign = reigns.reign_before(rows, snapshot.lane, snapshot.as_of)
    runs = scorer.registry.runs
    with runs.running(snapshot.run_id):
        champion = champion_of(rows, reign, url)
        line = line_before(rows, snapshot.lane, snapshot.as_of, reign, snapshot.spans.holdout_start, url)

        def judged(challenger: Challenger) -> tuple[Verdict, Verdict]:
            """The verdict, and the one without a champion, which a run of one candidate does not need."""
            scored = on_record(compare(Comparison.of(challenger), reign, champion, scorer), line, scorer)
            scored = from_scoring_runs(scored, line, scorer)
            verdict = scored.judge()
            return verdict, scored.without_champion(verdict) if len(challenger.ranking) > 1 else verdict

        verdict, alone = judged(challenger)
        family = [nomination.Judged(challenger, nomination.failed(alone))]
        while (following := nomination.following(challenger, alone, scorer.registry)) is not None:
            challenger = following
            verdict, alone = judged(challenger)
            family.append(nomination.Judged(challenger, nomination.failed(alone)))
        if (best := nomination.best(family, scorer.registry)) != challenger:
            challenger = best
            verdict, _ = judged(challenger)
        runs.annotate(snapshot.run_id, metrics=_holdout_metrics(verdict))
        about = {"model": snapshot.model, "as_of": str(snapshot.as_of), "lane": snapshot.lane}
        document = json.dumps({**about, **verdict.model_dump(mode="json")}, indent=2)
        runs.attach(snapshot.run_id, texts={names.VERDICT_JSON: document})
    return ValidatedChallenger(challenger=challenger, verdict=verdict)


def _holdout_metrics(verdict: Verdict) -> dict[str, float]:
    own = {f"holdout_{k}": v for k, v in verdict.challenger_metrics.items()}
    theirs = {f"champion_holdout_{k}": v for k, v in verdict.champion_metrics.items()}
    gain, reign = verdict.gain, verdict.accumulated()
    won = {"gain": gain.estimate, "gain_lower": gain.lower, "gain_upper": gain.upper} if gain else {}
    so_far = {"looks": reign.looks, "gain": reign.gain, "gain_lower": reign.lower} if reign else {}
    return {**own, **theirs, **won, **{f"reign_{k}": v for k, v in so_far.items()}}


def decide(validated: ValidatedChallenger, *, settings: Settings) -> ProposedDecision:
    """Rule on a verdict: promote, keep, reject, recall a former version, or ask."""
    challenger, snapshot = validated.challenger, validated.challenger.snapshot
    rows = store.read_lane(settings.ledger_url, snapshot.model, snapshot.lane)
    through = challenger.trained_through
    ruling = rule(snapshot.spec, validated.verdict, snapshot.as_of, through, snapshot.lane, rows)
    head = rows[-1].sequence if rows else 0
    said = {"kind": ruling.kind, "reason": ruling.reason, "if_approved": ruling.if_approved}
    return ProposedDecision(**dict(validated), **said, head=head)


def propose(challenger: Challenger, *, settings: Settings) -> ProposedDecision:
    """Validate a challenger and decide: one task, one container, one step of a progress bar."""
    return decide(validate(challenger, settings=settings), settings=settings)


def ask(proposed: ProposedDecision, *, settings: Settings) -> ApprovalRequest | None:
    """What people are to be asked about a challenger or a former version; None where they need not be."""
    return approval.request(proposed, _scorer(settings), settings.ledger_url)


def promote(proposed: ProposedDecision, *, settings: Settings) -> Decision:
    """Write the decision to the ledger behind the head it was judged against, then let the alias follow.

    When another run has moved the head meanwhile, the challenger is first re-judged against it. A decision that stands
    already is returned, not written twice.
    """
    snapshot, url, scorer = proposed.challenger.snapshot, settings.ledger_url, _scorer(settings)
    with scorer.registry.runs.running(snapshot.run_id):
        with store.in_turn(url, snapshot.model, snapshot.lane):
            decision = store.write(Planner(proposed, scorer, url).plan, url, snapshot.model, snapshot.lane)
        if snapshot.lane == LIVE:
            follow_head(snapshot.model, settings=settings, registry=scorer.registry)
    scorer.registry.runs.finish(snapshot.run_id)
    log.info("%s as of %s (%s): %s. %s", snapshot.model, snapshot.as_of, snapshot.lane, decision.kind, decision.reason)
    return decision


def report(number: int, *, origin: Origin, settings: Settings) -> None:
    """Write a decision to its MLflow run and version and attach the model card; see `publication.publish`.

    Runs of candidates whose task was killed each time it was tried are marked so: they would be open for ever. The
    decision stands, and the alias has moved, whatever becomes of this.
    """
    decision, scorer = store.decision(settings.ledger_url, number), _scorer(settings)
    if decision.kind not in UNJUDGED:
        publication.publish(decision, scorer, origin, settings.ledger_url)
        scorer.registry.runs.end_nested(decision.model, decision.mlflow_run_id)


def _scorer(settings: Settings) -> Scorer:
    return Scorer(registry_at(settings.tracking_uri), ScoreStore(settings.snapshots), ledger_url=settings.ledger_url)
