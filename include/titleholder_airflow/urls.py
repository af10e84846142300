"""Addresses of Airflow's pages, for notifications, MLflow and buttons.

All begin with `[api] base_url`, which may have a path of its own; without it every address is empty.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import conf

PAGE, ROUTE = "/titleholder", "champions"
"""Where the page is below Airflow's own path, and its name in Airflow's navigation."""


def base() -> str:
    """Where people reach Airflow; empty where `[api] base_url` is not set."""
    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/")


def path() -> str:
    """The path under which people reach Airflow; empty where it has the host for itself."""
    return urlsplit(base()).path


def run(dag_id: str, run_id: str) -> str:
    """A run of a DAG."""
    return f"{base()}/dags/{_part(dag_id)}/runs/{_part(run_id)}" if base() else ""


def tab(dag_id: str, run_id: str, task_id: str, name: str) -> str:
    """A tab of a task, such as `required_actions`."""
    return f"{run(dag_id, run_id)}/tasks/{_part(task_id)}/{name}" if base() else ""


def decision(number: object) -> str:
    """A decision on the page Champions."""
    return f"{decisions()}{number}" if base() else ""


def decisions() -> str:
    """The address to which a decision's number is appended.

    Airflow shows in its frame the path that follows /plugin/champions, prefix included.
    """
    return f"{base()}/plugin/{ROUTE}{path()}{PAGE}/decisions/" if base() else ""


def _part(name: str) -> str:
    return quote(name, safe="")
