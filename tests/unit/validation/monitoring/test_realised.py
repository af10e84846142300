"""A promise against what came true: the budget holds over a reign, and what is missing is found."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from titleholder.validation.metrics import Gain
from titleholder.validation.monitoring.realised import shortfall
from titleholder.validation.sequential import Look

ERROR = 0.02


def promise(estimate: float, error: float = 0.01) -> Gain:
    return Gain(
        estimate=estimate, lower=estimate - 2 * error, upper=estimate + 2 * error, method="DeLong", error=error,
        freedom=1e6,
    )  # fmt: skip


def realised(values: list[float]) -> list[Look]:
    days = [date(2024, 1, 1) + timedelta(days=30 * n) for n in range(len(values) + 1)]
    return [
        Look(as_of=end, start=start, end=end, rows=900, events=60, metric="roc_auc", gain=value, error=ERROR)
        for start, end, value in zip(days, days[1:], values, strict=False)
    ]


def test_a_promise_that_came_true_is_seldom_called_broken() -> None:
    """True performance lies below the true promise by exactly what is tolerated; 36 cohorts, looked at now and then."""
    rng, broken = np.random.default_rng(1), 0
    for _ in range(60):
        said = promise(0.70 + 0.01 * rng.normal())
        looks = realised((0.69 + ERROR * rng.normal(size=36)).tolist())
        whole = [shortfall(said, looks[:n], tolerated=0.01, budget=0.05) for n in range(6, 37, 6)]
        broken += any(found is not None and found.shown for found in whole)
    assert broken <= 60 * 0.05


def test_what_is_missing_is_found_and_said_since_when() -> None:
    looks = realised([0.70] * 6 + [0.60] * 8)
    found = shortfall(promise(0.70), looks, tolerated=0.01, budget=0.05)
    assert found is not None
    assert found.shown
    assert found.since == pytest.approx(6, abs=1)
    assert found.promised == pytest.approx(0.70 - 1.96 * 0.01, abs=1e-3)
    assert 0.01 < found.least < found.missing < 0.09
    assert found.cohorts == 14


def test_a_promise_kept_or_exceeded_is_none_broken() -> None:
    for value in (0.70, 0.75):
        found = shortfall(promise(0.70), realised([value] * 24), tolerated=0.01, budget=0.05)
        assert found is not None
        assert not found.shown
        assert found.missing < 0


def test_before_the_first_cohort_nothing_is_known() -> None:
    assert shortfall(promise(0.7), [], tolerated=0.01, budget=0.05) is None


def test_an_error_that_is_none_is_refused() -> None:
    looks = [look.model_copy(update={"error": 0.0}) for look in realised([0.7])]
    with pytest.raises(ValueError, match="positive and finite"):
        shortfall(promise(0.7), looks, tolerated=0.01, budget=0.05)
