"""The model card of a decision: drawn from the ledger's row, its snapshot and the registered models, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from titleholder import report
from titleholder.contest import Contest, prepare
from titleholder.errors import DataError
from titleholder.ledger import Decision
from titleholder.registry import Registry, requirements
from titleholder.spec import ModelSpec

FILE = "card.html"


def draw(row: Decision, rows: Sequence[Decision], registry: Registry) -> str:
    """The card as HTML; both models are scored anew. `rows` are those of the decision's lane."""
    evidence = prepare(Contest.again(row), row.verdict.champion, rows, registry).evidence
    return report.card(facts(row, registry), row.verdict, evidence)


def facts(row: Decision, registry: Registry) -> report.Facts:
    """What the ledger knows of a decision beside its verdict."""
    if row.challenger_version is None:
        raise DataError(f"decision {row.id} has no challenger: there is no card to draw")
    spec = ModelSpec.restore(row.spec)
    candidate = spec.training.candidates.get(row.verdict.candidate)
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
    return report.Facts(
        model=row.model,
        description=spec.description,
        owner=spec.owner,
        as_of=row.as_of,
        lane=row.lane,
        kind=row.kind,
        reason=row.reason,
        actor=row.actor,
        asked_because=row.asked_because,
        decision_id=row.id,
        sequence=row.sequence,
        decided_at=row.created_at,
        challenger_version=row.challenger_version,
        spans=row.spans,
        lineage={name: value for name, value in lineage.items() if value},
        links={
            "MLflow run": registry.run_url(row.mlflow_run_id),
            "Model version": registry.version_url(row.model, row.challenger_version),
        },
        environment=dict(r.split("==") for r in requirements(candidate.estimator)) if candidate else {},
    )
