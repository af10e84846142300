"""Registers Titleholder's additions to Airflow; what they are stands in lifecycle_ui."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.configuration import conf

from lifecycle_ui.links import MlflowRunLink, ModelVersionLink

PREFIX = "/titleholder"
ROOT = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
"""The path under which a proxy shows Airflow; empty where there is none."""


async def champions(scope: Any, receive: Any, send: Any) -> None:
    """The page, as an ASGI application. It is imported with the first request: tasks load plugins too."""
    from lifecycle_ui.app import app

    await app(scope, receive, send)


class LifecyclePlugin(AirflowPlugin):
    """Links from tasks to MLflow, and the page "Champions"."""

    name = "titleholder"
    operator_extra_links = [MlflowRunLink(), ModelVersionLink()]  # noqa: RUF012  (Airflow reads a plain list)
    fastapi_apps = [{"app": champions, "url_prefix": PREFIX, "name": "Titleholder"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Champions",
            "href": f"{ROOT}{PREFIX}/",
            "destination": "nav",
            "url_route": "champions",
            "icon": f"{ROOT}{PREFIX}/static/crown.svg",
            "icon_dark_mode": f"{ROOT}{PREFIX}/static/crown-dark.svg",
            "nav_top_level": True,
        }
    ]
