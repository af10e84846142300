"""TH301, gain shown: fires, stays quiet, does not apply."""

from __future__ import annotations

import numpy as np
import pytest
from factories import a_spec, evidence

from titleholder.checks.base import Result
from titleholder.checks.gain import gain_shown
from titleholder.metrics import Gain


def check(gain: Gain | None, *, minimum: float = 0.0, reigning: bool = True) -> Result:
    spec = a_spec(judgement__minimum_gain=minimum)
    return gain_shown(evidence(spec, champion=np.full(50, 0.5) if reigning else None, gain=gain))


@pytest.mark.parametrize(
    ("lower", "minimum"), [(-0.001, 0.0), (0.0, 0.0), (0.004, 0.005), (-0.02, -0.01), (-np.inf, -1.0), (np.nan, 0.0)]
)
def test_fires_unless_the_lower_bound_exceeds_the_minimum(lower: float, minimum: float) -> None:
    found = check(Gain(0.01, lower, 0.03, "DeLong"), minimum=minimum)
    assert (found.code, found.status, found.severity) == ("TH301", "fail", "block")


@pytest.mark.parametrize(("lower", "minimum"), [(0.001, 0.0), (-0.004, -0.005), (0.0, -0.001)])
def test_stays_quiet_when_it_does(lower: float, minimum: float) -> None:
    assert check(Gain(0.01, lower, 0.03, "DeLong"), minimum=minimum).status == "pass"


def test_says_the_numbers_it_rests_on() -> None:
    found = check(Gain(0.0123, -0.002, 0.03, "DeLong"))
    assert found.numbers == {"gain": 0.0123, "lower": -0.002, "upper": 0.03, "minimum": 0.0}
    assert found.explanation.startswith("roc_auc: gain +0.0123, 95% interval [-0.0020, +0.0300] (DeLong);")


def test_does_not_apply_where_nobody_reigns() -> None:
    found = check(None, reigning=False)
    assert (found.status, found.explanation) == ("not_applicable", "Nobody reigns yet.")


def test_fires_when_somebody_reigns_and_the_gain_is_unknown() -> None:
    found = check(None)
    assert (found.status, found.explanation) == ("fail", "The gain could not be computed on the holdout.")
