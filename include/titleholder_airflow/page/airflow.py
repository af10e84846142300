"""What the page reads from Airflow's database: a model's DAGs, open approvals and newest run (pure)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

RETRAIN, ROLLBACK, SCORE, MONITOR = ".retrain", ".rollback", ".score", ".monitor"


class Model(NamedTuple):
    """A model as its retrain DAG describes it; `stale`: its DAG is gone; `next_run`: None where none is due."""

    name: str
    description: str
    owner: str
    paused: bool
    stale: bool
    next_run: datetime | None

    @property
    def dag_id(self) -> str:
        """Its retrain DAG."""
        return f"{self.name}{RETRAIN}"

    @property
    def rollback(self) -> str:
        """Its rollback DAG."""
        return f"{self.name}{ROLLBACK}"


class Dag(NamedTuple):
    """Another DAG of a model; `next_run`: None where none is due. One whose spec no longer asks for it is not there."""

    dag_id: str
    paused: bool
    next_run: datetime | None

    @property
    def href(self) -> str:
        """Its page, below Airflow's address."""
        return f"/dags/{quote(self.dag_id, safe='')}"


class Approval(NamedTuple):
    """A change of champion that waits for approval, and who may answer; no one is named where anybody may."""

    dag_id: str
    run_id: str
    task_id: str
    subject: str
    asked_at: datetime
    assigned: list[dict[str, str]] | None = None

    @property
    def people(self) -> str:
        """The names of those who may answer."""
        return ", ".join(person["name"] for person in self.assigned or ())

    @property
    def href(self) -> str:
        """Where people answer, below Airflow's address."""
        parts = (quote(part, safe="") for part in (self.dag_id, self.run_id, self.task_id))
        return "/dags/{}/runs/{}/tasks/{}/required_actions".format(*parts)


class Run(NamedTuple):
    """The newest run of a DAG that Airflow started by itself: on schedule or by assets."""

    dag_id: str
    run_id: str
    state: str
    run_after: datetime

    @property
    def href(self) -> str:
        """Its page, below Airflow's address."""
        return f"/dags/{quote(self.dag_id, safe='')}/runs/{quote(self.run_id, safe='')}"
