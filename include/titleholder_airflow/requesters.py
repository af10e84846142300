"""The people whom a run goes back to: whoever triggered it, or a run whose task updated the asset that it waits for."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time import task_runner

from titleholder_airflow.versions import GetDagRun

GENERATIONS = 10
"""How many runs are followed back, each of which an asset event started."""


def requesters(run: Any) -> tuple[str, ...] | None:
    """Their names in Airflow; empty for a schedule's run; None where it may have been anybody.

    Airflow tells a task who triggered a run, and who triggered the runs whose tasks made its asset events. It does not
    tell who made an event by hand, who cleared a producing run (which makes its events again), or which run's task
    triggered one without a name. Airflow 3.1 tells nothing of other runs.
    """
    found = _of(run, GENERATIONS)
    return None if found is None else tuple(sorted(found))


def _of(run: Any, generations: int) -> set[str] | None:
    if run.triggering_user_name:
        return {run.triggering_user_name}
    if run.run_type == "scheduled":
        return set()
    if run.run_type != "asset_triggered" or not run.consumed_asset_events or not generations:
        return None
    behind = [_behind(event, generations - 1) for event in run.consumed_asset_events]
    return None if None in behind else set[str]().union(*(people for people in behind if people))


def _behind(event: Any, generations: int) -> set[str] | None:
    if GetDagRun is None or not (event.source_dag_id and event.source_run_id and event.source_task_id):
        return None
    try:
        producer: Any = task_runner.SUPERVISOR_COMMS.send(
            GetDagRun(dag_id=event.source_dag_id, run_id=event.source_run_id)
        )
    except AirflowRuntimeError:  # the run was deleted
        return None
    return None if producer.clear_number else _of(producer, generations)
