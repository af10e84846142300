"""Rows of the ledger as the page gets them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from titleholder.ledger.monitor_history import DriftLook, NewestLook
from titleholder.ledger.queries import DecisionRecord, ReignRecord
from titleholder.ledger.score_history import ScoredVersion, ScoreRunRecord
from titleholder.validation.monitoring.report import MonitorReport
from titleholder_airflow.page.airflow import Dag, Model

MODEL = Model("tiny", "A small model", "risk", paused=False, stale=False, next_run=datetime(2026, 2, 1, tzinfo=UTC))

WATCHING = Dag("tiny.monitor", paused=False, next_run=None)
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


def a_feature(name: str = "income", psi: float = 0.02, **what: Any) -> dict[str, Any]:
    """A numeric feature of a look, as JSON."""
    facts: dict[str, Any] = {
        "name": name, "kind": "numeric", "bins": {"edges": [10.0, 20.0, 30.0], "names": [], "numeric": True},
        "reference": [260, 240, 240, 240, 20], "counts": [50, 60, 40, 45, 5], "cells": [50, 50, 50, 50],
        "seen": [310, 300, 280, 285, 25], "psi": {"estimate": psi, "lower": psi / 2, "upper": psi * 2}, "missing": 0.025,
        "reference_missing": 0.02, "log_evidence": -0.5, "log_e": 0.1, "drifted": False, "in_a_row": 0,
    }  # fmt: skip
    return {**facts, **what}


def a_report(state: str = "quiet", **what: Any) -> dict[str, Any]:
    """A monitor's report of ten looks, as JSON, with three features and three matured cohorts."""

    def span(value: float, reach: float) -> dict[str, float]:
        return {"estimate": value, "lower": value - reach, "upper": value + reach}

    kind = {
        "kind": "categorical", "bins": {"edges": [], "names": ["own", "rent"], "numeric": False},
        "reference": [500, 480, 0, 20], "counts": [90, 70, 36, 4], "unseen": [{"name": "<b>boat</b>", "rows": 36}],
        "unseen_rows": 36,
    }  # fmt: skip
    cohorts = [
        {
            "start": f"2025-{month:02}-01", "end": f"2025-{month + 1:02}-01", "rows": 900, "events": 90, "scored": 950,
            "realised": span(0.70 - 0.01 * month, 0.03), "estimated": span(0.71, 0.02), "gain": span(0.004, 0.01),
        }
        for month in (1, 2, 3)
    ]  # fmt: skip
    facts: dict[str, Any] = {
        "state": state, "reason": "No alarm stands.", "remarks": [], "waiting_rows": 0,
        "alarms": [] if state != "alarm" else [
            {"name": "home", "kind": "feature", "since": "2025-03-09", "new": True, "sentence": "It has new categories."}
        ],
        "volume": {"rows": 200, "runs": 1, "start": "2025-03-09", "end": "2025-03-10", "lower": 150, "upper": 260},
        "drift": {
            "budget": 0.025, "level": 0.4, "looks": 10, "reference_rows": 1000, "reference_start": "2024-01-01",
            "reference_end": "2024-12-01",
            "features": [a_feature(), a_feature("home", 0.31, drifted=state == "alarm", in_a_row=3, **kind),
                         a_feature("score", 0.01, kind="score")],
        },
        "estimate": {"metric": "roc_auc", "value": span(0.71, 0.02), "rows": 200},
        "cohorts": cohorts,
        "promise": {"metric": "roc_auc", "decision": 1, "promised": span(0.72, 0.03), "budget": 0.025, "tolerated": 0.01,
                    "cohorts": 3, "missing": 0.012, "least": -0.004, "broken": False},
        "review": {"decision": 1, "predecessor": 4, "promised": span(0.01, 0.01), "realised": span(0.004, 0.006),
                   "cohorts": 3, "answer": "open", "sentence": "The gain that was promised is neither shown nor excluded."},
    }  # fmt: skip
    return {**facts, **what}


def a_former(version: int = 4, **what: Any) -> dict[str, Any]:
    """A former reign of a report, as JSON: two matured cohorts of 900 and 300 rows, and a promise that is broken."""
    whole = a_report()
    small = whole["cohorts"][1] | {"rows": 300, "realised": {"estimate": 0.61, "lower": 0.55, "upper": 0.67}}
    facts: dict[str, Any] = {
        "decision": version, "version": version, "scored": "2025-03-16", "judged": "2025-03-01",
        "cohorts": [whole["cohorts"][0], small],
        "promise": whole["promise"] | {"decision": version, "cohorts": 2, "missing": 0.03, "least": 0.015, "broken": True},
        "review": whole["review"] | {"decision": version, "answer": "no", "sentence": "The promised gain did not come true."},
        "unread": "", "unread_months": 0, "remark": "",
    }  # fmt: skip
    return {**facts, **what}


def a_look(report: dict[str, Any] | None = None, **what: Any) -> NewestLook:
    """The newest look at the reign of decision 1."""
    found = MonitorReport.model_validate(report) if report else None
    facts: dict[str, Any] = {
        "id": 10, "as_of": date(2025, 3, 10), "version": 1, "decision": 1, "state": found.state if found else "quiet",
        "alarms": [alarm.name for alarm in found.alarms] if found else [], "asks_retrain": False, "ask_reason": "",
        "created_at": datetime(2025, 3, 10, 2, tzinfo=UTC), "spec": {"minimum_psi": 0.1}, "report": found,
    }  # fmt: skip
    return NewestLook(**{**facts, **what})


def drift_looks(report: dict[str, Any], looks: int = 10) -> list[DriftLook]:
    """Looks in which the drift of a report grew."""
    features = report["drift"]["features"]
    return [
        DriftLook(date(2025, 3, n), {f["name"]: f["psi"]["estimate"] * n / looks for f in features})
        for n in range(1, looks + 1)
    ]
