"""What MLflow, and whoever comes after a task, are told of a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from titleholder import cards, report
from titleholder.decision import Decision
from titleholder.registry import Registry


def tell(row: Decision, rows: Sequence[Decision], registry: Registry) -> None:
    """Let a decision's run and version say what was decided about them, and hang the model card beside them."""
    said = tags(row, row.kind)
    registry.tag_version(row.model, row.challenger, said)
    text = report.markdown(cards.facts(row, registry), row.judged)
    page = f"[Model card]({registry.artifact_url(row.mlflow_run_id, cards.FILE)})\n\n{text}"
    registry.attach(row.mlflow_run_id, texts={cards.FILE: cards.draw(row, rows, registry), "decision.md": page})
    registry.annotate(row.mlflow_run_id, tags=said, note=page)


def tags(row: Decision, verdict: str) -> dict[str, str]:
    """A decision as tags; the hash makes MLflow a witness of the ledger, see `titleholder.audit`."""
    told = {"verdict": verdict, "decision": str(row.id), "decision_hash": row.hash, "reason": row.reason}
    return {f"titleholder.{name}": value for name, value in told.items()}


def summary(row: Decision, registry: Registry) -> dict[str, Any]:
    """A decision as `notices.of` and the links of a task need it: small, without verdict and spec."""
    fields = {"id", "model", "lane", "sequence", "as_of", "kind", "reason", "actor", "mlflow_run_id"}
    versions = {"challenger_version", "champion_before", "champion_after"}
    version = row.challenger_version or row.champion_after
    links = {"Model version": registry.version_url(row.model, version)} if version else {}
    if row.mlflow_run_id:
        links["Model card"] = registry.artifact_url(row.mlflow_run_id, cards.FILE)
    more = {"approved_by": row.approval.by if row.approval else "", "links": links}
    return {**row.model_dump(mode="json", include=fields | versions), **more}
