"""Airflow's local settings: the scheduler imports the scientific stack once, and tasks get it for nothing.

LocalExecutor forks its workers from the scheduler and each worker forks again for its task, so whatever the
scheduler has imported a task finds in memory. Without this a task spends its first ten seconds importing.

Import only: a thread or an OpenMP region started before the fork would be missing, or locked, after it.
"""

from __future__ import annotations

import importlib
import sys

_PRELOADED = (
    "adbc_driver_postgresql.dbapi",
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
    "skops.io",
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
    for name in _PRELOADED:
        importlib.import_module(name)
    try:
        importlib.import_module("titleholder.steps")
    except ModuleNotFoundError as error:
        if error.name != "titleholder.steps":
            raise


# Other components never fork tasks: they would pay for the imports and gain nothing.
if "scheduler" in sys.argv[1:2]:
    _preload()
