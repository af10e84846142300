"""Registers Titleholder's plugin where the package is on the path but not installed, and so has no entry point."""

from importlib.metadata import PackageNotFoundError, distribution

try:
    # Each task asks: the entry points of one distribution, not those of all.
    installed = distribution("titleholder").entry_points.select(group="airflow.plugins", name="titleholder")
except PackageNotFoundError:
    installed = None

if not installed:
    from titleholder_airflow.plugin import TitleholderPlugin  # noqa: F401
