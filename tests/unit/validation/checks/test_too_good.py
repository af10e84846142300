"""TH501, not too good to be true: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.factories import a_regression, a_spec, evidence
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.leakage import too_good
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array

ALTERNATING = (np.arange(2000) % 2).astype(float)


def ceilings(**of: float) -> dict[str, Any]:
    return {"judgement__checks": {"too_good": {"ceilings": of}}}


def check(n: int, signal: float, **changes: Any) -> Result:
    """Scores whose ROC AUC on `n` rows is about Phi(signal / sqrt(2))."""
    y = ALTERNATING[:n]
    scores = 1 / (1 + np.exp(-np.random.default_rng(0).normal(signal * y - signal / 2)))
    return too_good(evidence(a_spec(**changes), y=y, challenger=scores))


def test_fires_when_a_metric_lies_beyond_its_ceiling_and_says_which_key_allows_it() -> None:
    found = check(2000, 2.2)
    assert (found.code, found.status, found.severity) == ("TH501", "fail", "block")
    assert found.numbers["roc_auc"] > found.numbers["roc_auc_ceiling"] == 0.9
    assert found.explanation == f"On the holdout: roc_auc {found.numbers['roc_auc']:.4f} (ceiling 0.9)."
    assert found.remedy == (
        "More likely a leak than a success: run `titleholder leaktest`; where it is honest, set "
        "judgement.checks.too_good.ceilings.roc_auc."
    )


def test_stays_quiet_when_it_is_below() -> None:
    found = check(2000, 1.0)
    assert (found.status, found.numbers["roc_auc_ceiling"]) == ("pass", 0.9)
    assert found.explanation == f"On the holdout: roc_auc {found.numbers['roc_auc']:.4f} (ceiling 0.9)."


def test_the_point_estimate_decides_also_among_few_rows() -> None:
    found = check(60, 2.5)
    assert found.numbers["roc_auc"] > 0.9
    assert found.status == "fail"


def test_a_ceiling_of_the_spec_replaces_the_defaults() -> None:
    assert check(2000, 2.2, **ceilings(roc_auc=0.99)).status == "pass"
    found = check(2000, 2.2, **ceilings(gini=0.8))
    assert (found.status, set(found.numbers)) == ("fail", {"gini", "gini_ceiling"})


@pytest.mark.parametrize(("ceiling", "status"), [(0.05, "fail"), (0.01, "pass")])
def test_an_error_has_its_ceiling_below(ceiling: float, status: str) -> None:
    scores: Array = np.clip(ALTERNATING, 0.2, 0.8) + np.random.default_rng(0).uniform(-0.1, 0.1, 2000)
    given = evidence(a_spec(**ceilings(brier=ceiling)), y=ALTERNATING, challenger=scores)
    assert too_good(given).status == status


@pytest.mark.parametrize(("noise", "status"), [(0.05, "fail"), (0.5, "pass")])
def test_a_regression_is_held_to_r2(noise: float, status: str) -> None:
    y = np.random.default_rng(0).normal(size=500)
    given = evidence(a_regression(), y=y, challenger=y + noise * np.random.default_rng(1).normal(size=500))
    found = too_good(given)
    assert (found.status, set(found.numbers)) == (status, {"r2", "r2_ceiling"})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (evidence(a_spec(**ceilings(r2=0.9))), "The spec sets no ceiling for a metric of a classification."),
        (evidence(a_regression(**ceilings(pinball=0.1))), "The spec sets no ceiling for a metric of a regression."),
        (evidence(events=0), "Nothing can be measured on the holdout."),
        (evidence(y=np.empty(0)), "Nothing can be measured on the holdout."),
    ],
)
def test_does_not_apply(given: Evidence, why: str) -> None:
    found = too_good(given)
    assert (found.status, found.explanation) == ("not_applicable", why)
