"""Titleholder inside Airflow: every model's DAGs, their tasks, and the page Champions.

A DAG file of one's own needs three lines:

    from titleholder_airflow import build_dags

    build_dags(globals(), models="/opt/models")

The plugin (the page and the buttons on tasks) registers itself once the package is installed.
"""

from __future__ import annotations

from typing import Any

__all__ = ["build_dags", "report_missing_dags"]


def __getattr__(name: str) -> Any:
    """Import on first use: Airflow also imports this package for its plugin and provider information."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from titleholder_airflow import dags

    return getattr(dags, name)
