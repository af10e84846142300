"""What Airflow 3.1 and 3.2 lack of 3.3, and what stands in its place there. Nothing else asks for Airflow's version.

Names that only moved come from `airflow.providers.common.compat`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS, AIRFLOW_V_3_3_PLUS

from titleholder import errors

if TYPE_CHECKING or AIRFLOW_V_3_2_PLUS:
    from airflow.sdk import AssetOrTimeSchedule
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.sdk.execution_time.comms import GetDagRun
else:
    from airflow.sdk.definitions.deadline import AsyncCallback
    from airflow.timetables.assets import AssetOrTimeSchedule

    GetDagRun = None

if TYPE_CHECKING or AIRFLOW_V_3_3_PLUS:
    from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule
    from airflow.sdk.exceptions import TaskAwaitingInput

__all__ = [
    "KEPT_VERSION",
    "WAITING",
    "WAITING_STATE",
    "AssetOrTimeSchedule",
    "AsyncCallback",
    "GetDagRun",
    "add_partition",
    "final",
    "retries",
]

FINAL = (errors.SpecError, errors.UsageError, errors.DataError, errors.TrainingError, errors.SignatureError)
"""Errors that a retry cannot cure."""

WAITING = TaskAwaitingInput if AIRFLOW_V_3_3_PLUS else TaskDeferred
"""What a task raises that waits for people. Before 3.3 the triggerer waits for it."""
WAITING_STATE = "awaiting_input" if AIRFLOW_V_3_3_PLUS else "deferred"
"""The state of such a task."""

KEPT_VERSION: dict[str, Any] = {"rerun_with_latest_version": False} if AIRFLOW_V_3_3_PLUS else {}
"""Arguments of a DAG whose cleared runs keep the version of their bundle, which they do by themselves before 3.3."""


def add_partition(event: Any, key: str) -> None:
    """Give an asset event of a task a partition key; before Airflow 3.3 it has none."""
    if AIRFLOW_V_3_3_PLUS:
        event.add_partitions(key)


def retries() -> dict[str, Any]:
    """Arguments of a task that tell Airflow which errors are `FINAL`; before 3.3 `final` does."""
    if not AIRFLOW_V_3_3_PLUS:
        return {}
    names: list[type[BaseException] | str] = [f"{error.__module__}.{error.__name__}" for error in FINAL]
    return {"retry_policy": ExceptionRetryPolicy([RetryRule(names, RetryAction.FAIL, reason="a retry cannot help")])}


@contextmanager
def final() -> Iterator[None]:
    """Around what a task does: before Airflow 3.3 its task fails for good at a `FINAL` error, with its message."""
    try:
        yield
    except FINAL as error:
        if AIRFLOW_V_3_3_PLUS:
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
