"""What MLflow, and whoever comes after a task, are told of a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from titleholder import reports
from titleholder.data.snapshots import Origin
from titleholder.ledger.decision import Decision
from titleholder.registry.models import Registry
from titleholder.workflow import cards

AIRFLOW = "Airflow run"


def tell(row: Decision, rows: Sequence[Decision], registry: Registry, origin: Origin) -> None:
    """Let a decision's run and version say what was decided about them, and hang the model card beside them.

    `origin` is that of the run that tells.
    """
    said, links = tags(row, row.kind), _links(row, registry, origin)
    card = {"Model card": registry.artifact_url(row.mlflow_run_id, cards.FILE)}
    page = f"{linked({**card, **links})}\n\n{reports.markdown(cards.facts(row, registry), row.judged)}"
    drawn = cards.draw(row, rows, registry, links)
    registry.attach(row.mlflow_run_id, texts={cards.FILE: drawn, "decision.md": page})
    registry.annotate(row.mlflow_run_id, tags=said, note=page)
    version = described(row.judged.candidate, row.as_of, row.lane, row.windows.holdout_start, links)
    registry.tag_version(row.model, row.challenger, said, version)  # last: it says that all of this was told


def told(row: Decision, registry: Registry) -> bool:
    """Whether all of this was told of a decision."""
    return registry.version_tags(row.model, row.challenger).get("titleholder.decision") == str(row.id)


def _links(row: Decision, registry: Registry, origin: Origin) -> dict[str, str]:
    """Where people see the Airflow run that wrote the row, and the decision's own page; empty where nobody knows."""
    run = origin.url
    if row.airflow_run != origin.airflow_run:  # an earlier run wrote it, and this one only tells again
        known = registry.version_tags(row.model, row.challenger)
        its_own = known.get("titleholder.airflow_run") == row.airflow_run
        run = known.get("titleholder.airflow_url", "") if its_own else ""
    return {AIRFLOW: run, f"Decision {row.id}": f"{origin.decisions}{row.id}" if origin.decisions else ""}


def linked(links: Mapping[str, str]) -> str:
    """Links by label as one line of Markdown; those without an address are left out."""
    return " · ".join(f"[{label}]({url})" for label, url in links.items() if url)


def opened(model: str, as_of: date, lane: str, origin: Origin) -> str:
    """What a run says of itself before anything was decided."""
    return f"Retrains {model} as of {as_of} (lane {lane}). {linked({AIRFLOW: origin.url})}".strip()


def described(candidate: str, as_of: date, lane: str, trained_through: date, links: Mapping[str, str]) -> str:
    """What a version says of itself: how it came about, and where to see more."""
    return f"{candidate} as of {as_of} ({lane}), trained on rows before {trained_through}. {linked(links)}".strip()


def tags(row: Decision, verdict: str) -> dict[str, str]:
    """A decision as tags; the hash makes MLflow a witness of the ledger, see `titleholder.workflow.audit`."""
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
