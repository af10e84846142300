"""Steps of a retrain in pods of their own: the task builds the payload, waits for the pod, and verifies its answer.

The container runs `titleholder step VERB env:TITLEHOLDER_PAYLOAD`. It has no signing key: what it returns is data, is
compared with what it was given, and signed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.xcom_sidecar import PodDefaults
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from kubernetes.client import models as k8s

from titleholder.errors import DataError, UsageError
from titleholder.masking import secrets_in
from titleholder.spec.resources import Resources
from titleholder_airflow import metrics, resources
from titleholder_airflow.tasks import Handover, publish, settings

if TYPE_CHECKING:
    from airflow.sdk import Context

RETURNED = f"{PodDefaults.XCOM_MOUNT_PATH}/return.json"
"""Where the sidecar of the pod expects the result."""
OURS = frozenset(
    ("arguments", "base_container_name", "cmds", "do_xcom_push", "full_pod_spec", "multiple_outputs", "op_args",
     "skip_on_exit_code", "task_id")
)  # fmt: skip
"""Arguments of the operator that say what runs and how it answers."""
PERMANENT = (1, 2)
"""Exit codes of the command that no retry cures: unusable data, an invalid request. 3 is a service that is down."""


class PodStep(Handover, KubernetesPodOperator):
    """A task that runs one step in a pod."""

    custom_operator_name = "@step in a pod"
    env_vars: Any
    template_fields = ("op_args", *KubernetesPodOperator.template_fields)

    def __init__(self, *, verb: str, op_args: Sequence[Any] = (), **options: Any) -> None:
        self.keep_sources(op_args, {})
        super().__init__(**options)
        self.verb, self.op_args, self.op_kwargs = verb, list(op_args), {}

    def execute(self, context: Context) -> Any:
        """Run the step in a pod, and wait for it."""
        with metrics.observed(self.verb):
            if (order := self._order(context)) is None:
                return None
            return self._answered(order, self._in_pod(context, order), context)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """The same where the triggerer has waited for the pod."""
        with metrics.observed(self.verb):
            order = self._order(context)
            try:
                returned = super().trigger_reentry(context, event)
            except AirflowException as error:
                raise self._failure(error) from error
            return self._answered(order, returned, context)

    def _order(self, context: Context) -> Any:
        from titleholder_airflow import orders

        self.receive(context["ti"])
        return orders.ORDERS[self.verb](*self.op_args, context)

    def _in_pod(self, context: Context, order: Any) -> Any:
        from titleholder.workflow import remote

        given = k8s.V1EnvVar(name=remote.VARIABLE, value=remote.packed(order))
        self.env_vars = [*_variables(self.env_vars), given]
        try:
            return super().execute(context)
        except AirflowException as error:
            raise self._failure(error) from error

    def _answered(self, order: Any, returned: Any, context: Context) -> Any:
        from titleholder.workflow import remote

        done: dict[str, Any] | None = remote.verified(self.verb, order, returned)
        if self.verb == "promote":
            done = _published(done)
        return self.hand_on(None if self.verb == "report" else done, context["ti"])

    def _failure(self, error: AirflowException) -> Exception:
        """An error after which nothing is tried again, where the command says that this cannot help."""
        code = _exit_code(self.remote_pod or self.pod, self.base_container_name)
        if code not in PERMANENT:
            return error
        return AirflowFailException(f"{self.verb} ended with exit code {code}, which a retry cannot cure: {error}")


def _published(summary: dict[str, Any] | None) -> dict[str, Any]:
    """The decision as the ledger has it: assets and notifications follow the ledger, not what a container says."""
    from titleholder.ledger import store
    from titleholder.workflow import publication

    decision = store.decision(settings().ledger_url, (summary or {})["id"])
    if publication.summary(decision) != summary:
        raise DataError(f"promote: what the container returned is not what the ledger has as decision {decision.id}")
    return publish(decision)


def _exit_code(pod: Any, container: str) -> int | None:
    """Of the container that ran the step; None where it did not end by itself."""
    statuses = (pod.status.container_statuses if pod and pod.status else None) or []
    ended = next((s.state.terminated for s in statuses if s.name == container and s.state), None)
    return ended.exit_code if ended else None


class InPod:
    """Every step runs in a pod of its own, made with these arguments of `KubernetesPodOperator`."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        if found := sorted(OURS & set(arguments)):
            raise UsageError(f"build_dags: `pod` has {', '.join(found)}, which Titleholder sets itself")
        if not arguments.get("image"):
            raise UsageError("build_dags: run_in='pod' needs the image: pod={'image': …, …}")
        for variable in _variables(arguments.get("env_vars") or []):
            if secrets_in({variable.name: variable.value or ""}):
                raise UsageError(
                    f"build_dags: env_vars of `pod` has a secret in {variable.name}, which everybody who may see the "
                    "pod could read. Keep it in a Kubernetes secret, and name that in `env_from` or `secrets`"
                )
        self._arguments = {"log_pod_spec_on_failure": False, **arguments}

    def task(self, step: Any, *args: Any, needs: Resources | None = None, **options: Any) -> Any:
        """See `titleholder_airflow.placement.Placement`."""
        verb = step.function.__name__
        given = {"task_id": verb, **step.kwargs, **self._arguments, **options}
        given |= resources.pod_arguments(needs) if needs else {}
        given.pop("multiple_outputs", None)
        links = step.operator_class.operator_extra_links
        made = type("PodStep", (PodStep,), {"operator_extra_links": links})
        return made(
            verb=verb,
            op_args=args,
            cmds=["titleholder"],
            arguments=["step", verb, "env:TITLEHOLDER_PAYLOAD", "--output", RETURNED],
            do_xcom_push=True,
            **given,
        ).output


def _variables(given: Any) -> list[Any]:
    """Environment variables of a pod, in either way of writing them, as a list."""
    if isinstance(given, Mapping):
        return [k8s.V1EnvVar(name=name, value=value) for name, value in given.items()]
    return list(given)
