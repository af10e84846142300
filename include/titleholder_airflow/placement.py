"""Where the steps of a retrain run: in their Airflow tasks, or in pods that these start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from titleholder.errors import UsageError
from titleholder.spec.resources import Resources
from titleholder_airflow import resources

IN_TASK = "task"
PLACES = (IN_TASK, "pod")


class Placement(Protocol):
    """Makes the Airflow task of a step."""

    def task(self, step: Any, *args: Any, needs: Resources | None = None, **options: Any) -> Any:
        """What the task of this step returns; `needs` are what the spec says of its resources."""


class InTask:
    """Every step runs in the process of its Airflow task."""

    def task(self, step: Any, *args: Any, needs: Resources | None = None, **options: Any) -> Any:
        """See `Placement`."""
        given = options | (resources.arguments(needs) if needs else {})
        return (step.override(**given) if given else step)(*args)


def placement(run_in: str, pod: Mapping[str, Any] | None) -> Placement:
    """The placement that a DAG file asks for.

    Raises:
        UsageError: there is no such place, or the pod's arguments are missing, not allowed, or have secrets.
    """
    if run_in not in PLACES:
        raise UsageError(f"build_dags: run_in is {run_in!r}; there are {', '.join(map(repr, PLACES))}")
    if run_in == IN_TASK:
        if pod:
            raise UsageError("build_dags: `pod` has arguments of a pod, and run_in is 'task'; say run_in='pod'")
        return InTask()
    try:
        from titleholder_airflow.pods import InPod
    except ImportError as error:
        raise UsageError(
            "build_dags: run_in='pod' needs the provider cncf.kubernetes, which is not installed: pip install "
            f"'titleholder[kubernetes]', wherever DAG files are read and tasks run ({error})"
        ) from None
    return InPod(pod or {})
