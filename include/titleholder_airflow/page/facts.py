"""What the routes gather about models from Airflow's database, the ledger and MLflow, for one answer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from titleholder.ledger import monitor_history, reports, score_history
from titleholder.ledger.monitor_reports import MonitorStatus
from titleholder.ledger.queries import LiveStatus
from titleholder.registry import names
from titleholder.spec.types import BACKTEST, LIVE
from titleholder_airflow.page import ageing, health, monitoring, queries, scores
from titleholder_airflow.page.airflow import MONITOR, SCORE, Approval, Dag, Model, Run
from titleholder_airflow.page.mlflow import Aliases

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

LOOKS = 60
"""Looks of a reign whose drift is drawn."""


class Asked(NamedTuple):
    """What Airflow's database says of models: open approvals, newest automatic runs, and DAGs beside the retrain."""

    approvals: list[Approval]
    runs: dict[str, Run]
    others: dict[str, Dag]


def ask_airflow(models: Collection[Model], session: Session) -> Asked:
    """All that is asked; no database connection is held while the ledger and MLflow are read."""
    retrains = [model.dag_id for model in models]
    others = queries.others([f"{model.name}{kind}" for model in models for kind in (SCORE, MONITOR)], session)
    approvals = queries.approvals([*retrains, *(model.rollback for model in models)], session)
    runs = queries.newest_runs([*retrains, *others], session)
    session.close()
    return Asked(approvals, runs, others)


def findings(
    model: Model,
    standing: LiveStatus,
    asked: Asked,
    watched: MonitorStatus | None,
    aliases: Aliases,
    now: datetime,
) -> list[health.HealthSign]:
    """A model's health, the most urgent first; `watched` is the newest look at the live champion."""
    more = [
        sign
        for kind, what in ((SCORE, "scoring"), (MONITOR, "monitoring"))
        for sign in scores.trouble(*_dag(model, kind, asked), now, what)
    ]
    if watched and standing.champion:
        more += monitoring.standing(watched, standing.champion.decision)
    approvals = [approval for approval in asked.approvals if approval.dag_id in (model.dag_id, model.rollback)]
    return health.findings(model, standing, approvals, asked.runs.get(model.dag_id), aliases, now, more)


def _dag(model: Model, kind: str, asked: Asked) -> tuple[Dag | None, Run | None]:
    """A DAG beside the retrain and its newest automatic run."""
    return asked.others.get(f"{model.name}{kind}"), asked.runs.get(f"{model.name}{kind}")


def scores_of(url: str, model: Model, standing: LiveStatus, asked: Asked, lane: str, now: datetime) -> scores.Scores:
    """The scoring runs of a lane."""
    champion = standing.champion.version if standing.champion else None
    runs = score_history.newest(url, model.name, lane, scores.SHOWN)
    versions = score_history.by_version(url, model.name, lane)
    return scores.scores(*_dag(model, SCORE, asked), runs, versions, champion, lane, now)


def monitoring_of(
    url: str, model: Model, standing: LiveStatus, asked: Asked, lane: str, now: datetime
) -> monitoring.Monitoring:
    """What the monitor of a lane said."""
    champion = standing.champion.decision if standing.champion else None
    look = monitor_history.newest(url, model.name, lane)
    earlier = monitor_history.series(url, model.name, lane, look.decision, LOOKS) if look and look.report else []
    return monitoring.monitoring(*_dag(model, MONITOR, asked), look, earlier, champion, lane, now)


def tested_lane(url: str, name: str, lane: str) -> str:
    """The lane whose backtest the page of a lane shows: its own; of live a backfill's, unless only live has one."""
    if lane != LIVE:
        return lane
    known = (one for one in (BACKTEST, LIVE) if reports.newest_backtest(url, name, one, names.BACKTEST_REPORT))
    return next(known, BACKTEST)


def age_cost(url: str, name: str, tested: str) -> ageing.Age:
    """What age costs, by the newest backtest of a lane."""
    return ageing.age(name, tested, reports.newest_backtest(url, name, tested, names.AGE_ADVICE))
