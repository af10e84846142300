"""Rows of the ledger as the page gets them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from titleholder.ledger.queries import DecisionRecord, ReignRecord
from titleholder.ledger.score_history import ScoredVersion, ScoreRunRecord
from titleholder_airflow.page.airflow import Dag, Model

MODEL = Model("tiny", "A small model", "risk", paused=False, stale=False, next_run=datetime(2026, 2, 1, tzinfo=UTC))

SCORING = Dag("tiny.score", paused=False, next_run=datetime(2026, 2, 1, tzinfo=UTC))


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


def scored(day: int = 1, **what: Any) -> ScoreRunRecord:
    """The scoring run of a day of March 2025, by version 1."""
    facts: dict[str, Any] = {
        "id": day, "as_of": date(2025, 3, day), "role": "champion", "version": 1, "rows": 1000 + 10 * day,
        "created_at": datetime(2025, 3, day, 1, tzinfo=UTC), "actor": "scheduler",
        "airflow_run": f"tiny.score/scheduled__2025-03-{day:02}", "reason": "",
    }  # fmt: skip
    return ScoreRunRecord(**{**facts, **what})


def all_scored(version: int = 1, **what: Any) -> ScoredVersion:
    """What a version scored as champion on ten days of March 2025."""
    facts: dict[str, Any] = {
        "role": "champion", "version": version, "runs": 10, "rows": 10_550, "first": date(2025, 3, 1),
        "last": date(2025, 3, 10), "written": datetime(2025, 3, 10, 1, tzinfo=UTC),
    }  # fmt: skip
    return ScoredVersion(**{**facts, **what})


def an_advice(cost: float = 0.001, reach: float = 0.0006, **what: Any) -> dict[str, Any]:
    """The advice of a backtest, as JSON: a loss with each month of age, and half the width of its interval."""

    def loss(months: float) -> dict[str, float]:
        return {"estimate": months * cost, "lower": months * (cost - reach), "upper": months * (cost + reach)}

    curve = [loss(2 * n + 1) | {"above": 2.0 * n, "through": 2.0 * n + 2} for n in range(5)]
    worth = [
        {"name": name, "loss": loss(older), "gain": loss(5.5 - older), "profit": None}
        for name, older in (("monthly", 0.0), ("quarterly", 1.0), ("yearly", 5.5))
    ]
    facts: dict[str, Any] = {
        "model": "tiny", "lane": "backtest", "schedule": "@monthly", "metric": "roc_auc", "confidence": 0.95,
        "labels_as_of": "2026-01-01", "sentence": "Retrain monthly: a month of age costs 0.0010 of ROC AUC.",
        "retrain": "monthly", "earliest": None,
        "ageing": {
            "source": "outcomes", "cohorts": 17, "more": 0, "tolerated": 0.002, "profit": None, "worth": worth,
            "metric": {"month": loss(1), "curve": curve, "cohorts": 17, "versions": 18, "span": 10.0},
        },
    }  # fmt: skip
    return {**facts, **what}
