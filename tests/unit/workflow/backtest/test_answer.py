"""The answer of a backtest in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from support.backtest_cases import a_backtest
from support.factories import a_regression
from titleholder.workflow.backtest.answer import answer


@pytest.mark.parametrize(
    ("gates", "tilt", "begins"),
    [
        ((None, 1, 2, 2), 1.0, "Yes, it was worth it: over the 3 months"),
        ((None, 1, 2, 2), 0.0, "No, it did harm: over the 3 months"),
        ((None, 1, 1, 1), 1.0, "It made no difference: over the 3 months"),
        ((None, 1, 1, 2), 0.24, "Not shown to have been worth it"),
        (
            (None, None, None, None),
            1.0,
            "There is no answer yet: no month can be compared (no champion yet in 4 of 5).",
        ),
    ],
)
def test_the_answer_follows_the_interval(gates: Any, tilt: float, begins: str) -> None:
    assert answer(a_backtest(gates=gates, tilt=tilt)).startswith(begins)


def test_an_error_that_falls_is_a_gain() -> None:
    said = answer(a_backtest(a_regression(judgement__resamples=100), gates=(None, 1, 2, 2)))
    assert said.startswith("Yes, it was worth it")
    assert "a mean RMSE of" in said
