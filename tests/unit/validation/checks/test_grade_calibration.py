"""TH206, calibrated by grade: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from support.factories import a_regression, a_spec, evidence
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.grades import grade_calibration, grade_rates
from titleholder.validation.evidence import Evidence

PREDICTED = (0.02, 0.05, 0.10)


def graded(rates: tuple[float, ...], rows: int = 1000, grades: Any = None, **rule: Any) -> Evidence:
    """Three grades of `rows` rows with exactly these shares of events; each grade has one score."""
    y = np.concatenate([(np.arange(rows) < round(rate * rows)).astype(float) for rate in rates])
    spec = a_spec(judgement__grades=grades or {"cut_offs": [0.03, 0.08]}, judgement__checks={"grade_calibration": rule})
    return evidence(spec, y=y, challenger=np.repeat(PREDICTED, rows))


def check(*rates: float, **options: Any) -> Result:
    return grade_calibration(graded(rates, **options))


def test_fires_as_a_warning_when_a_grade_has_more_events_than_predicted() -> None:
    found = check(0.02, 0.09, 0.10)
    assert (found.code, found.status, found.severity) == ("TH206", "fail", "warn")
    assert found.explanation == (
        "Event rates of 3 grades, shown to be beyond 0.909 to 1.1 times the predicted: "
        f"grade 2 9.00% instead of 5.00% (adjusted p {found.numbers['grade 2:p']:.2g})."
    )
    assert found.numbers["grade 2:predicted"] == pytest.approx(0.05)
    assert found.numbers["grade 2:observed"] == pytest.approx(0.09)


def test_fires_when_a_grade_has_fewer() -> None:
    found = check(0.02, 0.02, 0.10)
    assert found.status == "fail"
    assert "grade 2 2.00% instead of 5.00%" in found.explanation


def test_stays_quiet_when_all_are_near_and_names_the_nearest_to_failing() -> None:
    found = check(0.021, 0.054, 0.095)
    assert found.status == "pass"
    assert "shown to be beyond 0.909 to 1.1 times the predicted: none, nearest grade" in found.explanation


def test_stays_quiet_when_few_rows_are_far_off_and_says_by_how_much() -> None:
    found = check(0.02, 0.08, 0.10, rows=100)
    assert found.status == "pass"
    assert "none; by the estimate alone, which is not shown: grade 2 8.00% instead of 5.00% (" in found.explanation
    assert "grade 1" not in found.explanation


def test_stays_quiet_when_many_rows_are_a_little_off() -> None:
    assert check(0.021, 0.0525, 0.105, rows=50_000).status == "pass"
    assert check(0.021, 0.0525, 0.105, rows=50_000, observed_expected=0.0).status == "fail"


def test_without_a_tolerance_the_p_value_is_twice_that_of_the_ecbs_jeffreys_test() -> None:
    given = graded((0.02, 0.07, 0.10), observed_expected=0.0)
    p = stats.beta(70.5, 930.5).cdf(0.05)
    assert grade_rates(given)[1].too_low == pytest.approx(p, rel=1e-9)
    found = grade_calibration(given)
    assert found.numbers["grade 2:p"] == pytest.approx(3 * 2 * p, rel=1e-9)  # Holm's factor of the smallest of three
    assert "beyond the predicted: grade 2" in found.explanation


def test_the_more_grades_the_surer_it_must_be() -> None:
    rng, n = np.random.default_rng(1), 20_000
    p = np.where(np.arange(n) < 1000, 0.05, rng.uniform(0.1, 0.2, n))
    y = (rng.random(n) < p).astype(float)
    y[:1000] = np.arange(1000) < 70  # p-value 0.007 by itself
    found = {}
    for number in (2, 20):
        spec = a_spec(
            judgement__grades={"cut_offs": [0.1, *np.linspace(0.101, 0.199, number - 2)]},
            judgement__checks={"grade_calibration": {"observed_expected": 0.0}},
        )
        found[number] = grade_calibration(evidence(spec, y=y, challenger=p)).status
    assert found == {2: "fail", 20: "pass"}


def test_grades_with_few_rows_are_joined() -> None:
    found = check(0.02, 0.05, 0.10, rows=60)
    assert found.numbers["grades"] == 1
    assert (found.status, found.explanation) == ("not_applicable", "The scores do not give two grades of 100 rows.")
    assert (
        check(0.02, 0.05, 0.10, rows=60, grades={"cut_offs": [0.03, 0.08], "minimum_rows": 60}).numbers["grades"] == 3
    )


def test_weighted_and_clustered_rows_count_by_their_effective_number() -> None:
    given = graded((0.02, 0.09, 0.10))
    clusters = np.arange(3000) // 10
    y = given.y.copy()
    y[1000:2000] = np.repeat(np.arange(100) < 9, 10)  # nine whole clusters instead of ninety rows
    found = grade_calibration(given.model_copy(update={"y": y, "clusters": clusters}))
    assert found.status == "pass"
    assert found.explanation.endswith("; rows count by their effective number.")
    heavy = given.model_copy(update={"weights": np.full(3000, 7.0)})
    assert grade_calibration(heavy).status == "fail"
    alike = zip(grade_rates(heavy), grade_rates(given), strict=True)
    assert all(one.rate == pytest.approx(other.rate, rel=2e-3) for one, other in alike)


def test_predictions_are_weighted_like_outcomes() -> None:
    spec = a_spec(judgement__grades={"cut_offs": [0.5], "minimum_rows": 2})
    p, weights = np.array([0.1, 0.2, 0.6, 0.9]), np.array([3.0, 1.0, 1.0, 1.0])
    given = evidence(spec, y=np.array([0.0, 1, 0, 1]), challenger=p, weights=weights)
    assert [one.predicted for one in grade_rates(given)] == pytest.approx([0.125, 0.75])


def test_does_not_apply_to_a_regression_or_to_one_class() -> None:
    assert grade_calibration(evidence(a_regression(), y=np.arange(50.0))).explanation == "A regression has no grades."
    assert grade_calibration(evidence(events=0)).explanation == "Nothing can be measured on the holdout."
    assert grade_calibration(evidence()).status == "not_applicable"


def test_a_calibrated_model_fails_in_at_most_one_of_twenty() -> None:
    rng, failed = np.random.default_rng(5), 0
    for _ in range(60):
        p = 1 / (1 + np.exp(3 - rng.normal(size=2000)))
        y = (rng.random(2000) < p).astype(float)
        failed += grade_calibration(evidence(a_spec(), y=y, challenger=p)).failed
    assert failed <= 4  # of 60, where the simulation of docs/validation.md expects 1
