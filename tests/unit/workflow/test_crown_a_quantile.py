"""A weekly model of a quantile from rows to the ruling: trained, scored, judged, and crowned."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import a_regression, spans_of
from titleholder.data import features
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import midnight
from titleholder.training import benchmark, pipeline, search
from titleholder.validation.evidence import BenchmarkScores, Evidence, TrainingSample
from titleholder.validation.judging import judge
from titleholder.validation.verdict import Reign, Verdict
from titleholder.workflow.decision_policy import rule

AS_OF = date(2024, 7, 1)
TREES = "sklearn.ensemble.HistGradientBoostingRegressor"
LINE = "sklearn.linear_model.QuantileRegressor"


def weekly(estimator: str, quantile: float = 0.9, **candidate: Any) -> ModelSpec:
    return a_regression(
        schedule="0 6 * * 1",
        windows={"label_maturity": "2 weeks", "train": "156 weeks", "holdout": "26 weeks"},
        training__candidates={"it": {"estimator": estimator, **candidate}},
        judgement__metric="pinball",
        judgement__quantile=quantile,
        judgement__rule="fresh",
    )


def demand(spec: ModelSpec, per_week: int) -> pd.DataFrame:
    """So many rows each Monday; debt moves the level of the outcome, income its spread."""
    spans = spans_of(spec, AS_OF)
    time = np.repeat(pd.date_range(spans.train_start, spans.matured, freq="W-MON", tz="UTC", unit="us"), per_week)
    rng = np.random.default_rng(3)
    income, debt = rng.uniform(1.0, 3.0, len(time)), rng.normal(size=len(time))
    return pd.DataFrame(
        {
            "loan_id": np.arange(len(time)), "issued_at": time, "known_at": time, "income": income, "debt": debt,
            "bad": 50.0 + 4.0 * debt + 2.0 * income * rng.normal(size=len(time)),
            "purpose": pd.Series(rng.choice(["car", "home"], len(time)), dtype="str"),
            "region": pd.Series(rng.choice(["north", "south"], len(time)), dtype="str"),
            "age_band": pd.Series(rng.choice(["young", "old"], len(time)), dtype="str"),
        }
    )  # fmt: skip


def judged(spec: ModelSpec, champion: ModelSpec | None = None, *, per_week: int = 20) -> tuple[Verdict, Evidence]:
    frame, spans = demand(spec, per_week), spans_of(spec, AS_OF)
    old = frame["issued_at"] < midnight(spans.holdout_start)
    train, holdout = frame[old].reset_index(drop=True), frame[~old].reset_index(drop=True)

    def scores(model: Any, rows: pd.DataFrame) -> np.ndarray:
        return pipeline.score(model, features.design_matrix(rows, spec), spec)

    challenger = search.fit(train, spec, "it").pipeline
    before = None if champion is None else scores(search.fit(train, champion, "it").pipeline, holdout)
    evidence = Evidence(
        spec=spec, candidate="it", frame=holdout, y=features.target(holdout, spec),
        challenger=scores(challenger, holdout), champion=before,
        training=TrainingSample(frame=train, y=features.target(train, spec), scores=scores(challenger, train)),
        predict=lambda rows: scores(challenger, rows), inputs=spec.columns.inputs,
        benchmark=BenchmarkScores(scores=scores(benchmark.fit(train, spec), holdout)),
    )  # fmt: skip
    reign = None
    if champion:
        reign = Reign(version=1, as_of=date(2024, 1, 1), trained_through=spans.holdout_start)
    return judge(evidence, as_of=AS_OF, reign=reign, holdout=(spans.holdout_start, spans.matured)), evidence


@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_a_model_of_a_quantile_becomes_the_first_champion(quantile: float) -> None:
    verdict, evidence = judged(weekly(LINE, quantile, params={"alpha": 0.0}), per_week=40)
    ruling = rule(evidence.spec, verdict, as_of=AS_OF, lane="live", newest=None)
    assert ruling.kind == "promote", ruling.reason
    by_code = {c.code: c for c in verdict.checks}
    assert by_code["TH203"].status == "pass", by_code["TH203"].explanation
    assert by_code["TH203"].numbers["coverage"] == pytest.approx(quantile, abs=0.02)
    assert by_code["TH208"].status == "pass"  # the benchmark is of the same quantile


@pytest.mark.parametrize(("penalty", "kind", "failed"), [(0.05, "promote", []), (10.0, "keep", ["TH503"])])
def test_it_takes_over_from_a_timid_model(penalty: float, kind: str, failed: list[str]) -> None:
    """From a constant to nearly all that can be known is more than honest progress: TH503, by the pinball loss."""
    verdict, evidence = judged(weekly(LINE, params={"alpha": 0.0}), weekly(LINE, params={"alpha": penalty}))
    assert [c.code for c in verdict.checks if c.failed and c.severity == "block"] == failed
    ruling = rule(evidence.spec, verdict, as_of=AS_OF, lane="live", newest=None)
    assert ruling.kind == kind, ruling.reason
    plausible = next(c for c in verdict.checks if c.code == "TH503")
    said = re.search(
        r"gain in pinball loss over the champion \+(\S+) .*a lower bound up to (\S+): the squared loss",
        plausible.explanation,
    )
    assert said, "it was told in r2, which the model does not use"
    assert verdict.gain
    assert float(said[1]) == pytest.approx(verdict.gain.estimate, rel=1e-3), "the gain that decides"
    assert (plausible.numbers["gain_lower"] > plausible.numbers["gain_plausible"]) is bool(failed)
    assert "r2 over" not in plausible.explanation


@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_trees_learn_the_quantile_that_is_judged_without_being_told(quantile: float) -> None:
    small = {"max_iter": 60, "min_samples_leaf": 120, "max_leaf_nodes": 8}
    verdict, _ = judged(weekly(TREES, quantile, params=small), per_week=60)
    found = next(c for c in verdict.checks if c.code == "TH203")
    assert found.status == "pass", found.explanation
    assert found.numbers["coverage"] == pytest.approx(quantile, abs=0.02)
