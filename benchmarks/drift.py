"""How fast models age, and how much the strength of what they use varies between years.

    python benchmarks/drift.py                         # the simulated lender, eight seeds; some minutes
    python benchmarks/drift.py lending_club.parquet    # real loans, see docs/add-a-model.md; two minutes

**Ageing.** The candidates of the shipped spec are refitted every quarter, on the spec's windows with the labels known
then and fixed parameters, and score each later quarter, with final outcomes. A line is an age: the mean, over quarters
in use, of the quarter's new model's ROC AUC less that of the model so many months older, on the same rows. No row is in
two quarters, so the standard error is sqrt(sum of DeLong's squares) / n, given these models; over seeds it is that of
their mean, with Student's t. "Same size": the newer model learns from as many rows as the older one did, drawn at
random: drift without growth. The real loans are also measured with labels that are final after 6 months, as at the
simulated lender.

**Strengths.** A logistic regression for each year; of each coefficient the variance between years, by the method of
moments (DerSimonian and Laird 1986, Controlled Clinical Trials 7, 177-188). Numbers are standardised, categories
compared with the most frequent. Their root means are given beside the root mean square of the strengths.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from dateutil.relativedelta import relativedelta
from scipy import stats
from search_metric import FINAL, Rows, lender, loans
from sklearn.linear_model import LogisticRegression

from titleholder.data import features
from titleholder.spec import windows
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline
from titleholder.validation import metrics
from titleholder.validation.metrics import Array

SEEDS, AGES, YEAR, QUARTER = range(7, 15), (3, 6, 12, 18, 24), 12, relativedelta(months=3)
FIRST = date(2023, 12, 1)
PARAMS = {"scorecard": {"C": 0.1}, "boosting": {"learning_rate": 0.06, "max_leaf_nodes": 6}}
HOW = metrics.Estimation(confidence=0.95, resamples=0, seed=0)
EVENTS = 15
"""A category needs so many events in each year."""


class Ageing(NamedTuple):
    """The mean gain of the new model over one `age` months older, its standard error, and the number of quarters."""

    age: int
    gain: float
    error: float
    quarters: int
    quantile: float = 1.96
    """Of the error, for a 95 % interval."""


class Strengths(NamedTuple):
    """Of several coefficients: their number, root mean variance between years, and root mean square."""

    count: int
    between: float
    size: float


# --- ageing ----------------------------------------------------------------------------------------------------------


def ageing(
    rows: Rows,
    spec: ModelSpec,
    name: str,
    first: date,
    quarters: int,
    *,
    ages: Sequence[int] = AGES,
    same: bool = False,
) -> list[Ageing]:
    """The curve over all pairs of quarters; with `same`, the newer model learns from no more rows than the older."""
    days = [first + n * QUARTER for n in range(quarters)]
    training = [_training_rows(rows, spec, day) for day in days]
    models = [_fit(frame, spec, name) for frame in training]
    found: dict[int, list[metrics.Gain]] = {}
    for n, day in enumerate(days):
        used = rows(FINAL, day, day + QUARTER)
        X, sample = features.design_matrix(used, spec), metrics.Sample(features.target(used, spec))
        for age in (a for a in ages if a // 3 <= n):
            older, new = n - age // 3, models[n]
            if same and len(training[older]) < len(training[n]):
                new = _fit(training[n].sample(len(training[older]), random_state=n).sort_index(), spec, name)
            scores = [pipeline.score(model, X, spec) for model in (new, models[older])]
            found.setdefault(age, []).append(metrics.gain("roc_auc", sample, scores[0], scores[1], HOW))
    return [_mean(age, gains) for age, gains in found.items()]


def _training_rows(rows: Rows, spec: ModelSpec, as_of: date) -> pd.DataFrame:
    spans = windows.intervals(spec, as_of)
    return rows(as_of, spans.train_start, spans.holdout_start).reset_index(drop=True)


def _fit(frame: pd.DataFrame, spec: ModelSpec, name: str) -> pipeline.Pipeline:
    model = pipeline.build(spec, spec.training.candidates[name], PARAMS[name])
    return model.fit(features.design_matrix(frame, spec), features.target(frame, spec))


def _mean(age: int, gains: list[metrics.Gain]) -> Ageing:
    error = np.sqrt(sum(g.error**2 for g in gains)) / len(gains)
    return Ageing(age, float(np.mean([g.estimate for g in gains])), float(error), len(gains))


def over_seeds(curves: Iterable[list[Ageing]]) -> Iterator[Ageing]:
    """The mean of several lenders' curves."""
    for of_age in zip(*curves, strict=True):
        gains = np.array([a.gain for a in of_age])
        error, quantile = gains.std(ddof=1) / np.sqrt(len(gains)), float(stats.t.ppf(0.975, len(gains) - 1))
        yield Ageing(of_age[0].age, gains.mean(), error, of_age[0].quarters, quantile)


# --- strengths -------------------------------------------------------------------------------------------------------


def strengths(frame: pd.DataFrame, spec: ModelSpec) -> Iterator[tuple[str, Strengths]]:
    """How much coefficients vary between the years of `frame`: of numbers, then of categories."""
    y, year = features.target(frame, spec), frame[spec.columns.event_time].dt.year.to_numpy()
    X = _standardised(features.design_matrix(frame, spec), spec, y, year)
    fitted = [_coefficients(X.to_numpy()[year == one], y[year == one]) for one in np.unique(year)]
    values, variances = (np.array(part) for part in zip(*fitted, strict=True))
    between = np.array([between_years(b, v) for b, v in zip(values.T, variances.T, strict=True)])
    size = np.average(values, axis=0, weights=1 / variances)
    numbers = np.array(["=" not in column for column in X.columns])
    for kind, some in (("numbers", numbers), ("categories", ~numbers)):
        root = float(np.sqrt(max(between[some].mean(), 0.0)))
        yield kind, Strengths(int(some.sum()), root, float(np.sqrt((size[some] ** 2).mean())))


def between_years(values: Array, variances: Array) -> float:
    """The variance of effects beyond their errors; negative where they differ less than those (shape (k,) each)."""
    weights = 1 / variances
    spread = (weights * (values - np.average(values, weights=weights)) ** 2).sum()
    return float((spread - (len(values) - 1)) / (weights.sum() - (weights**2).sum() / weights.sum()))


def _standardised(X: pd.DataFrame, spec: ModelSpec, y: Array, year: Array) -> pd.DataFrame:
    found = {}
    for name in spec.columns.numeric:
        value = X[name].astype(float).fillna(X[name].median())
        value = np.log1p(value.clip(lower=0)) if value.skew() > 2 else value
        found[name] = ((value - value.mean()) / value.std()).clip(-3, 3).to_numpy()
    for name in spec.columns.categorical:
        text = X[name].astype(object).fillna("(missing)").astype(str)
        for category in sorted(set(text) - {text.mode()[0]}):
            hit = (text == category).to_numpy()
            if min(y[hit & (year == one)].sum() for one in np.unique(year)) >= EVENTS:
                found[f"{name}={category}"] = hit.astype(float)
    return pd.DataFrame(found)


def _coefficients(X: Array, y: Array) -> tuple[Array, Array]:
    """The maximum likelihood coefficients without the intercept, and their variances."""
    model = LogisticRegression(C=np.inf, max_iter=5000, tol=1e-6).fit(X, y)
    p, full = model.predict_proba(X)[:, 1], np.column_stack([np.ones(len(X)), X])
    information = full.T @ (full * (p * (1 - p))[:, None])
    return model.coef_[0], np.linalg.inv(information).diagonal()[1:]


# --- the tables ------------------------------------------------------------------------------------------------------


def _show(what: str, curve: Iterable[Ageing]) -> None:
    for a in curve:
        interval = f"{a.gain - a.quantile * a.error:+.4f} to {a.gain + a.quantile * a.error:+.4f}"
        print(f"| {what} | {a.age} | {a.quarters} | {a.gain:+.4f} | {interval} |", flush=True)


def of_loans(path: str, spec: ModelSpec) -> Iterator[tuple[str, Strengths]]:
    rows = loans(path)
    early = spec.windows.model_copy(update={"label_maturity": relativedelta(months=6)})
    late = spec.model_copy(update={"windows": early})

    def final(_as_of: date, start: date, end: date) -> pd.DataFrame:
        return rows(FINAL, start, end)

    for name in spec.training.candidates:
        _show(f"{name}, labels after 18 months", ageing(rows, spec, name, date(2010, 1, 1), 8))
        _show(f"{name}, after 6 months", ageing(final, late, name, date(2009, 7, 1), 10))
        same = ageing(final, late, name, date(2009, 7, 1), 10, ages=[YEAR], same=True)
        _show(f"{name}, after 6 months, same size", same)
    columns = spec.columns.model_copy(
        update={"categorical": tuple(c for c in spec.columns.categorical if c != "sub_grade")}
    )
    yield from strengths(rows(FINAL, date(2008, 1, 1), date(2012, 1, 1)), spec.model_copy(update={"columns": columns}))


def of_lender(spec: ModelSpec) -> Iterator[tuple[str, Strengths]]:
    lenders = {seed: lender(2000, seed, date(2027, 9, 1)) for seed in SEEDS}
    for name in spec.training.candidates:
        curves = {seed: ageing(rows, spec, name, FIRST, 12) for seed, rows in lenders.items()}
        _show(f"{name}, mean of {len(curves)} seeds", over_seeds(curves.values()))
        _show(f"{name}, the demo's seed 10", curves[10])
    for seed, rows in lenders.items():
        for kind, found in strengths(rows(FINAL, date(2023, 1, 1), date(2027, 1, 1)), spec):
            yield f"{kind}, seed {seed}", found


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else None
    name = "lending_club_default" if path else "demo_default"
    spec = load_specs(DEFAULT_FOLDER, only=name)[name]
    print(
        "| candidate | age, months | quarters in use | gain of the newest | 95 % interval |\n|---|---:|---:|---:|---:|"
    )
    found = list(of_loans(path, spec) if path else of_lender(spec))
    print("\n| strengths of | coefficients | sd between years | root mean square |\n|---|---:|---:|---:|")
    for kind, s in found:
        print(f"| {kind} | {s.count} | {s.between:.3f} | {s.size:.2f} |")


if __name__ == "__main__":
    main()
