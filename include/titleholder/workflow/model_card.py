"""The model card of a decision: drawn from the ledger's row, its snapshot and the stored scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from titleholder import reports
from titleholder.ledger.decision import Decision, restored_spec
from titleholder.registry.client import Registry
from titleholder.registry.model_files import requirements
from titleholder.settings import docs_base
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals, remarks
from titleholder.validation.verdict import Verdict
from titleholder.workflow.metric_history import metric_history
from titleholder.workflow.payloads import ProposedDecision
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import Comparison, compare
from titleholder.workflow.trained_versions import TrainedVersion


def draw(
    row: Decision,
    champion: TrainedVersion | None,
    crowned: Decision | None,
    scorer: Scorer,
    links: Mapping[str, str],
) -> str:
    """The card as HTML. `crowned` is the decision that promoted the champion; `links` come by label."""
    known = facts(row, scorer.registry)
    known = known.model_copy(update={"links": {**known.links, **links}})
    return _card(known, row.judged, Comparison.behind(row), champion, crowned, scorer)


def draw_proposed(
    proposed: ProposedDecision, champion: TrainedVersion | None, crowned: Decision | None, scorer: Scorer
) -> str:
    """The same of a challenger about which nothing has been decided yet: for the people who are asked."""
    known, comparison = proposed_facts(proposed, scorer.registry), Comparison.of(proposed.challenger)
    return _card(known, proposed.verdict, comparison, champion, crowned, scorer)


def _card(
    known: reports.Facts,
    verdict: Verdict,
    comparison: Comparison,
    champion: TrainedVersion | None,
    crowned: Decision | None,
    scorer: Scorer,
) -> str:
    scored = compare(comparison, verdict.champion, champion, scorer, reload=False)
    return reports.card(known, verdict, scored.evidence, metric_history(comparison, crowned, scorer.store))


def facts(row: Decision, registry: Registry) -> reports.Facts:
    """What the ledger knows of a decision beside its verdict."""
    lineage = {
        "Snapshot": row.snapshot_uri,
        "Snapshot SHA-256": row.snapshot_sha256,
        "Spec fingerprint": row.spec_fingerprint,
        "Code version": row.code_version,
        "Seed": str(row.seed),
        "MLflow run": row.mlflow_run_id,
        "Airflow run": row.airflow_run,
        "Re-judged because of decision": str(row.caused_by or ""),
        "Ledger row hash": row.hash,
    }
    return reports.Facts(
        **_common(
            restored_spec(row.id, row.spec),
            row.windows,
            row.judged.candidate,
            row.challenger,
            row.mlflow_run_id,
            registry,
        ),
        as_of=row.as_of,
        lane=row.lane,
        kind=row.kind,
        recalled=row.champion_after if row.kind == "recall" else None,
        reason=row.reason,
        actor=row.actor,
        asked_because=row.asked_because,
        decision_id=row.id,
        sequence=row.sequence,
        decided_at=row.created_at,
        lineage={name: value for name, value in lineage.items() if value},
    )


def proposed_facts(proposed: ProposedDecision, registry: Registry) -> reports.Facts:
    """The same of a challenger about which nothing has been decided yet."""
    challenger, snapshot = proposed.challenger, proposed.challenger.snapshot
    lineage = {
        "Snapshot": snapshot.uri,
        "Snapshot SHA-256": snapshot.sha256,
        "Spec fingerprint": snapshot.spec.fingerprint(),
        "Code version": snapshot.origin.code_version,
        "Seed": str(snapshot.spec.training.seed),
        "MLflow run": snapshot.run_id,
        "Airflow run": snapshot.origin.airflow_run,
    }
    return reports.Facts(
        **_common(snapshot.spec, snapshot.spans, challenger.name, challenger.version, snapshot.run_id, registry),
        as_of=snapshot.as_of,
        lane=snapshot.lane,
        kind=proposed.kind,
        recalled=proposed.recalled,
        reason=proposed.reason,
        actor=snapshot.origin.actor,
        asked_because=snapshot.origin.reason,
        lineage={name: value for name, value in lineage.items() if value},
    )


def _common(
    spec: ModelSpec, spans: Intervals, candidate: str, version: int, run_id: str, registry: Registry
) -> dict[str, Any]:
    chosen = spec.training.candidates.get(candidate)
    links = {"MLflow run": registry.runs.url(run_id), "Model version": registry.models.url(spec.name, version)}
    return {
        "model": spec.name,
        "description": spec.description,
        "owner": spec.owner,
        "challenger_version": version,
        "refitted": spec.windows.refit is not None,
        "known_after": {name: str(delay) for name, delay in spec.columns.known_after.items()},
        "scoring_delay": str(spec.columns.scoring_delay) if spec.columns.known_after else "",
        "spans": spans,
        "remarks": remarks(spec, spans),
        "links": links,
        "docs_base": docs_base(),
        "environment": dict(r.split("==") for r in requirements(chosen.estimator)) if chosen else {},
    }
