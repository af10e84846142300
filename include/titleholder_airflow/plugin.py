"""The plugin that Airflow loads: buttons on tasks, the models' timetables, and the page Champions in the navigation."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from titleholder_airflow import urls
from titleholder_airflow.links import DecisionLink, MlflowRunLink, ModelVersionLink
from titleholder_airflow.schedule import BackfillTimetable, BoundedCronTimetable

PAGE = f"{urls.path()}{urls.PAGE}"
"""Where the page is on Airflow's host."""


async def champions(scope: Any, receive: Any, send: Any) -> None:
    """The page, as an ASGI application. It is imported with the first request: tasks load plugins too."""
    from titleholder_airflow.page.routes import app

    await app(scope, receive, send)


class TitleholderPlugin(AirflowPlugin):
    """Links from tasks to MLflow and to decisions, the models' timetables, and the page Champions."""

    name = "titleholder"
    operator_extra_links = [  # noqa: RUF012  (Airflow reads a plain list)
        MlflowRunLink(),
        ModelVersionLink(),
        DecisionLink(),
    ]
    timetables = [BoundedCronTimetable, BackfillTimetable]  # noqa: RUF012
    fastapi_apps = [{"app": champions, "url_prefix": urls.PAGE, "name": "Titleholder"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Champions",
            "href": f"{PAGE}/",
            "destination": "nav",
            "url_route": urls.ROUTE,
            "icon": f"{PAGE}/static/crown.svg",
            "icon_dark_mode": f"{PAGE}/static/crown-dark.svg",
            "nav_top_level": True,
        }
    ]
