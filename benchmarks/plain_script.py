"""`titleholder run` against what a user would write instead: scikit-learn and MLflow, and no judgement.

    python benchmarks/plain_script.py lending_club_default 2010-07-01 --months 12

The yardstick is a plain script over the same months: pandas.read_sql of the model's own query, a random search of each
candidate with as many trials and time-ordered folds, MLflow's log_model of the better one, its ROC AUC and the
champion's on the newest quarter, and the alias for whichever is higher. It keeps no snapshot, tests no leak, has no
interval, check, card, ledger or lane, and cannot be repeated. Each way is a process of its own, on the running stack
(`make up`); processor seconds are those of that process, imports included. Only for a classification. The script gets
one thread, as every fit of ours has: on a busy machine two wait for each other, and waiting counts as processor time.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from dateutil.relativedelta import relativedelta
from measurement import Row, Used, used_by_command

if TYPE_CHECKING:
    import pandas as pd
    from bench import Case

    from titleholder.spec.model import ModelSpec

NAME = "plain_script"


def read(spec: ModelSpec, as_of: date) -> pd.DataFrame:
    """The rows of the model's own query, in the order of time; `newest` are those of the holdout."""
    import pandas as pd
    from sqlalchemy import create_engine, text

    from titleholder.settings import connection_url
    from titleholder.spec import windows

    spans, columns = windows.intervals(spec, as_of), spec.columns
    engine = create_engine(connection_url(spec.source.connection).replace("postgresql://", "postgresql+psycopg2://"))
    values = {"as_of": as_of, "window_start": spans.train_start, "window_end": spans.matured}
    query = text(re.sub(rf"(?<!:):({'|'.join(values)})\b", r"cast(:\1 as timestamptz)", spec.sql))
    rows = pd.read_sql(query, engine, params=values).sort_values(columns.event_time)
    return rows.assign(newest=rows[columns.event_time] >= pd.Timestamp(spans.holdout_start, tz="UTC"))


def candidates(spec: ModelSpec) -> list[tuple[Any, dict[str, Any]]]:
    """Two pipelines with what is searched of each, as in the shipped specs."""
    from scipy.stats import loguniform
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    numeric, categorical = list(spec.columns.numeric), list(spec.columns.categorical)
    dense = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numeric),
        (OneHotEncoder(handle_unknown="ignore"), categorical),
    )
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    trees = make_column_transformer((codes, categorical), ("passthrough", numeric))
    return [
        (make_pipeline(dense, LogisticRegression(max_iter=2000)), {"logisticregression__C": loguniform(0.001, 10)}),
        (
            make_pipeline(trees, HistGradientBoostingClassifier(max_iter=80, min_samples_leaf=40)),
            {
                "histgradientboostingclassifier__learning_rate": loguniform(0.02, 0.2),
                "histgradientboostingclassifier__max_leaf_nodes": [4, 8, 15],
            },
        ),
    ]


def best_of(spec: ModelSpec, rows: pd.DataFrame) -> Any:
    """The better candidate by log loss on folds in the order of time, fitted on all rows but the newest."""
    from sklearn.model_selection import RandomizedSearchCV, TimeSeriesSplit

    train, search = rows[~rows["newest"]], spec.training.search
    features = [*spec.columns.numeric, *spec.columns.categorical]
    found = [
        RandomizedSearchCV(
            pipeline, space, n_iter=search.trials, cv=TimeSeriesSplit(search.folds), scoring="neg_log_loss",
            random_state=7,
        ).fit(train[features], train[spec.columns.target])
        for pipeline, space in candidates(spec)
    ]  # fmt: skip
    return max(found, key=lambda search: search.best_score_).best_estimator_


def roc_auc(spec: ModelSpec, model: Any, rows: pd.DataFrame) -> float:
    """Of a model on the newest rows."""
    from sklearn.metrics import roc_auc_score

    holdout, features = rows[rows["newest"]], [*spec.columns.numeric, *spec.columns.categorical]
    return float(roc_auc_score(holdout[spec.columns.target], model.predict_proba(holdout[features])[:, 1]))


def plain(model: str, first: date, months: int) -> None:
    """The script: every month trains, compares and sets the alias."""
    import mlflow
    from mlflow import MlflowClient

    from titleholder.settings import Settings
    from titleholder.spec.loader import load_specs

    warnings.filterwarnings("ignore")
    spec = load_specs(only=model)[model]
    mlflow.set_tracking_uri(Settings.from_environment().tracking_uri)
    mlflow.set_experiment(NAME)
    for number in range(months):
        as_of = first + relativedelta(months=number)
        rows = read(spec, as_of)
        best = best_of(spec, rows)
        score, before = roc_auc(spec, best, rows), float("-inf")
        if number:
            before = roc_auc(spec, mlflow.sklearn.load_model(f"models:/{NAME}@champion"), rows)
        with mlflow.start_run(run_name=str(as_of)):
            mlflow.log_metrics({"roc_auc": score, "champion_roc_auc": max(before, 0.0)})
            logged = mlflow.sklearn.log_model(
                best, name="model", registered_model_name=NAME, serialization_format="cloudpickle"
            )
        if score > before:
            MlflowClient().set_registered_model_alias(NAME, "champion", logged.registered_model_version)


def measured(model: str, first: date, months: int, lane: str) -> Iterator[tuple[str, Used]]:
    """What each way uses for the same months, one after the other; ours goes to a lane of its own."""
    last = first + relativedelta(months=months - 1)
    until = ["--until", str(last)] if months > 1 else []
    ours = [sys.executable, "-m", "titleholder.cli.main", "run", model, "--as-of", str(first), *until, "--lane", lane]
    yield (
        "plain script",
        used_by_command([sys.executable, __file__, model, str(first), f"--months={months}", "--plain"]),
    )
    yield "titleholder run", used_by_command(ours)


def rows(case: Case) -> Iterator[Row]:
    """For `make bench`."""
    (_, plainly), (_, ours) = measured(case.model, case.first, 12, "bench")
    yield Row(
        f"titleholder run, 12 months of {case.model}", ours.processor, "cpu s", "plain script", plainly.processor, 1
    )
    yield Row("the same by the clock", ours.clock, "s", "plain script", plainly.clock, 1)
    yield Row("a month, imports included", ours.processor / 12, "cpu s", "3.5 s", 3.5, 1)


def main() -> None:
    """Run both ways, print both and their ratio."""
    from titleholder.cli.local_stack import use_addresses

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="lending_club_default")
    parser.add_argument("first", nargs="?", type=date.fromisoformat, default=date(2010, 7, 1))
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--plain", action="store_true", help="only run the plain script, in this process")
    asked = parser.parse_args()
    use_addresses()
    if asked.plain:
        plain(asked.model, asked.first, asked.months)
        return
    yardstick = None
    print(
        f"{asked.model}, {asked.months} months\n{'way':16} {'processor s':>12} {'ratio':>6} {'seconds':>9} {'ratio':>6}"
    )
    for way, used in measured(asked.model, asked.first, asked.months, f"bench-{time.time():.0f}"):
        yardstick = yardstick or used
        ratios = used.processor / yardstick.processor, used.clock / yardstick.clock
        print(f"{way:16} {used.processor:>12.1f} {ratios[0]:>6.2f} {used.clock:>9.1f} {ratios[1]:>6.2f}", flush=True)


if __name__ == "__main__":
    main()
