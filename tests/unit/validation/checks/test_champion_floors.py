"""TH205, champion above its floors: fires, stays quiet, does not apply."""

from __future__ import annotations

import numpy as np
import pytest

from support.factories import a_regression, a_spec, evidence
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.performance import champion_floors


def check(n: int, *, signal: float, **floors: float) -> Result:
    """A champion whose ROC AUC on `n` rows is about Phi(signal / sqrt(2))."""
    rng = np.random.default_rng(1)
    y = (np.arange(n) % 2).astype(float)
    scores = 1 / (1 + np.exp(-rng.normal(signal * y - signal / 2)))
    return champion_floors(evidence(a_spec(judgement__floors=floors), y=y, champion=scores))


@pytest.mark.parametrize("floors", [{"roc_auc": 0.7}, {"brier": 0.2}, {"roc_auc": 0.5, "brier": 0.2}])
def test_fires_as_a_warning_when_the_champion_is_shown_beyond_a_floor(floors: dict[str, float]) -> None:
    found = check(2000, signal=0.3, **floors)
    assert (found.code, found.status, found.severity) == ("TH205", "fail", "warn")


@pytest.mark.parametrize(("metric", "floor"), [("roc_auc", 0.7), ("brier", 0.22)])
def test_an_estimate_below_a_floor_that_may_be_chance_is_no_pass(metric: str, floor: float) -> None:
    found = check(40, signal=0.3, **{metric: floor})
    lower, upper = found.numbers[f"{metric}_lower"], found.numbers[f"{metric}_upper"]
    assert lower < floor < upper
    assert found.status == "beyond"
    assert found.explanation.endswith(f"; {metric} misses its floor, which is not shown.")


def test_stays_quiet_when_it_is_above() -> None:
    found = check(2000, signal=2.0, roc_auc=0.7)
    assert found.status == "pass"
    assert found.numbers["roc_auc_floor"] == 0.7
    assert found.explanation == (
        f"The champion on the holdout: roc_auc {found.numbers['roc_auc']:.4f} "
        f"[{found.numbers['roc_auc_lower']:.4f}, {found.numbers['roc_auc_upper']:.4f}] (floor 0.7)."
    )


def test_a_loss_has_its_floor_above() -> None:
    y = np.linspace(0, 10, 100)
    for floor, status in ((3.0, "pass"), (1.0, "fail")):
        spec = a_regression(judgement__floors={"rmse": floor})
        assert champion_floors(evidence(spec, y=y, champion=y + 2 + 0.1 * np.cos(y))).status == status


@pytest.mark.parametrize(
    ("events", "champion", "floors", "why"),
    [
        (20, None, {"roc_auc": 0.6}, "No champion yet."),
        (20, np.full(50, 0.5), {}, "The spec sets no floor."),
        (0, np.full(50, 0.5), {"roc_auc": 0.6}, "Nothing can be measured on the holdout."),
    ],
)
def test_does_not_apply(events: int, champion: np.ndarray | None, floors: dict[str, float], why: str) -> None:
    found = champion_floors(evidence(a_spec(judgement__floors=floors), events=events, champion=champion))
    assert (found.status, found.explanation) == ("not_applicable", why)
