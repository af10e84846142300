"""Buttons on a task: its MLflow run, its model version, and the decision it wrote."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.xcom import BaseXCom

from titleholder.errors import TitleholderError
from titleholder.registry import urls as mlflow_urls
from titleholder.settings import need
from titleholder_airflow import signing, urls


class MlflowRunLink(BaseOperatorLink):
    """The task's own MLflow run: the candidate's for `train`, the retraining's for all others."""

    name = "MLflow run"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:  # noqa: ARG002
        """The run's address; empty where the task has none. Airflow calls it on the worker when the task ends."""
        reference = _result(ti_key)
        run_id = reference.get("mlflow_run_id") or reference.get("run_id") or _snapshot(reference).get("run_id")
        return mlflow_urls.run(need("MLFLOW_TRACKING_URI"), run_id) if run_id else ""


class ModelVersionLink(BaseOperatorLink):
    """The model version that the task made or judged."""

    name = "Model version"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:  # noqa: ARG002
        """The version's address; empty where there is none yet. Airflow calls it on the worker when the task ends."""
        reference = _result(ti_key)
        challenger = reference.get("challenger", reference)
        version = challenger.get("version") or reference.get("challenger_version") or reference.get("champion_after")
        model = _snapshot(reference).get("spec", {}).get("name") or reference.get("model")
        return mlflow_urls.version(need("MLFLOW_TRACKING_URI"), model, version) if model and version else ""


class DecisionLink(BaseOperatorLink):
    """The decision that the task wrote, on the page Champions."""

    name = "Decision"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:  # noqa: ARG002
        """The page's address; empty where the task wrote none. Airflow calls it on the worker when the task ends."""
        number = _result(ti_key).get("id")  # only a decision has one
        return urls.decision(number) if number else ""


def _result(ti_key: Any) -> dict[str, Any]:
    """What the task handed on; empty where it handed on nothing, or something else is there now."""
    try:
        return signing.opened(BaseXCom.get_value(ti_key=ti_key, key=signing.RESULT), signing.Place.of(ti_key))
    except TitleholderError:
        return {}


def _snapshot(reference: dict[str, Any]) -> dict[str, Any]:
    challenger = reference.get("challenger")
    inner = challenger if isinstance(challenger, dict) else reference
    found = inner.get("snapshot", {})
    return found if isinstance(found, dict) else {}
