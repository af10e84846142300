"""TH101, enough outcomes: fires, stays quiet; it always applies."""

from __future__ import annotations

import numpy as np
import pytest

from support.factories import a_regression, evidence
from titleholder.validation.checks.performance import enough_outcomes


@pytest.mark.parametrize("events", [0, 4, 46, 50])
def test_fires_when_the_rarer_class_has_too_few_rows(events: int) -> None:
    found = enough_outcomes(evidence(events=events))
    rarer = min(events, 50 - events)
    assert (found.code, found.status, found.severity) == ("TH101", "fail", "block")
    assert found.explanation == f"The holdout has {rarer} rows of the rarer class; at least 5 are needed."
    assert found.numbers == {"informative": rarer, "minimum": 5, "events": events, "rows": 50}
    longer = "; about 2 times as long would do" if rarer else ""
    assert found.remedy == f"Make windows.holdout longer (it is 3 months{longer}), or lower judgement.minimum_events."


@pytest.mark.parametrize("events", [5, 25, 45])
def test_stays_quiet_when_there_are_enough(events: int) -> None:
    assert enough_outcomes(evidence(events=events)).status == "pass"


def test_a_regression_counts_rows() -> None:
    spec = a_regression()
    five, four = evidence(spec, y=np.array([3.0, -1, 0, 2, 8])), evidence(spec, y=np.array([3.0, -1, 0, 2]))
    assert enough_outcomes(five).status == "pass"
    assert enough_outcomes(four).status == "fail"
    assert enough_outcomes(four).explanation == "The holdout has 4 rows; at least 5 are needed."


def test_fires_on_an_empty_holdout() -> None:
    assert enough_outcomes(evidence(y=np.empty(0))).status == "fail"
