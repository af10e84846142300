"""Airflow's local settings: the parent of all tasks imports the scientific stack and the project once, for all of them.

LocalExecutor forks its workers from the scheduler, Celery those of its pool from the main process of `airflow celery
worker`, and each of them forks again for its task: a task finds in memory what that process has imported. Without this
a task spends its first ten seconds importing. A task that finds the project's files changed since imports them anew: it
never works, or says that it works, with another version.

Import only: a thread or an OpenMP region started before the fork would be missing, or locked, after it.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import importlib.util
import os
import sys
from pathlib import Path

_PROJECT = ("titleholder", "titleholder_airflow")
_PRELOADED = (
    "adbc_driver_postgresql.dbapi",
    "alembic.config",
    "croniter",
    "git",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "mlflow",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.tracing.processor.base_mlflow",
    "mlflow.tracking.request_header.registry",
    "narwhals._pandas_like.namespace",
    "numpy",
    "optuna",
    "pandas",
    "pandera.backends.pandas.builtin_checks",
    "pandera.backends.pandas.register",
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
    matplotlib.use("Agg")  # tasks draw to files, never to a screen
    _import_without_airflow("skops.io")
    for name in _PRELOADED:
        importlib.import_module(name)
    if os.environ.get("TITLEHOLDER_SNAPSHOTS", "").startswith("s3://"):
        importlib.import_module("s3fs")
    # Whoever logs a model asks MLflow what is installed: 0.3 s that each process would need for itself.
    importlib.import_module("mlflow.utils.requirements_utils").warn_dependency_requirement_mismatches(["mlflow"])
    importlib.import_module("narwhals.dependencies").is_into_dataframe(object())  # scikit-learn asks for its plugins
    imported = _files()
    if imported:
        importlib.import_module("titleholder.workflow.steps")
        importlib.import_module("titleholder.reports.rendering").compile_templates()
        os.register_at_fork(before=_preload_dags, after_in_child=lambda: _forget_changed(imported))


@functools.cache  # once: forks inherit it, and what is garbage at a later fork must not be kept for ever
def _preload_dags() -> None:
    """What DAG files import and read, just before the first fork: Airflow cannot be imported while this file is read.

    What is in memory then is left alone by the collector, whose marks would copy each page into each task.
    """
    for name in ("titleholder_airflow.dags", "titleholder_airflow.plugin"):
        importlib.import_module(name)
    with contextlib.suppress(importlib.import_module("titleholder.errors").UsageError):  # no folder of models here
        importlib.import_module("titleholder.spec.loader").load_specs()
    gc.freeze()


def _files() -> dict[str, int]:
    """The project's modules, with the time of their last change in nanoseconds; none where it is not installed."""
    specs = [importlib.util.find_spec(name) for name in _PROJECT]
    folders = [folder for spec in specs if spec for folder in spec.submodule_search_locations or ()]
    return {str(file): file.stat().st_mtime_ns for folder in folders for file in Path(folder).rglob("*.py")}


def _forget_changed(imported: dict[str, int]) -> None:
    """Forget the project where its files are not those that were imported: the next import reads them."""
    if _files() != imported:
        for name in [name for name in sys.modules if name.partition(".")[0] in _PROJECT]:
            del sys.modules[name]


def _import_without_airflow(name: str) -> None:
    """Import a module that inspects every loaded module, while Airflow's are hidden.

    skops looks up each of scipy's functions in each loaded module. Airflow's lazy modules need seconds for that and log
    two thousand warnings. Neither skops nor what it imports uses Airflow.
    """
    airflow = {key: module for key, module in sys.modules.items() if key.partition(".")[0] == "airflow"}
    for key in airflow:
        del sys.modules[key]
    try:
        importlib.import_module(name)
    finally:
        sys.modules.update(airflow)


def forks_tasks(arguments: list[str], executors: str) -> bool:
    """Whether this process does. To others the imports would only cost time and memory.

    >>> forks_tasks(["celery", "worker", "--queues", "default"], "CeleryExecutor")
    True
    >>> forks_tasks(["scheduler"], "CeleryExecutor")
    False
    """
    return arguments[:2] == ["celery", "worker"] or (arguments[:1] == ["scheduler"] and "LocalExecutor" in executors)


def _beat() -> None:
    """Let the main process of a Celery worker touch a file at each heartbeat: `compose/healthy.py` reads its age.

    It sends one every two seconds, from the loop in which it also takes tasks, while it has a connection to the broker.
    """
    file = Path(os.environ["AIRFLOW_HOME"]) / "worker.heartbeat"
    importlib.import_module("celery.signals").heartbeat_sent.connect(lambda **_: file.touch(), weak=False)


if forks_tasks(sys.argv[1:], os.environ.get("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")):
    _preload()
if sys.argv[1:3] == ["celery", "worker"] and "AIRFLOW_HOME" in os.environ:
    _beat()
