"""What the tasks of both kinds of DAG share: the decorator, retries, and the event of a new champion."""

from __future__ import annotations

import functools
import inspect
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, mask_secret
from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.sdk import Asset, AssetAlias, BaseHook, get_current_context
from airflow.sdk.bases.decorator import task_decorator_factory

from titleholder import masking
from titleholder.call_stack import with_room
from titleholder_airflow import bundles, metrics, signing, store, urls, versions
from titleholder_airflow.requesters import requesters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import BaseOperatorLink, Context
    from pydantic import JsonValue

    from titleholder.ledger.decision import Decision
    from titleholder.settings import Settings
    from titleholder.spec.model import ModelSpec
    from titleholder.workflow.payloads import Origin


class Handover:
    """What operators of steps share: what they get of other tasks is verified first, and what they return is signed."""

    op_args: Any
    op_kwargs: Any
    verb: str
    """The name of the step."""
    lineage: Any = None
    """What OpenLineage is told, where it is installed and the step has ended."""

    def keep_sources(self, op_args: Sequence[Any], op_kwargs: Mapping[str, Any]) -> None:
        """Note which tasks the arguments come from, while the DAG is built."""
        self.sources = [*map(signing.source, op_args)], {k: signing.source(value) for k, value in op_kwargs.items()}

    def receive(self, ti: Any) -> None:
        """Put the verified payloads in the place of the signed arguments."""
        signing.need_key()
        positional, named = self.sources
        self.op_args = [signing.received(*both, ti) for both in zip(self.op_args, positional, strict=True)]
        self.op_kwargs = {name: signing.received(value, named[name], ti) for name, value in self.op_kwargs.items()}

    def hand_on(self, result: dict[str, Any] | None, ti: Any) -> dict[str, Any] | None:
        """The result, signed."""
        self.lineage = self._lineage(result)
        return None if result is None else signing.sign(result, signing.Place.of(ti))

    def _lineage(self, result: dict[str, Any] | None) -> Any:
        try:
            from titleholder_airflow import lineage
        except ImportError:
            return None
        return lineage.of(self.verb, [*self.op_args, *self.op_kwargs.values()], result)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002
        """What the step read and made: Airflow's OpenLineage provider asks for it when a task has ended."""
        return self.lineage


class StepOperator(Handover, _PythonDecoratedOperator):
    """A Python task of a step."""

    custom_operator_name = "@step"

    def __init__(
        self, *, op_args: Sequence[Any] = (), op_kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        self.keep_sources(op_args, op_kwargs or {})
        super().__init__(op_args=op_args, op_kwargs=op_kwargs, show_return_value_in_logs=False, **options)
        self.verb = self.python_callable.__name__

    @versions.final()
    def execute(self, context: Context) -> Any:
        """Run the step."""
        with metrics.observed(self.verb):
            self.receive(context["ti"])
            return self.hand_on(with_room(super().execute, context), context["ti"])


def step(function: Any = None, links: Sequence[BaseOperatorLink] = (), **options: Any) -> Any:
    """Like `airflow.sdk.task`, for a step of `titleholder.workflow.steps`: its docstring documents the task.

    `links` are its buttons: to what it does in MLflow and in the ledger. Each costs the task two requests.
    """
    if function is None:
        return functools.partial(step, links=links, **options)
    options = {"doc_md": inspect.getdoc(function), "multiple_outputs": False, **options}
    linked = type("StepOperator", (StepOperator,), {"operator_extra_links": tuple(links)})
    return task_decorator_factory(function, decorated_operator_class=linked, **options)


def task_arguments(spec: ModelSpec) -> dict[str, Any]:
    """What all tasks of a model have: its owner, the longest a try may take, and what is tried again.

    An unreachable service is; an invalid spec or invalid data fails at once. Airflow goes on counting the tries of a
    task that was cleared: without a longest delay the seventh would wait for a quarter of an hour and more.
    """
    delay = timedelta(seconds=float(os.environ.get("TITLEHOLDER_RETRY_SECONDS", "30")))
    return {
        "owner": spec.owner,
        "execution_timeout": longest(spec.timeouts.task),
        "retries": 2,
        "retry_delay": delay,
        "retry_exponential_backoff": True,
        "max_retry_delay": 4 * delay,
        **versions.retries(),
    }


def longest(time: timedelta) -> timedelta:
    """A span of a spec as a task argument: Airflow cannot serialise a subclass."""
    return timedelta(seconds=time.total_seconds())


def champion_asset(model: str) -> Asset:
    """What other DAGs schedule on: it is updated when another version becomes live champion, and only then."""
    return Asset(name=f"{model}.champion", uri=f"titleholder://{model}/champion")


def wanted_asset(model: str) -> Asset:
    """What a retrain of a model listens to where its spec says so: it is updated when the monitor asks for one."""
    return Asset(name=f"{model}.retrain_wanted", uri=f"titleholder://{model}/retrain-wanted")


def champion_outlet(model: str) -> AssetAlias:
    """The outlet of a task that may change the champion: an alias, because an asset as outlet is always updated."""
    return AssetAlias(f"{model}.champion")


def publish(decision: Decision) -> dict[str, Any]:
    """A decision's summary for XCom; a change of the live champion also updates the model's asset."""
    from titleholder.spec.types import LIVE
    from titleholder.workflow.publication import summary

    if decision.changed and decision.lane == LIVE:
        change: dict[str, JsonValue] = {
            "version": decision.champion_after,
            "before": decision.champion_before,
            "decision": decision.id,
        }
        events = get_current_context()["outlet_events"]
        events[champion_outlet(decision.model)].add(champion_asset(decision.model), extra=change)
    metrics.decided(decision)
    return summary(decision)


def origin(context: Mapping[str, Any]) -> Origin:
    """Who started the run of a task, why, and where people see the run."""
    from titleholder.workflow.payloads import Origin

    run = context["dag_run"]
    return Origin(
        actor=actor(run),
        requesters=requesters(run),
        airflow_run=f"{run.dag_id}/{run.run_id}",
        reason=context["params"]["reason"] or "",
        url=urls.run(run.dag_id, run.run_id),
        decisions=urls.decisions(),
        bundle=bundles.current(context["ti"]),
    )


def actor(run: Any) -> str:
    """Who started a run: a person, or the kind of run that Airflow started by itself, as in `airflow:scheduled`."""
    return run.triggering_user_name or f"airflow:{getattr(run.run_type, 'value', run.run_type)}"


def connection_url(connection: str) -> str:
    """The address of a connection of Airflow: from its database, a secrets backend or the environment.

    Raises:
        UsageError: when Airflow does not know it, with the nearest name of the environment.
    """
    from titleholder.errors import UsageError
    from titleholder.settings import unknown_connection

    try:
        return str(BaseHook.get_connection(connection).get_uri())
    except AirflowNotFoundException:
        raise UsageError(
            f"{unknown_connection(connection)}. Airflow has none of this name either (Admin → Connections)"
        ) from None


def settings() -> Settings:
    """Where the services are. From then on Airflow masks the secrets of their variables in the task's log.

    The object store is reached with the connection that `TITLEHOLDER_STORE_CONNECTION` names, if it does.
    """
    from titleholder.settings import Settings

    _mask_secrets()
    found = Settings.from_environment()
    store.configure(found.snapshots)
    return found


@functools.cache
def _mask_secrets() -> None:
    for secret in masking.secrets():
        mask_secret(secret)
