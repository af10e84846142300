"""TH203 and TH204 of a predicted quantile: the share of outcomes beyond it, never means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from support.factories import a_regression, evidence
from titleholder.spec.model import ModelSpec
from titleholder.validation.checks.calibration import overall_calibration
from titleholder.validation.checks.cohorts import cohort_calibration
from titleholder.validation.evidence import Evidence


def a_quantile(level: float, **changes: Any) -> ModelSpec:
    return a_regression(
        judgement__metric="pinball",
        judgement__quantile=level,
        training__candidates={"line": {"estimator": "sklearn.linear_model.QuantileRegressor"}},
        **changes,
    )


def predicted(level: float, coverage: float, n: int = 2000, champion: float | None = None, **spec: Any) -> Evidence:
    """Normal outcomes around a known mean, and predictions that have this coverage whatever their level should be."""
    rng = np.random.default_rng(0)
    mean = rng.normal(100.0, 10.0, n)
    y = mean + rng.normal(size=n)
    theirs = None if champion is None else mean + stats.norm.ppf(champion)
    return evidence(a_quantile(level, **spec), y=y, challenger=mean + stats.norm.ppf(coverage), champion=theirs)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
def test_stays_quiet_at_the_right_coverage(level: float) -> None:
    found = overall_calibration(predicted(level, level))
    assert found.status == "pass"
    assert "slope" not in found.numbers
    assert found.numbers["coverage"] == pytest.approx(level, abs=0.02)
    assert f"of outcomes at or below the predicted quantile {level:g}" in found.explanation


@pytest.mark.parametrize(("level", "coverage"), [(0.9, 0.5), (0.9, 0.84), (0.9, 0.95), (0.1, 0.2), (0.5, 0.75)])
def test_fires_when_the_share_is_shown_to_be_off(level: float, coverage: float) -> None:
    """Mean outcome over mean prediction is within 3 % of one for all of these."""
    found = overall_calibration(predicted(level, coverage))
    assert (found.status, found.severity) == ("fail", "block")
    assert found.numbers["coverage"] == pytest.approx(coverage, abs=0.03)


@pytest.mark.parametrize(
    ("coverage", "champion", "status"), [(0.84, 0.8, "beyond"), (0.84, 0.9, "fail"), (0.9, 0.5, "pass")]
)
def test_a_champion_that_is_further_off_excuses(coverage: float, champion: float, status: str) -> None:
    assert overall_calibration(predicted(0.9, coverage, champion=champion)).status == status


def test_an_empty_holdout_is_not_measured() -> None:
    assert overall_calibration(predicted(0.9, 0.9, n=0)).explanation == "Nothing can be measured on the holdout."


@pytest.mark.parametrize(("coverage", "status"), [(0.9, "pass"), (0.8, "fail")])
def test_every_month_is_judged_by_its_share(coverage: float, status: str) -> None:
    found = cohort_calibration(predicted(0.9, coverage))
    assert (found.status, found.numbers["judged"]) == (status, 3)
    assert found.explanation.startswith(
        "Outcomes beyond the quantile 0.9 over expected in 3 months, shown to be beyond "
    )


def test_a_month_with_too_few_rows_beyond_is_not_judged() -> None:
    found = cohort_calibration(predicted(0.9, 0.9, n=600))
    assert found.explanation == "No month has 30 rows beyond the quantile."
