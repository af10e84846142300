"""A native backfill of ours against one of the usual kind of DAG: pandas.read_sql, autolog, fit, compare, set alias.

    python benchmarks/bench.py usual

The usual DAG has three tasks: it reads the rows of the model's own query, fits the candidates of `plain_script.py`
under mlflow.autolog, and moves the alias to the new version if its ROC AUC on the newest quarter is higher than that of
the champion then. Its champion depends on the order in which months finish. Twelve months, 4 at a time, on the same
Airflow, first the one, then the other; models are fitted in one thread in both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measurement import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Case

MONTHS, AT_ONCE = 12, 4
STUB = """import sys
sys.path.append({benchmarks!r})
from airflow.sdk import DAG
from usual_dag import build
usual = build({model!r})
"""


def build(model: str) -> Any:
    """The DAG `usual`, for Airflow."""
    from airflow.sdk import dag, task

    start = datetime(2005, 1, 1, tzinfo=UTC)

    @dag(dag_id="usual", schedule="@monthly", start_date=start, catchup=False, max_active_runs=16)
    def usual() -> None:
        @task
        def extract(logical_date: Any = None) -> str:
            import os
            import tempfile

            from plain_script import read

            path = Path(tempfile.mkdtemp(dir=os.environ["TITLEHOLDER_STATE"])) / "rows.parquet"  # goes with the stack
            read(_spec(model), logical_date.date()).to_parquet(path)
            return str(path)

        @task
        def train(path: str) -> str:
            import mlflow
            import pandas as pd
            from plain_script import best_of
            from threadpoolctl import threadpool_limits

            _connect(mlflow)
            mlflow.sklearn.autolog(log_models=False, silent=True)
            with threadpool_limits(1), mlflow.start_run() as run:
                best = best_of(_spec(model), pd.read_parquet(path))
                mlflow.sklearn.log_model(
                    best, name="model", registered_model_name="usual", serialization_format="cloudpickle"
                )
            return str(run.info.run_id)

        @task
        def promote(path: str, trained: str) -> None:
            import mlflow
            import pandas as pd
            from plain_script import roc_auc

            _connect(mlflow)
            client, rows, spec = mlflow.MlflowClient(), pd.read_parquet(path), _spec(model)
            (own,) = client.search_model_versions(f"run_id = '{trained}'")
            score = roc_auc(spec, mlflow.sklearn.load_model(f"models:/usual/{own.version}"), rows)
            try:
                before = roc_auc(spec, mlflow.sklearn.load_model("models:/usual@champion"), rows)
            except mlflow.exceptions.MlflowException:
                before = 0.0  # no champion yet
            client.log_metric(trained, "roc_auc", score)
            if score > before:
                client.set_registered_model_alias("usual", "champion", own.version)

        path = extract()
        promote(path, train(path))

    return usual()


def _spec(model: str) -> Any:
    from titleholder.spec.loader import load_specs

    return load_specs(only=model)[model]


def _connect(mlflow: Any) -> None:
    from titleholder.settings import Settings

    mlflow.set_tracking_uri(Settings.from_environment().tracking_uri)
    mlflow.set_experiment("usual")


def rows(case: Case) -> Iterator[Row]:
    """For `make bench`."""
    from backfill import run

    from localstack.airflow import Airflow
    from localstack.state import State

    airflow, months, took = Airflow.of(State.locate()), case.months(MONTHS), {}
    for dag in ("usual", f"{case.model}.retrain"):
        airflow.wait_for_dag(dag)
        airflow.pause(dag, False)
        took[dag] = run(airflow, dag, months, AT_ONCE, "bench-usual")
    ours, usual = took[f"{case.model}.retrain"], took["usual"]
    yield Row(f"{MONTHS} months of {case.model}, {AT_ONCE} at a time", ours, "s", "the usual DAG", usual, 1)
