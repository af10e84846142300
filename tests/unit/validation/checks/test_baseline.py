"""TH202, beats a trivial baseline: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.factories import a_regression, a_spec, evidence, rows
from titleholder.spec.model import ModelSpec
from titleholder.validation.checks.performance import trivial_baseline
from titleholder.validation.evidence import TrainingSample
from titleholder.validation.metrics import Array

RANKING = ["roc_auc", "gini", "ks", "pr_auc", "emp", "profit"]


def judged_by(metric: str, minimum: float = 0.0, **more: Any) -> ModelSpec:
    parts = {
        "judgement__metric": metric,
        "judgement__checks": {"baseline": {"minimum_gain": minimum}},
        "judgement__cut_off": {"accept": "below", "share": 0.5},
        "judgement__profit": {"accepted_1": -5.0, "accepted_0": 1.0},
        "judgement__emp": {},
    }
    return a_spec(**{**parts, **more})


def outcomes(n: int, signal: float, seed: int = 0) -> tuple[Array, Array]:
    """Outcomes and the probabilities behind them."""
    p = 1 / (1 + np.exp(-signal * np.random.default_rng(seed).normal(size=n)))
    return (np.random.default_rng(seed + 1).random(n) < p).astype(float), p


@pytest.mark.parametrize("metric", [*RANKING, "brier", "log_loss"])
def test_fires_when_the_model_knows_nothing(metric: str) -> None:
    y, _ = outcomes(400, 1.0)
    found = trivial_baseline(
        evidence(judged_by(metric), y=y, challenger=np.random.default_rng(5).uniform(0.4, 0.6, 400))
    )
    assert (found.code, found.status, found.severity) == ("TH202", "fail", "block")


@pytest.mark.parametrize("metric", [*RANKING, "brier", "log_loss"])
def test_stays_quiet_when_it_knows_something(metric: str) -> None:
    y, p = outcomes(400, 1.5)
    assert trivial_baseline(evidence(judged_by(metric), y=y, challenger=p)).status == "pass"


@pytest.mark.parametrize("metric", RANKING)
def test_ranking_is_measured_in_roc_auc_against_chance(metric: str) -> None:
    y, p = outcomes(400, 1.5)
    found = trivial_baseline(evidence(judged_by(metric), y=y, challenger=p))
    assert found.numbers["baseline"] == 0.5
    assert found.explanation.startswith(f"roc_auc: gain {found.numbers['gain']:+.4f} [")


def test_fires_when_the_gain_is_not_shown() -> None:
    y, p = outcomes(60, 0.4, seed=1)
    found = trivial_baseline(evidence(judged_by("roc_auc"), y=y, challenger=p))
    assert found.numbers["lower"] < 0 < found.numbers["gain"]
    assert found.status == "fail"


@pytest.mark.parametrize(("minimum", "status"), [(0.2, "pass"), (0.35, "fail")])
def test_the_minimum_gain_counts(minimum: float, status: str) -> None:
    y, p = outcomes(2000, 2.0)
    found = trivial_baseline(evidence(judged_by("roc_auc", minimum), y=y, challenger=p))
    assert (found.status, found.numbers["minimum"]) == (status, minimum)


@pytest.mark.parametrize(
    ("metric", "more", "constant"),
    [
        ("rmse", {}, 4.0),
        ("r2", {}, 4.0),
        ("mae", {}, 2.0),
        ("pinball", {"judgement__quantile": 0.9}, 10.0),
    ],
)
def test_the_constant_is_what_the_metric_likes_best_on_the_training_rows(
    metric: str, more: dict[str, Any], constant: float
) -> None:
    spec = a_regression(judgement__metric=metric, **more)
    y = np.linspace(0, 10, 60)
    known = np.array([1.0, 2.0, 2.0, 5.0, 10.0])
    seen = TrainingSample(frame=rows(spec, n=5), y=known, scores=known)
    found = trivial_baseline(evidence(spec, y=y, challenger=y, training=seen))
    assert (found.numbers["baseline"], found.status) == (constant, "pass")
    assert f"over the constant {constant:.4f};" in found.explanation
    assert trivial_baseline(evidence(spec, y=y, challenger=np.full(60, constant), training=seen)).status == "fail"


def test_the_constant_is_that_of_the_judged_rows_where_no_others_are_at_hand() -> None:
    y, p = outcomes(400, 1.5)
    assert trivial_baseline(evidence(judged_by("brier"), y=y, challenger=p)).numbers["baseline"] == y.mean()


def test_the_constant_of_weighted_rows_is_weighted() -> None:
    spec = a_regression(columns__weight="w")
    y, known = np.linspace(0, 10, 60), np.array([0.0, 4.0])
    seen = TrainingSample(frame=rows(spec, n=2).assign(w=[3.0, 1.0]), y=known, scores=known)
    found = trivial_baseline(evidence(spec, y=y, challenger=y, weights=np.ones(60), training=seen))
    assert found.numbers["baseline"] == 1.0


@pytest.mark.parametrize("y", [np.empty(0), np.zeros(50), np.ones(1)])
def test_does_not_apply_where_nothing_can_be_measured(y: Array) -> None:
    found = trivial_baseline(evidence(y=y))
    assert (found.status, found.explanation) == ("not_applicable", "Nothing can be measured on the holdout.")
