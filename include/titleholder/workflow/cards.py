"""The model card of a decision: drawn from the ledger's row, its snapshot and the registered models, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from titleholder import reports
from titleholder.ledger.decision import Decision
from titleholder.registry.models import Registry, requirements
from titleholder.settings import code_version, docs_base
from titleholder.spec.model import ModelSpec
from titleholder.workflow.payloads import Ruled
from titleholder.workflow.scoring import Contest, prepare

FILE = "card.html"


def draw(row: Decision, rows: Sequence[Decision], registry: Registry, links: Mapping[str, str]) -> str:
    """The card as HTML; both models are scored anew. `rows` are those of the decision's lane, `links` by label."""
    evidence = prepare(Contest.again(row), row.judged.champion, rows, registry).evidence
    known = facts(row, registry)
    return reports.card(known.model_copy(update={"links": {**known.links, **links}}), row.judged, evidence)


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
        "Ledger row hash": row.hash,
    }
    return reports.Facts(
        **_common(ModelSpec.restore(row.spec), row.judged.candidate, row.challenger, row.mlflow_run_id, registry),
        as_of=row.as_of,
        lane=row.lane,
        kind=row.kind,
        reason=row.reason,
        actor=row.actor,
        asked_because=row.asked_because,
        decision_id=row.id,
        sequence=row.sequence,
        decided_at=row.created_at,
        spans=row.windows,
        lineage={name: value for name, value in lineage.items() if value},
    )


def proposed(ruled: Ruled, spec: ModelSpec, registry: Registry) -> reports.Facts:
    """The same of a challenger about which nothing has been decided yet."""
    challenger, snapshot = ruled.challenger, ruled.challenger.snapshot
    lineage = {
        "Snapshot": snapshot.uri,
        "Snapshot SHA-256": snapshot.sha256,
        "Spec fingerprint": snapshot.spec_fingerprint,
        "Code version": code_version(),
        "Seed": str(spec.training.seed),
        "MLflow run": snapshot.run_id,
        "Airflow run": snapshot.origin.airflow_run,
    }
    return reports.Facts(
        **_common(spec, challenger.name, challenger.version, snapshot.run_id, registry),
        as_of=snapshot.as_of,
        lane=snapshot.lane,
        kind=ruled.kind,
        reason=ruled.reason,
        actor=snapshot.origin.actor,
        asked_because=snapshot.origin.reason,
        spans=snapshot.spans,
        lineage={name: value for name, value in lineage.items() if value},
    )


def _common(spec: ModelSpec, candidate: str, version: int, run_id: str, registry: Registry) -> dict[str, Any]:
    chosen = spec.training.candidates.get(candidate)
    return {
        "model": spec.name,
        "description": spec.description,
        "owner": spec.owner,
        "challenger_version": version,
        "links": {"MLflow run": registry.run_url(run_id), "Model version": registry.version_url(spec.name, version)},
        "docs_base": docs_base(),
        "environment": dict(r.split("==") for r in requirements(chosen.estimator)) if chosen else {},
    }
