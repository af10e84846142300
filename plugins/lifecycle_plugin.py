"""Registers Titleholder's additions to Airflow; what they are stands in lifecycle_ui."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from lifecycle_ui.links import DecisionLink, MlflowRunLink, ModelVersionLink


class LifecyclePlugin(AirflowPlugin):
    """Links from tasks to MLflow and to the page Champions."""

    name = "titleholder"
    operator_extra_links = [  # noqa: RUF012  (Airflow reads a plain list)
        MlflowRunLink(),
        ModelVersionLink(),
        DecisionLink(),
    ]
