"""What the tasks of both kinds of DAG share: the decorator, retries, and the event of a new champion."""

from __future__ import annotations

import functools
import inspect
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.sdk import Asset, AssetAlias, AssetOrTimeSchedule, CronTriggerTimetable, get_current_context
from airflow.sdk.bases.decorator import task_decorator_factory
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from titleholder_airflow.links import DecisionLink, MlflowRunLink, ModelVersionLink

if TYPE_CHECKING:
    from titleholder.ledger.decision import Decision
    from titleholder.settings import Settings
    from titleholder.spec.model import ModelSpec

NO_USE_TRYING_AGAIN = ["SpecError", "UsageError", "DataError", "TrainingError"]


class StepOperator(_PythonDecoratedOperator):
    """A Python task with links to what it did in MLflow and in the ledger."""

    custom_operator_name = "@step"
    operator_extra_links = (DecisionLink(), MlflowRunLink(), ModelVersionLink())


def step(function: Any = None, **options: Any) -> Any:
    """Like `airflow.sdk.task`, for a step of `titleholder.workflow.steps`: its docstring documents the task."""
    if function is None:
        return functools.partial(step, **options)
    options = {"doc_md": inspect.getdoc(function), "multiple_outputs": False, **options}
    return task_decorator_factory(function, decorated_operator_class=StepOperator, **options)


def schedule_of(spec: ModelSpec) -> Any:
    """When a model's runs start: by the clock, once all its assets were updated, or both."""
    assets = [Asset(name) for name in spec.assets]
    if not assets:
        return spec.schedule
    if spec.schedule is None:
        return assets
    return AssetOrTimeSchedule(timetable=CronTriggerTimetable(spec.schedule, timezone="UTC"), assets=assets)


def retries() -> dict[str, Any]:
    """Broken services are tried again; a bad spec or bad data fails at once, with its message."""
    hopeless = [f"titleholder.errors.{name}" for name in NO_USE_TRYING_AGAIN]
    return {
        "retries": 2,
        "retry_delay": timedelta(seconds=float(os.environ.get("TITLEHOLDER_RETRY_SECONDS", "30"))),
        "retry_exponential_backoff": True,
        "retry_policy": ExceptionRetryPolicy([RetryRule(hopeless, RetryAction.FAIL, reason="no use trying again")]),
    }


def champion(model: str) -> Asset:
    """What other DAGs schedule on: it is updated when another version becomes champion, and only then."""
    return Asset(name=f"{model}.champion", uri=f"titleholder://{model}/champion")


def may_crown(model: str) -> AssetAlias:
    """The outlet of a task that may make another version champion: an alias, for an outlet proper is always updated."""
    return AssetAlias(f"{model}.champion")


def tell(decision: Decision) -> dict[str, Any]:
    """What a task returns about a decision; a change of the live champion also updates its asset."""
    from titleholder.registry.models import Registry
    from titleholder.spec.types import LIVE
    from titleholder.workflow.publishing import summary

    told = summary(decision, Registry(settings().tracking_uri))
    if decision.changed and decision.lane == LIVE:
        what = {"version": decision.champion_after, "before": decision.champion_before, "decision": decision.id}
        events = get_current_context()["outlet_events"]
        events[may_crown(decision.model)].add(champion(decision.model), extra=what)
    return told


def actor(run: Any) -> str:
    """Who asked for a run: a person, or what kind of run Airflow started by itself."""
    return run.triggering_user_name or f"airflow:{getattr(run.run_type, 'value', run.run_type)}"


def settings() -> Settings:
    """Where the services are."""
    from titleholder.settings import Settings

    return Settings.from_environment()
