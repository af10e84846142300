"""Where a candidate is trained, and with how much, as arguments of its task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from titleholder.errors import SpecError

if TYPE_CHECKING:
    from titleholder.spec.resources import Pod, Resources

CONTAINER = "base"
"""What Airflow calls the container of a task's pod."""
QUEUE = "TITLEHOLDER_TRAINING_QUEUE"
"""The variable, of the process that reads DAG files, with the queue of trainings whose spec names none."""


def arguments(resources: Resources) -> dict[str, Any]:
    """The arguments of an Airflow task; none for what is left out, so that Airflow's own defaults hold.

    The queue alone has a default of this installation, TITLEHOLDER_TRAINING_QUEUE.

    Raises:
        SpecError: a pod is wanted, and the library that describes one is not installed.
    """
    plain = resources.model_dump(exclude_none=True, exclude_defaults=True, exclude={"pod"})
    if usual := os.environ.get(QUEUE):
        plain = {"queue": usual, **plain}
    if resources.pod is None:
        return plain
    return {**plain, "executor_config": {"pod_override": _pod(resources.pod)}}


def pod_arguments(resources: Resources) -> dict[str, Any]:
    """The same of a task that starts a pod for its step: the pod's own, and the task's queue, pool and priority."""
    from kubernetes.client import models as k8s

    found = resources.model_dump(exclude_none=True, exclude_defaults=True, exclude={"pod"})
    if (pod := resources.pod) is None:
        return found
    if amounts := _amounts(pod):
        found["container_resources"] = k8s.V1ResourceRequirements(requests=amounts, limits=amounts)
    return found | {k: v for k, v in (("image", pod.image), ("node_selector", pod.node_selector)) if v}


def _amounts(pod: Pod) -> dict[str, str]:
    return {name: value for name, value in (("memory", pod.memory), ("cpu", pod.cpu)) if value}


def _pod(pod: Pod) -> Any:
    try:
        from kubernetes.client import models as k8s
    except ImportError:
        raise SpecError(
            "training.resources.pod needs the library kubernetes, which is not installed: "
            "pip install 'titleholder[kubernetes]', wherever DAG files are read"
        ) from None
    amounts = _amounts(pod)
    container = k8s.V1Container(
        name=CONTAINER,
        image=pod.image,
        resources=k8s.V1ResourceRequirements(requests=amounts, limits=amounts) if amounts else None,
    )
    return k8s.V1Pod(spec=k8s.V1PodSpec(containers=[container], node_selector=pod.node_selector or None))
