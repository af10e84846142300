"""Rows of the ledger as the page gets them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from titleholder.ledger.queries import DecisionRecord, ReignRecord
from titleholder_airflow.page.airflow import Model

MODEL = Model("tiny", "A small model", "risk", paused=False, stale=False, next_run=datetime(2026, 2, 1, tzinfo=UTC))


def decided(month: int = 1, **what: Any) -> DecisionRecord:
    """A decision of a month of 2025 that kept version 1."""
    facts: dict[str, Any] = dict.fromkeys(DecisionRecord._fields) | {
        "id": month, "model": "tiny", "lane": "live", "sequence": month, "as_of": date(2025, month, 1), "kind": "keep",
        "challenger_version": month, "champion_before": 1, "champion_after": 1, "actor": "ann",
        "created_at": datetime(2025, month, 1, 6, tzinfo=UTC), "reason": "Not better. More words.", "asked_because": "",
        "in_force": True, "judged_against": 1, "metric": "roc_auc", "challenger_metric": 0.70, "challenger_lower": 0.66,
        "challenger_upper": 0.74, "champion_metric": 0.69, "champion_lower": 0.65, "champion_upper": 0.73,
        "gain": 0.01, "gain_lower": -0.01, "gain_upper": 0.03, "failed": [], "warned": [], "beyond": [], "schedule": "@monthly",
        "passed": ["TH201", "TH205", "TH401", "TH402"],
    }  # fmt: skip
    return DecisionRecord(**{**facts, **what})


def reigned(version: int = 1, start: int = 1, end: int | None = None, **what: Any) -> ReignRecord:
    """A reign from the first of one month of 2025 to that of another."""
    facts: dict[str, Any] = {
        "version": version, "reigned_from": datetime(2025, start, 1, tzinfo=UTC),
        "reigned_to": datetime(2025, end, 1, tzinfo=UTC) if end else None, "decision": start, "kind": "promote",
        "as_of": date(2025, start, 1), "actor": "ann", "approved_by": None, "reason": "Better.",
    }  # fmt: skip
    return ReignRecord(**{**facts, **what})
