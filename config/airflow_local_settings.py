"""Airflow's local settings: the scheduler imports the scientific stack once, and tasks get it for nothing.

LocalExecutor forks its workers from the scheduler and each worker forks again for its task, so whatever the
scheduler has imported a task finds in memory. Without this a task spends its first ten seconds importing.

Import only: a thread or an OpenMP region started before the fork would be missing, or locked, after it.
"""

from __future__ import annotations

import importlib
import sys

# Not the project's own package: it costs a task little, and an edit of it takes effect with the next task.
_PRELOADED = (
    "adbc_driver_postgresql.dbapi",
    "alembic.config",
    "croniter",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "mlflow",
    "mlflow.sklearn",
    "numpy",
    "optuna",
    "pandas",
    "pandera.pandas",
    "psycopg2",
    "pyarrow",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "yaml",
)


def _preload() -> None:
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")  # tasks draw into files, never on a screen
    _import_apart_from_airflow("skops.io")
    for name in _PRELOADED:
        importlib.import_module(name)


def _import_apart_from_airflow(name: str) -> None:
    """Import a module that looks into every loaded one.

    skops asks each loaded module for each of scipy's functions, and Airflow's lazy modules answer with two thousand
    warnings and seconds of searching. Neither skops nor what it imports uses Airflow.
    """
    airflow = {key: module for key, module in sys.modules.items() if key.partition(".")[0] == "airflow"}
    for key in airflow:
        del sys.modules[key]
    try:
        importlib.import_module(name)
    finally:
        sys.modules.update(airflow)


# Other components never fork tasks: they would pay for the imports and gain nothing.
if "scheduler" in sys.argv[1:2]:
    _preload()
