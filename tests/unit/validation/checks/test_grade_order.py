"""TH207, grades rank: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.factories import a_regression, a_spec, evidence
from titleholder.validation import metrics
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.grades import grade_order


def check(*rates: float, rows: int = 1000, **rule: Any) -> Result:
    """Grades of `rows` rows with exactly these shares of events; each grade has one score."""
    y = np.concatenate([(np.arange(rows) < round(rate * rows)).astype(float) for rate in rates])
    scores = np.arange(1, len(rates) + 1) / 100
    spec = a_spec(judgement__grades={"cut_offs": scores[1:].tolist()}, judgement__checks={"grade_order": rule})
    return grade_order(evidence(spec, y=y, challenger=np.repeat(scores, rows)))


def test_fires_as_a_warning_when_the_rate_falls_to_the_next_grade() -> None:
    found = check(0.02, 0.10, 0.05, 0.12)
    assert (found.code, found.status, found.severity) == ("TH207", "fail", "warn")
    fall = metrics.difference_of_rates(50, 1000, 100, 1000, confidence=1 - 0.05 / 3)
    assert found.explanation == (
        f"Event rates from one of 4 grades to the next, shown to fall: grade 2 to 3 {fall.text('+.4f')}."
    )
    assert found.numbers["grade 2 to 3:rise_upper"] == pytest.approx(fall.upper)


def test_stays_quiet_when_rates_rise() -> None:
    found = check(0.02, 0.05, 0.05, 0.12)
    assert found.status == "pass"
    assert "to the next, shown to fall: none, nearest grade 2 to 3 +0.0000 [" in found.explanation


def test_stays_quiet_when_a_fall_may_be_chance() -> None:
    found = check(0.02, 0.10, 0.08, 0.12, rows=200)
    assert found.status == "pass"
    assert "shown to fall: none; by the estimate alone, which is not shown: grade 2 to 3 -0.0200 [" in found.explanation


def test_a_fall_within_the_tolerance_passes() -> None:
    assert check(0.02, 0.10, 0.05, 0.12, rows=5000, tolerance=0.05).status == "pass"
    assert check(0.02, 0.10, 0.05, 0.12, rows=5000, tolerance=0.03).status == "fail"


def test_does_not_apply_to_a_regression_or_to_one_grade() -> None:
    assert grade_order(evidence(a_regression(), y=np.arange(50.0))).explanation == "A regression has no grades."
    assert grade_order(evidence()).explanation == "The scores do not give two grades of 100 rows."
