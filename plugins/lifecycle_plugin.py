"""Registers Titleholder's additions to Airflow; what they are stands in lifecycle_ui."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from lifecycle_ui.links import MlflowRunLink, ModelVersionLink


class LifecyclePlugin(AirflowPlugin):
    """Links from tasks to MLflow."""

    name = "titleholder"
    operator_extra_links = [MlflowRunLink(), ModelVersionLink()]  # noqa: RUF012  (Airflow reads a plain list)
