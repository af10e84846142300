"""Models on moving windows of loans: the simulated lender's of `make demo`, or the public ones of docs/add-a-model.md.

Only TH501 to TH503 are in force, and any gain counts as shown.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from dateutil.relativedelta import relativedelta
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from demo import lender
from titleholder.data import features
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline
from titleholder.validation.checks import CHECKS
from titleholder.validation.evidence import Evidence, TrainingSample

CODES = ("TH501", "TH502", "TH503")
STEP = 3  # months between two challenges of a line of honest challengers
PARAMS = {"scorecard": {"C": 0.1}, "boosting": {"learning_rate": 0.08, "max_leaf_nodes": 6}}
FIRST, LAST = date(2021, 1, 1), date(2025, 6, 1)  # months of the first rows and of the last challenge
MATURITY = relativedelta(months=9)  # after so long, every outcome is known


class World(NamedTuple):
    """Labelled rows of all months, and the spec of the models trained on them."""

    rows: pd.DataFrame
    spec: ModelSpec

    def within(self, start: date, end: date) -> pd.DataFrame:
        time = self.rows[self.spec.columns.event_time]
        return self.rows[(time >= pd.Timestamp(start, tz="UTC")) & (time < pd.Timestamp(end, tz="UTC"))]


class Split(NamedTuple):
    """Training rows and the holdout that follows them."""

    training: pd.DataFrame
    holdout: pd.DataFrame


class Champion(NamedTuple):
    """A fitted model and the spec that it was trained under."""

    spec: ModelSpec
    model: Pipeline


def lenient(model: str) -> ModelSpec:
    """The shipped spec with only TH501 to TH503 in force; any gain counts as shown."""
    spec = load_specs(DEFAULT_FOLDER, only=model)[model].model_dump(mode="json")
    own = {CHECKS[code].rule for code in CODES}
    checks = {k: v if k in own else {**v, "severity": "off"} for k, v in spec["judgement"]["checks"].items()}
    free = {"rule": "fresh", "minimum_gain": -0.9, "tolerated_loss": 0.9, "floors": {}, "checks": checks}
    return ModelSpec.restore({**spec, "judgement": {**spec["judgement"], **free}})


def simulated(per_month: int, seed: int) -> World:
    """The simulated lender with every outcome as it is finally known."""
    end = LAST + MATURITY
    months = 12 * (end.year - FIRST.year) + end.month - FIRST.month
    books = lender.simulate(end, months=months, per_month=per_month, seed=seed)
    last = books.outcomes.groupby("application_id")["status"].last()
    known = books.applications[books.applications["application_id"].isin(last.index)]
    defaulted = known["application_id"].map(last.isin(["defaulted", "recovered"])).astype(int)
    return World(known.assign(defaulted=defaulted, known_at=known["recorded_at"]), lenient("demo_default"))


def loans(path: Path) -> World:
    """The public loans with the columns of `lending_club_default.sql` and every outcome as it is finally known."""
    raw = pd.read_parquet(path).sort_values("issue_d", ignore_index=True)
    late = raw["last_pymnt_d"].fillna(raw["issue_d"]) + pd.Timedelta(days=150)
    lost = raw["loan_status"].str.endswith("Charged Off") & (late < raw["issue_d"] + pd.DateOffset(months=18))
    years = raw["emp_length"].str.extract(r"(\d+)")[0].astype(float)
    made = {
        "loan_id": raw["src_row"],
        "issued_at": raw["issue_d"].dt.tz_localize("UTC"),
        "charged_off": lost.astype(int),
        "emp_years": years.mask(raw["emp_length"].str.startswith("<").fillna(False).astype(bool), 0.0),
        "credit_age_years": (raw["issue_d"] - raw["earliest_cr_line"]).dt.days / 365.25,
    }
    return World(raw.assign(**made), lenient("lending_club_default"))


def split(world: World, as_of: date, train: int = 12) -> Split:
    """The windows of a challenger whose holdout ends at `as_of`."""
    start = as_of - relativedelta(months=3)
    return Split(world.within(start - relativedelta(months=train), start), world.within(start, as_of))


def fitted(spec: ModelSpec, name: str, rows: pd.DataFrame) -> Pipeline:
    model = pipeline.build(spec, spec.training.candidates[name], PARAMS[name])
    with threadpool_limits(1):
        return model.fit(features.design_matrix(rows, spec), features.target(rows, spec))


def scores(spec: ModelSpec, model: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    return pipeline.score(model, features.design_matrix(rows, spec), spec)


def evidence(spec: ModelSpec, rows: Split, challenger: Pipeline, name: str, champion: Champion | None) -> Evidence:
    """The challenger and the champion, if there is one, on the holdout."""
    frame, seen = rows.holdout.reset_index(drop=True), rows.training.reset_index(drop=True)
    return Evidence(
        spec=spec,
        candidate=name,
        frame=frame,
        y=features.target(frame, spec),
        challenger=scores(spec, challenger, frame),
        champion=scores(champion.spec, champion.model, frame) if champion else None,
        champion_inputs=champion.spec.columns.inputs if champion else None,
        training=TrainingSample(frame=seen, y=features.target(seen, spec), scores=scores(spec, challenger, seen)),
    )
