"""How fast a model ages: ROC AUC in use of the month's new model, less that of one made some months before.

    python benchmarks/drift.py                         # the simulated lender, five seeds
    python benchmarks/drift.py lending_club.parquet    # real loans, see docs/add-a-model.md

The candidates of the shipped spec are refitted for every as-of date, on the spec's windows with the labels known then,
with fixed parameters. Each model scores the month that follows every later as-of date, with final outcomes. A line is an
age: the mean, over the months in use, of the new model's ROC AUC less that of the model so many months older, on the
same rows. No row is in two months, so the standard error is sqrt(sum of DeLong's squares) / n; it is about these models.
Over seeds the standard error is that of their mean. "Same size" fits the newer model on as many rows as the older one
had, drawn at random: what remains is drift, not growth.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from dateutil.relativedelta import relativedelta
from search_metric import FINAL, Rows, lender, loans

from titleholder.data import features
from titleholder.spec import windows
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline
from titleholder.validation import metrics

AGES, SEEDS = (1, 3, 6, 9, 12, 18, 24), (7, 8, 9, 10, 11)
PARAMS = {"scorecard": {"C": 0.1}, "boosting": {"learning_rate": 0.06, "max_leaf_nodes": 6}}
HOW = metrics.Estimation(confidence=0.95, resamples=0, seed=0)


class Ageing(NamedTuple):
    """Mean gain of the new model over one `age` months older, its standard error, and over how many months in use."""

    age: int
    gain: float
    error: float
    months: int


def months_from(first: date, count: int) -> list[date]:
    return [first + relativedelta(months=n) for n in range(count)]


def fit(frame: pd.DataFrame, spec: ModelSpec, name: str) -> pipeline.Pipeline:
    model = pipeline.build(spec, spec.training.candidates[name], PARAMS[name])
    return model.fit(features.design_matrix(frame, spec), features.target(frame, spec))


def training_rows(rows: Rows, spec: ModelSpec, as_of: date) -> pd.DataFrame:
    spans = windows.intervals(spec, as_of)
    return rows(as_of, spans.train_start, spans.holdout_start).reset_index(drop=True)


def ageing(rows: Rows, spec: ModelSpec, name: str, dates: list[date]) -> list[Ageing]:
    """The curve over all pairs of dates."""
    models = [fit(training_rows(rows, spec, day), spec, name) for day in dates]
    found: dict[int, list[metrics.Gain]] = {}
    for n, day in enumerate(dates):
        used = rows(FINAL, day, day + relativedelta(months=1))
        X, sample = features.design_matrix(used, spec), metrics.Sample(features.target(used, spec))
        scores = [pipeline.score(model, X, spec) for model in models[: n + 1]]
        for age in AGES:
            if age <= n:
                found.setdefault(age, []).append(metrics.gain("roc_auc", sample, scores[n], scores[n - age], HOW))
    return [_mean(age, gains) for age, gains in found.items()]


def same_size(rows: Rows, spec: ModelSpec, name: str, dates: list[date], age: int = 12) -> Ageing:
    """The gain at one age when the newer model learns from as many rows as the older one did."""
    gains = []
    for n in range(age, len(dates)):
        old, new = (training_rows(rows, spec, dates[m]) for m in (n - age, n))
        used = rows(FINAL, dates[n], dates[n] + relativedelta(months=1))
        X, sample = features.design_matrix(used, spec), metrics.Sample(features.target(used, spec))
        some = new.sample(min(len(old), len(new)), random_state=n).sort_index()
        a, b = (pipeline.score(fit(part, spec, name), X, spec) for part in (some, old))
        gains.append(metrics.gain("roc_auc", sample, a, b, HOW))
    return _mean(age, gains)


def _mean(age: int, gains: list[metrics.Gain]) -> Ageing:
    error = np.sqrt(sum(g.error**2 for g in gains)) / len(gains)
    return Ageing(age, float(np.mean([g.estimate for g in gains])), float(error), len(gains))


def over_seeds(curves: list[list[Ageing]]) -> Iterator[Ageing]:
    """The mean of several lenders' curves."""
    for of_age in zip(*curves, strict=True):
        gains = np.array([a.gain for a in of_age])
        yield Ageing(of_age[0].age, gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains)), of_age[0].months)


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else None
    name = "lending_club_default" if path else "demo_default"
    spec = load_specs(DEFAULT_FOLDER, only=name)[name]
    print("| candidate | age, months | months in use | gain of the newest | 95 % interval |\n|---|---:|---:|---:|---:|")
    for candidate in spec.training.candidates:
        if path:
            dates = months_from(date(2010, 1, 1), 24)
            lines = [*ageing(loans(path), spec, candidate, dates)]
            lines.append(same_size(loans(path), spec, candidate, dates))
        else:
            dates = months_from(date(2023, 6, 1), 36)
            lines = list(over_seeds([ageing(lender(seed), spec, candidate, dates) for seed in SEEDS]))
        for a in lines:
            low, high = a.gain - 1.96 * a.error, a.gain + 1.96 * a.error
            print(f"| {candidate} | {a.age} | {a.months} | {a.gain:+.4f} | {low:+.4f} to {high:+.4f} |", flush=True)


if __name__ == "__main__":
    main()
