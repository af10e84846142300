"""The answer of a backtest in one sentence, and what to bear in mind with it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from support.backtest_cases import a_backtest
from support.factories import a_regression, a_spec
from titleholder.workflow.backtest.answer import FEW, answer, cautions


@pytest.mark.parametrize(
    ("gates", "tilt", "begins"),
    [
        ((None, 1, 2, 2), 1.0, "Yes, it was worth it so far: over the 3 months"),
        ((None, 1, 2, 2), 0.0, "No, it did harm so far: over the 3 months"),
        ((None, 1, 1, 1), 1.0, "It made no difference: over the 3 months"),
        ((None, 1, 1, 2), 0.24, "Not shown to have been worth it so far: over the 3 months"),
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


def test_a_metric_has_no_capital_inside_the_sentence() -> None:
    spec = a_regression(judgement__metric="pinball", judgement__quantile=0.5, judgement__resamples=100)
    assert "a mean pinball loss of" in answer(a_backtest(spec, gates=(None, 1, 2, 2)))


@pytest.mark.parametrize(("compared", "few"), [(1, True), (FEW - 1, True), (FEW, False)])
def test_few_periods_are_called_few(compared: int, few: bool) -> None:
    found = cautions(a_backtest(a_spec(schedule="@monthly"), gates=(1, *[2] * (compared - 1))))
    assert len(found) == few
    if few:
        assert f"Only {compared} month" in found[0]
        assert f"fewer than {FEW}" in found[0]


def test_where_nothing_is_compared_there_is_nothing_to_bear_in_mind() -> None:
    assert cautions(a_backtest(gates=(None, None, None, None))) == []


@pytest.mark.parametrize(
    ("end", "long"), [(date(2024, 5, 1), False), (date(2024, 6, 1), False), (date(2026, 4, 1), True)]
)
def test_a_long_stretch_without_a_decision_is_named_for_it_weighs_as_one_period(end: date, long: bool) -> None:
    """As after a rollback that was made years after the newest decision."""
    result = a_backtest(a_spec(schedule="@monthly"), gates=(1, 1, *[2] * FEW))
    stretched = [m.model_copy(update={"end": end}) if m.period.as_of == date(2024, 4, 1) else m for m in result.periods]
    found = cautions(result.model_copy(update={"periods": tuple(stretched)}))
    assert len(found) == long
    assert all(
        "The rows from 2024-04-01 to before 2026-04-01 count as one month in the means" in said for said in found
    )
