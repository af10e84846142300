"""What the reasons for scores cost, by estimator: rows for each second of the processor.

`python benchmarks/reasons.py`, half a minute, no service. 12 numbers and one category; trees: 100, of up to 31 leaves
(XGBoost: of depth 6), trained on the rows that are scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import tables

from titleholder.data import features
from titleholder.spec.model import ModelSpec
from titleholder.spec.scoring import ReasonsAsked
from titleholder.training import pipeline, search
from titleholder.training.reasons import Reasons

ROWS, NUMBERS = 20_000, [f"f{n}" for n in range(12)]
ESTIMATORS: dict[str, dict[str, Any]] = {
    "sklearn.linear_model.LogisticRegression": {},
    "sklearn.ensemble.HistGradientBoostingClassifier": {"max_iter": 100, "early_stopping": False},
    "lightgbm.LGBMClassifier": {"n_estimators": 100, "verbose": -1},
    "xgboost.XGBClassifier": {"n_estimators": 100, "max_depth": 6},
}


def spec(estimator: str) -> ModelSpec:
    """A model of this estimator alone."""
    return ModelSpec.restore(
        {
            "name": "reasons", "owner": "bench", "start_date": "2020-01-01", "task": "classification",
            "source": {"connection": "warehouse", "query": "x.sql"},
            "columns": {
                "entity": "id", "event_time": "at", "target": "bad", "numeric": NUMBERS, "categorical": ["kind"],
            },
            "windows": {"label_maturity": "1 month", "train": "6 months", "holdout": "2 months"},
            "training": {"candidates": {"it": {"estimator": estimator, "params": ESTIMATORS[estimator]}}},
            "judgement": {"metric": "roc_auc"},
            "sql": "select :as_of, :window_start, :window_end",
        }
    )  # fmt: skip


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Of the processor, and what the work gave."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def measured() -> Iterator[list[str]]:
    """A line for each estimator."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=ROWS) for name in NUMBERS}).assign(kind=rng.choice(list("abc"), ROWS))
    bad = (frame["f0"] + 0.5 * frame["f1"] + 2 * rng.normal(size=ROWS) > 1).to_numpy(dtype=float)
    for estimator in ESTIMATORS:
        made = spec(estimator)
        X = features.design_matrix(frame, made)
        rows = search.TrainingRows(X, bad, None)
        model = search.fit_pipeline(made, made.training.candidates["it"], {}, rows)
        score, scores = seconds(lambda model=model, X=X, made=made: pipeline.score(model, X, made))
        read, reasons = seconds(lambda model=model, made=made: Reasons(model, made, ReasonsAsked(4)))
        given, _ = seconds(lambda reasons=reasons, X=X, scores=scores: reasons.of(X, scores))
        yield [estimator.rpartition(".")[2], f"{ROWS / score:,.0f}", f"{ROWS / given:,.0f}", f"{read:.2f}"]


if __name__ == "__main__":
    heads = ["estimator", "scores", "reasons", "once, s"]
    tables.table(f"Rows for each second of the processor, of {ROWS:,} rows", heads, measured())
