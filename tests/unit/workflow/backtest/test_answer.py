"""The answer of a backtest in one sentence, and what to bear in mind with it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from support.backtest_cases import a_backtest
from support.factories import a_regression, a_spec
from titleholder.workflow.backtest.answer import FEW, answer, cautions
from titleholder.workflow.backtest.policies import IMMATURE
from titleholder.workflow.backtest.summary import Backtest


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
    at_the_end, *found = cautions(a_backtest(a_spec(schedule="@monthly"), gates=(1, *[2] * (compared - 1))))
    assert len(found) == few
    assert "There are no later events" in at_the_end
    if few:
        assert f"Only {compared} month" in found[0]
        assert f"fewer than {FEW}" in found[0]


def test_where_nothing_is_compared_there_is_little_to_bear_in_mind() -> None:
    assert len(cautions(a_backtest(gates=(None, None, None, None)))) == 1


def lately(result: Backtest, rows: int, why: str) -> Backtest:
    """The same, with so many of the first periods as they are, and others for this reason not measured."""
    kept = [m if n < rows else m.model_copy(update={"rows": 0, "why": why}) for n, m in enumerate(result.periods)]
    return result.model_copy(update={"periods": tuple(kept), "matured": date(2024, 2, 20)})


@pytest.mark.parametrize(
    ("rows", "why", "said"),
    [
        (2, IMMATURE, "3 months at the end cannot be compared. Outcomes as of 2026-01-01 are final for events before "
         "2024-02-20 only: the last as-of date that can be is 2024-02-01."),
        (0, IMMATURE, "5 months at the end cannot be compared. Outcomes as of 2026-01-01 are final for events before "
         "2024-02-20 only: the last as-of date that can be is 2024-02-01."),
        (1, "no rows with a known outcome", "4 months at the end cannot be compared. There are no later events: the last "
         "as-of date that can be is 2024-01-01."),
        (0, "no rows with a known outcome", "5 months at the end cannot be compared. There are no later events."),
    ],
    ids=["some", "none", "events end", "no events"],
)  # fmt: skip
def test_the_last_as_of_date_that_can_be_compared_is_named(rows: int, why: str, said: str) -> None:
    """Periods without outcomes were counted, and the user tried again with other dates."""
    assert said in cautions(lately(a_backtest(a_spec(schedule="@monthly"), gates=(1, 1, 2, 2)), rows, why))
    whole = a_backtest(a_spec(schedule="@monthly"), gates=(1, 1, 2, 2))
    measured = whole.model_copy(update={"periods": whole.periods[:4]})
    assert not any("cannot be compared" in caution for caution in cautions(measured))


def test_periods_with_too_few_outcomes_come_with_what_to_do() -> None:
    result = a_backtest(a_spec(judgement__minimum_new_events=300), gates=(1, 2))
    assert (
        "2 months have too few outcomes to be compared: lower judgement.minimum_new_events (5 at the least), or choose a "
        "schedule with longer periods."
    ) in cautions(result)


def test_months_with_too_few_rows_are_counted_together_however_few_they_have() -> None:
    """Of 6 months with too few the answer said `9 of 20 in 2 of 6`."""
    result = a_backtest(a_spec(judgement__minimum_new_events=300), gates=(None, None, None, None))
    periods = tuple(
        period.model_copy(update={"why": f"too few rows of the rarer class: {n} of 20 (minimum_new_events)"})
        for n, period in enumerate(result.periods)
    )
    counted = f"in {len(periods)} of {len(periods)})."
    assert answer(result.model_copy(update={"periods": periods})).endswith(
        f"(too few rows of the rarer class {counted}"
    )


def test_of_a_quantile_the_coverage_stands_beside_the_loss() -> None:
    """The loss alone does not tell whether nine in ten outcomes lay below what nine in ten should."""
    spec = a_regression(judgement__metric="pinball", judgement__quantile=0.9, judgement__resamples=100)
    result = a_backtest(spec, gates=(None, 1, 2, 2))
    shares = {policy: summary.coverage for policy, summary in result.overall.policies.items()}
    compared = [m.figures["newest"] for m in result.periods if m.compared]
    assert shares["newest"] == pytest.approx(sum(f.coverage or 0 for f in compared) / 3), "as many rows in each"
    assert shares["never"] != shares["newest"]
    said = cautions(result)[0]
    assert said.startswith(f"Of the outcomes {shares['gate']:.1%} (gate), {shares['newest']:.1%} (newest), ")
    assert said.endswith(" lay at or below what was predicted, where 90% should (judgement.quantile).")
    assert result.quantile == 0.9
    assert a_backtest().overall.policies["gate"].coverage is None


@pytest.mark.parametrize(
    ("end", "long"), [(date(2024, 5, 1), False), (date(2024, 6, 1), False), (date(2026, 4, 1), True)]
)
def test_a_long_stretch_without_a_decision_is_named_for_it_weighs_as_one_period(end: date, long: bool) -> None:
    """As after a rollback that was made years after the newest decision."""
    result = a_backtest(a_spec(schedule="@monthly"), gates=(1, 1, *[2] * FEW))
    stretched = [m.model_copy(update={"end": end}) if m.period.as_of == date(2024, 4, 1) else m for m in result.periods]
    _, *found = cautions(result.model_copy(update={"periods": tuple(stretched)}))
    assert len(found) == long
    assert all(
        "The rows from 2024-04-01 to before 2026-04-01 count as one month in the means" in said for said in found
    )
