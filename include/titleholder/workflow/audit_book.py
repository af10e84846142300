"""What an audit looks at: the rows of a model's lanes, and what the registry has of its decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from titleholder.ledger import reports, score_runs, store
from titleholder.ledger.integrity import Row
from titleholder.spec.types import LIVE
from titleholder.workflow.audit_report import ADVICE, AuditFinding
from titleholder.workflow.lanes import deleted


class Book:
    """One model's rows by lane, and the versions that carry the tag of a decision about it.

    The versions were read first, so that a decision made meanwhile has its row already.
    """

    def __init__(self, model: str, versions: Sequence[ModelVersion], url: str) -> None:
        self.model, self.versions = model, versions
        self.lanes = {lane: store.stored(url, model, lane) for lane in store.lanes(url, model)}
        self.deleted = deleted(model, url)
        self.reports = [report for report in reports.of_model(url, model) if report.lane not in self.deleted]
        self.score_runs = [run for run in score_runs.of_model(url, model) if run.lane not in self.deleted]

    @property
    def rows(self) -> list[Row]:
        """Of all lanes."""
        return [row for rows in self.lanes.values() for row in rows]

    @property
    def head(self) -> int | None:
        """The live champion, if any."""
        live = self.lanes.get(LIVE)
        return live[-1]["champion_after"] if live else None

    @property
    def extracts(self) -> dict[tuple[str, str], Row]:
        """Each snapshot, as address and SHA-256, with the first decision that rests on it.

        Decisions of a deleted lane rest on none any more: their models are gone.
        """
        found: dict[tuple[str, str], Row] = {}
        for row in self.rows:
            if row["snapshot_uri"] and row["lane"] not in self.deleted:
                found.setdefault((row["snapshot_uri"], row["snapshot_sha256"]), row)
        return found

    def finding(
        self, check: str, explanation: str, row: Row | None = None, advice: str | None = None, **more: Any
    ) -> AuditFinding:
        """A finding about this model; with a row, about that decision."""
        known = {"lane": row["lane"], "decision": row["id"]} if row else {}
        advised = f"{explanation} {ADVICE[check] if advice is None else advice}".strip()
        return AuditFinding(check=check, model=self.model, explanation=advised, **(known | more))
