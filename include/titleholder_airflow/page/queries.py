"""Queries to Airflow's database: the models that a user may see (those whose retrain DAG the user may read)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import func, select

from titleholder_airflow.page.airflow import RETRAIN, Approval, Dag, Model, Run
from titleholder_airflow.versions import WAITING_STATE

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from sqlalchemy.orm import Session

TAG = "titleholder"
AUTOMATIC = ("scheduled", "asset_triggered")


def models(user: BaseUser, session: Session) -> dict[str, Model]:
    """The models that this user may see, by name."""
    fields = (DagModel.description, DagModel.owners, DagModel.is_paused, DagModel.is_stale)
    wanted = (
        select(DagModel.dag_id, *fields, DagModel.next_dagrun_create_after)
        .join(DagTag, DagTag.dag_id == DagModel.dag_id)
        .where(DagTag.name == TAG, DagModel.dag_id.endswith(RETRAIN, autoescape=True))
        .order_by(DagModel.dag_id)
    )
    readable = get_auth_manager().get_authorized_dag_ids(user=user, session=session)
    found = (_model(row) for row in session.execute(wanted) if row.dag_id in readable)
    return {model.name: model for model in found}


def _model(row: Any) -> Model:
    due = None if row.is_paused or row.is_stale else row.next_dagrun_create_after
    name = row.dag_id.removesuffix(RETRAIN)
    return Model(name, row.description or "", row.owners or "", row.is_paused, row.is_stale, due)


def others(dags: Collection[str], session: Session) -> dict[str, Dag]:
    """Those of these DAGs that Airflow has: of scoring and of monitoring, which not every spec asks for."""
    fields = (DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after)
    wanted = select(*fields).where(DagModel.dag_id.in_(dags), DagModel.is_stale.is_(False))
    return {row[0]: Dag(row[0], row[1], None if row[1] else row[2]) for row in session.execute(wanted)}


def approvals(dags: Collection[str], session: Session) -> list[Approval]:
    """The open approvals of these DAGs, the oldest first."""
    ti = TaskInstance
    wanted = (
        select(ti.dag_id, ti.run_id, ti.task_id, HITLDetail.subject, HITLDetail.created_at, HITLDetail.assignees)
        .join(HITLDetail, HITLDetail.ti_id == ti.id)
        .where(ti.state == WAITING_STATE, HITLDetail.responded_at.is_(None), ti.dag_id.in_(dags))
        .order_by(HITLDetail.created_at)
    )
    return [Approval._make(row) for row in session.execute(wanted)]


def newest_runs(dags: Collection[str], session: Session) -> dict[str, Run]:
    """The newest run of each of these DAGs that Airflow started by itself, on schedule or by assets."""
    newest = (
        select(func.max(DagRun.id))
        .where(DagRun.dag_id.in_(dags), DagRun.run_type.in_(AUTOMATIC))
        .group_by(DagRun.dag_id)
    )
    wanted = select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.run_after).where(DagRun.id.in_(newest))
    return {row[0]: Run(row[0], row[1], str(row[2]), row[3]) for row in session.execute(wanted)}
