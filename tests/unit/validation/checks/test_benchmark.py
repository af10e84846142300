"""TH208, not worse than an untuned scorecard: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.factories import a_regression, a_spec, evidence
from support.report_cases import simulated
from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.benchmark import benchmark_comparison, not_worse_than_benchmark
from titleholder.validation.evidence import BenchmarkScores, Evidence


def challenged(noise: float, spec: ModelSpec | None = None, n: int = 3000, **parts: Any) -> Evidence:
    """A benchmark that sees debt; the challenger sees it through so much noise."""
    found = simulated(spec or a_spec(), n=n)
    own = found.challenger + noise * np.random.default_rng(3).uniform(0, 0.5, n)
    return found.model_copy(update={"challenger": own, "benchmark": BenchmarkScores(scores=found.challenger), **parts})


def check(noise: float, **changes: Any) -> Result:
    return not_worse_than_benchmark(challenged(noise, a_spec(**changes)))


def test_fires_as_a_warning_when_the_challenger_is_shown_to_be_worse() -> None:
    found = check(1.0)
    assert (found.code, found.status, found.severity) == ("TH208", "fail", "warn")
    assert found.numbers["gain_upper"] < -0.001 == -found.numbers["tolerance"]
    n = found.numbers
    assert found.explanation == (
        f"Gain in roc_auc over an untuned scorecard of the same rows, whose roc_auc is {n['benchmark']:.4f} "
        f"[{n['benchmark_lower']:.4f}, {n['benchmark_upper']:.4f}]: {n['gain']:+.4f} [{n['gain_lower']:+.4f}, "
        f"{n['gain_upper']:+.4f}], whose upper bound must reach -0.001."
    )


def test_stays_quiet_when_both_are_the_same_or_the_difference_is_not_shown() -> None:
    assert check(0.0).status == "pass"
    assert check(0.0).numbers["gain"] == 0
    unsure = not_worse_than_benchmark(challenged(0.6, n=300))
    assert unsure.numbers["gain"] < -0.001
    assert unsure.status == "beyond"


def test_stays_quiet_about_a_loss_within_the_tolerance() -> None:
    loss = -check(1.0).numbers["gain_upper"]
    assert check(1.0, judgement__checks={"benchmark": {"tolerance": loss + 1e-9}}).status == "beyond"
    assert check(1.0, judgement__checks={"benchmark": {"tolerance": loss - 1e-9}}).status == "fail"


@pytest.mark.parametrize(
    ("spec", "tolerance"),
    [
        (a_spec(judgement__metric="gini", judgement__floors={}), 0.002),
        (a_spec(judgement__metric="brier", judgement__floors={}), 0.0005),
        (a_regression(), 0.001),
        (a_regression(judgement__checks={"benchmark": {"tolerance": 0.2}}), 0.2),
    ],
    ids=["gini", "brier", "rmse", "of the spec"],
)
def test_the_tolerance_is_in_the_unit_of_the_metric_or_a_share_of_the_challengers(
    spec: ModelSpec, tolerance: float
) -> None:
    found = challenged(0.0, spec)
    metric = spec.judgement.metric
    own = metrics.compute(metric, found.y, found.challenger)
    compared = benchmark_comparison(found)
    assert compared is not None
    assert compared.tolerance == pytest.approx(tolerance * (1 if metric == "gini" else own))
    assert compared.metric.estimate == pytest.approx(own)


def test_a_regression_with_a_larger_error_fails() -> None:
    spec = a_regression()
    found = simulated(spec, n=1000)
    worse = found.challenger + np.random.default_rng(3).normal(size=1000)
    both = {"challenger": worse, "benchmark": BenchmarkScores(scores=found.challenger)}
    assert not_worse_than_benchmark(found.model_copy(update=both)).status == "fail"
    assert not_worse_than_benchmark(found.model_copy(update={**both, "challenger": found.challenger})).status == "pass"


def test_does_not_apply_without_a_benchmark_or_outcomes() -> None:
    scores = BenchmarkScores(scores=np.full(50, 0.5))
    cases = {
        "No benchmark was fitted.": evidence(),
        "It does not fit.": evidence(benchmark=BenchmarkScores(scores=None, problem="It does not fit.")),
        "Nothing can be measured on the holdout.": evidence(events=0, benchmark=scores),
    }
    for said, given in cases.items():
        found = not_worse_than_benchmark(given)
        assert (found.status, found.explanation) == ("not_applicable", said)
