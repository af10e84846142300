"""What the search should go by: log loss or ROC AUC, on months after those that a model was trained on.

    python benchmarks/search_metric.py                         # the simulated lender
    python benchmarks/search_metric.py lending_club.parquet    # real loans, see docs/add-a-model.md

The shipped spec's candidates are searched twice on the same rows, folds and seed, by each metric, and both winners
score the holdout and the three months after the as-of date ("in use", with final outcomes). The as-of dates lie so far
apart that no month in use counts twice. Gains are by log loss minus by ROC AUC, paired, with the standard error over
the dates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from dateutil.relativedelta import relativedelta

from demo.lender import simulate
from titleholder.data import features
from titleholder.spec import windows
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline, search
from titleholder.validation import metrics

Rows = Callable[[date, date, date], pd.DataFrame]
"""The rows of [start, end) with their labels as known at a moment."""
METRICS, FINAL = ("roc_auc", "log_loss"), date(2030, 1, 1)
LENDER_DATES = [date(2022, 1, 1) + relativedelta(months=9 * n) for n in range(6)]
LOANS_DATES = [date(2010, 7, 1) + relativedelta(months=3 * n) for n in range(10)]


class Measured(NamedTuple):
    """One model on one stretch of months."""

    area: float
    slope: float
    ratio: float


def lender(per_month: int = 1000, seed: int = 7, end: date = date(2026, 7, 1)) -> Rows:
    """The rows of `demo_default` in the 78 months before `end`."""
    books = simulate(end, months=78, per_month=per_month, seed=seed)

    def rows(as_of: date, start: date, end: date) -> pd.DataFrame:
        loans, facts = books.applications, books.outcomes
        loans = loans[_within(loans["applied_at"], start, end) & (loans["recorded_at"] <= _utc(as_of))]
        known = facts[facts["recorded_at"] <= _utc(as_of)].groupby("application_id").last()
        status, day = (loans["application_id"].map(known[c]) for c in ("status", "occurred_on"))
        until = (loans["applied_at"] + pd.DateOffset(months=6)).dt.tz_localize(None).dt.normalize()
        late = pd.to_datetime(day).dt.tz_localize(None) < until
        return loans.assign(defaulted=(status.isin(["defaulted", "recovered"]) & late).astype(int))

    return rows


def loans(path: str) -> Rows:
    """The rows of `lending_club_default`: its query in pandas."""
    file = pd.read_parquet(path)
    years = pd.to_numeric(file["emp_length"].str.replace(r"\D", "", regex=True), errors="coerce")
    gone = (file["last_pymnt_d"].fillna(file["issue_d"]) + pd.Timedelta(days=150)).dt.tz_localize("UTC")
    whole = file.assign(
        issued_at=file["issue_d"].dt.tz_localize("UTC"),
        emp_years=years.mask(file["emp_length"].str.startswith("<").fillna(False).astype(bool), 0).astype("float64"),
        credit_age_years=(file["issue_d"] - file["earliest_cr_line"]).dt.total_seconds() / 31_557_600,
        charged_off_at=gone.where(file["loan_status"].str.endswith("Charged Off")),
    ).sort_values(["issued_at", "src_row"])

    def rows(as_of: date, start: date, end: date) -> pd.DataFrame:
        some = whole[_within(whole["issued_at"], start, end)]
        within = some["charged_off_at"] < some["issued_at"] + pd.DateOffset(months=18)
        return some.assign(charged_off=((some["charged_off_at"] <= _utc(as_of)) & within).astype(int))

    return rows


def _utc(day: date) -> pd.Timestamp:
    return pd.Timestamp(day, tz="UTC")


def _within(times: pd.Series, start: date, end: date) -> pd.Series:
    return (times >= _utc(start)) & (times < _utc(end))


def by(spec: ModelSpec, metric: str) -> ModelSpec:
    effort = spec.training.search.model_copy(update={"metric": metric})
    return spec.model_copy(update={"training": spec.training.model_copy(update={"search": effort})})


def measured(model: pipeline.Pipeline, frame: pd.DataFrame, spec: ModelSpec) -> Measured:
    y, p = features.target(frame, spec), pipeline.score(model, features.design_matrix(frame, spec), spec)
    found = metrics.calibration(metrics.Sample(y), p, confidence=0.95)
    return Measured(metrics.compute("roc_auc", y, p), found.slope.estimate, found.observed_expected.estimate)


def stretches(rows: Rows, spec: ModelSpec, as_of: date) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """The training rows, and those that the models are compared on."""
    spans = windows.intervals(spec, as_of)
    judged = {
        "holdout": rows(as_of, spans.holdout_start, spans.matured),
        "in use": rows(FINAL, as_of, as_of + relativedelta(months=3)),
    }
    training = rows(as_of, spans.train_start, spans.holdout_start).reset_index(drop=True)
    return training, {name: frame for name, frame in judged.items() if len(frame)}


def compared(rows: Rows, spec: ModelSpec, dates: list[date]) -> Iterator[str]:
    """A line of the table for each candidate and stretch."""
    found: dict[tuple[str, str], list[list[Measured]]] = {}
    for as_of in dates:
        training, judged = stretches(rows, spec, as_of)
        for name in spec.training.candidates:
            models = [search.fit(training, by(spec, metric), name).pipeline for metric in METRICS]
            for stretch, frame in judged.items():
                found.setdefault((name, stretch), []).append([measured(m, frame, spec) for m in models])
    for (name, stretch), pairs in sorted(found.items()):
        values = np.array(pairs)  # dates, metrics, measures
        gains = values[:, 1, 0] - values[:, 0, 0]
        error = gains.std(ddof=1) / np.sqrt(len(gains))
        slopes = [f"{s.mean():.2f} ({s.min():.2f} to {s.max():.2f})" for s in values[:, :, 1].T]
        ratios = [f"{r.mean():.2f}" for r in values[:, :, 2].T]
        shown = [f"{area:.4f}" for area in values[:, :, 0].mean(axis=0)]
        yield (
            " | ".join(
                [f"| {name}", stretch, str(len(gains)), *shown, f"{gains.mean():+.4f} ± {error:.4f}", *slopes, *ratios]
            )
            + " |"
        )


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else None
    name = "lending_club_default" if path else "demo_default"
    spec = load_specs(DEFAULT_FOLDER, only=name)[name]
    both = [f"{what}, by {metric}" for what in ("AUC", "slope", "O/E") for metric in METRICS]
    head = ["candidate", "rows", "dates", *both[:2], "gain", *both[2:]]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for line in compared(loans(path) if path else lender(), spec, LOANS_DATES if path else LENDER_DATES):
        print(line, flush=True)


if __name__ == "__main__":
    main()
