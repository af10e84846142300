"""TH204, overall_calibration in every cohort: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import a_regression, a_spec, evidence
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.cohorts import cohort_calibration
from titleholder.validation.metrics import Array

MONTHS = ["2023-10", "2023-11", "2023-12"]


def check(
    rates: list[float], *, rows: int = 600, expected: float = 0.2, months: list[str] | None = None, **rule: Any
) -> Result:
    """Cohorts of `rows` rows with exactly these shares of events, all expected at the same rate."""
    y = np.concatenate([(np.arange(rows) < round(rate * rows)).astype(float) for rate in rates])
    return judged(y, np.full(len(y), expected), rows, months or MONTHS, **rule)


def judged(y: Array, p: Array, rows: int, months: list[str], task: Any = a_spec, **rule: Any) -> Result:
    time = pd.to_datetime(np.repeat(months[: len(y) // rows], rows), utc=True) + pd.Timedelta(days=3)
    spec = task(judgement__checks={"cohorts": rule})
    given = evidence(spec, y=y, challenger=p)
    return cohort_calibration(given.model_copy(update={"frame": given.frame.assign(issued_at=time)}))


@pytest.mark.parametrize("rate", [0.45, 0.08, 0.0])
def test_fires_as_a_warning_when_one_cohort_is_shown_to_be_off(rate: float) -> None:
    found = check([0.2, rate, 0.2])
    assert (found.code, found.status, found.severity) == ("TH204", "fail", "warn")
    assert found.explanation.startswith("Observed over expected in 3 months, shown to be beyond 0.667 to 1.5: 2023-11 ")
    assert found.numbers["judged"] == 3
    assert found.numbers["2023-11:observed_expected"] == pytest.approx(rate / 0.2)


def test_stays_quiet_when_all_are_near() -> None:
    found = check([0.2, 0.25, 0.17])
    assert found.status == "pass"
    assert found.explanation.startswith(
        "Observed over expected in 3 months, shown to be beyond 0.667 to 1.5: none, nearest 2023-11 1.250 ["
    )


def test_stays_quiet_when_one_may_be_chance() -> None:
    found = check([0.2, 0.35], rows=100, minimum_events=20)
    assert found.numbers["2023-11:observed_expected"] == pytest.approx(1.75)
    assert found.status == "pass"
    assert ": none; by the estimate alone, which is not shown: 2023-11 1.750 [" in found.explanation


def test_the_more_cohorts_the_surer_it_must_be() -> None:
    months = [str(m) for m in pd.period_range("2021-01", periods=36, freq="M")]
    assert check([0.27, 0.2], rows=600, observed_expected=0.15).status == "fail"
    found = check([0.27] + [0.2] * 35, rows=600, observed_expected=0.15, months=months)
    assert (found.status, found.numbers["judged"]) == ("pass", 36)


def test_the_numbers_stay_few() -> None:
    months = [str(m) for m in pd.period_range("2021-01", periods=36, freq="M")]
    found = check([0.2] * 35 + [0.5], months=months)
    assert len([name for name in found.numbers if name.endswith(":observed_expected")]) == 20
    assert found.numbers["2023-12:observed_expected"] == pytest.approx(2.5)


def test_a_quarter_is_three_months() -> None:
    found = check([0.3, 0.3, 0.1], period="quarter", observed_expected=0.1)
    assert (found.status, found.numbers["judged"]) == ("pass", 1)
    assert found.numbers["2023-Q4:observed_expected"] == pytest.approx(0.7 / 0.6)


def daily(rates: list[float], rows: int, schedule: str | None, **rule: Any) -> Result:
    """Days from Monday, 2 October 2023 on, of so many rows with these shares of events; all expected at 0.2."""
    y = np.concatenate([(np.arange(rows) < round(rate * rows)).astype(float) for rate in rates])
    days = [str(day.date()) for day in pd.date_range("2023-09-29", periods=len(rates))]
    return judged(y, np.full(len(y), 0.2), rows, days, lambda **changes: a_spec(schedule=schedule, **changes), **rule)


@pytest.mark.parametrize(
    ("schedule", "rows", "named", "cohorts"),
    [
        ("@daily", 200, "2023-10-10:observed_expected", 14),
        ("@daily", 45, "2023-W41:observed_expected", 2),
        ("@daily", 12, "2023-10:observed_expected", 1),
        ("0 6 * * 1", 200, "2023-W41:observed_expected", 2),
        ("@monthly", 200, "2023-10:observed_expected", 1),
        ("@yearly", 200, "2023:observed_expected", 1),
        ("0 6 1 */3 *", 200, "2023-Q4:observed_expected", 1),
        (None, 200, "2023-10:observed_expected", 1),
    ],
)
def test_a_cohort_is_a_period_of_the_schedule_or_a_longer_one_that_has_enough_events(
    schedule: str | None, rows: int, named: str, cohorts: int
) -> None:
    found = daily([0.2] * 8 + [0.6] + [0.2] * 5, rows, schedule)
    assert found.numbers["judged"] == cohorts
    assert named in found.numbers


def test_a_period_that_the_spec_names_is_not_lengthened() -> None:
    found = daily([0.2] * 14, 50, "@daily", period="day")
    assert (found.status, found.explanation) == ("not_applicable", "No day has 30 events.")


def test_cohorts_with_too_few_events_are_not_judged() -> None:
    found = check([0.2, 0.9], rows=40, minimum_events=30)
    assert (found.status, found.numbers["judged"], found.numbers["too_few"]) == ("fail", 1, 1)
    none = check([0.2, 0.2], rows=40)
    assert (none.status, none.explanation) == ("not_applicable", "No month has 30 events.")


def test_a_regression_has_the_ratio_of_means() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(50, 150, 300)
    y = p * rng.gamma(4.0, 0.25, 300) * np.repeat([1.0, 1.0, 2.0], 100)
    found = judged(y, p, 100, MONTHS, task=a_regression)
    assert found.status == "fail"
    assert found.numbers["2023-12:observed_expected"] == pytest.approx(y[200:].mean() / p[200:].mean())
    assert judged(y[:200], p[:200], 100, MONTHS, task=a_regression).status == "pass"


@pytest.mark.parametrize(
    ("task", "y", "why"),
    [
        (a_spec, np.zeros(60), "Nothing can be measured on the holdout."),
        (a_spec, np.empty(0), "Nothing can be measured on the holdout."),
        (a_regression, np.linspace(-1, 1, 60), "Outcomes differ in sign: observed over expected has no meaning."),
    ],
)
def test_does_not_apply(task: Any, y: Array, why: str) -> None:
    found = judged(y, np.full(len(y), 0.5), 20, MONTHS, task=task)
    assert (found.status, found.explanation) == ("not_applicable", why)
