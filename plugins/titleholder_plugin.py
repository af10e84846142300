"""Registers Titleholder's plugin where the package is on the path but not installed, and so has no entry point."""

from importlib.metadata import entry_points

if not entry_points(group="airflow.plugins", name="titleholder"):
    from titleholder_airflow.plugin import TitleholderPlugin  # noqa: F401
