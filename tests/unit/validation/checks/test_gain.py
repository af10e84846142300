"""TH301, gain shown: fires, stays quiet, does not apply; by the rule for one holdout and by that for a reign."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from support.factories import a_spec, evidence
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.comparison import gain_shown
from titleholder.validation.metrics import Gain
from titleholder.validation.sequential import Look, accumulate


def looks(*gains: float, error: float = 0.01) -> tuple[Look, ...]:
    """One look a month."""
    return tuple(
        Look(
            as_of=date(2024, month + 1, 1),
            start=date(2023, month, 1),
            end=date(2023, month + 1, 1),
            rows=1000,
            events=100,
            metric="roc_auc",
            gain=gain,
            error=error,
        )
        for month, gain in enumerate(gains, start=1)
    )


def check(
    gain: Gain | None,
    *,
    minimum: float = 0.0,
    reigning: bool = True,
    rule: str = "single",
    looks: tuple[Look, ...] = (),
) -> Result:
    spec = a_spec(judgement__minimum_gain=minimum, judgement__rule=rule)
    return gain_shown(evidence(spec, champion=np.full(50, 0.5) if reigning else None, gain=gain, looks=looks))


AHEAD, BEHIND = Gain(0.01, -0.01, 0.03, "DeLong", 0.01, 40.0), Gain(-0.001, -0.02, 0.02, "DeLong", 0.01, 40.0)


@pytest.mark.parametrize(
    ("lower", "minimum"), [(-0.001, 0.0), (0.0, 0.0), (0.004, 0.005), (-0.02, -0.01), (-np.inf, -1.0), (np.nan, 0.0)]
)
def test_fires_unless_the_lower_bound_exceeds_the_minimum(lower: float, minimum: float) -> None:
    found = check(Gain(0.01, lower, 0.03, "DeLong", 0.01, 40.0), minimum=minimum)
    assert (found.code, found.status, found.severity) == ("TH301", "fail", "block")


@pytest.mark.parametrize(("lower", "minimum"), [(0.001, 0.0), (-0.004, -0.005), (0.0, -0.001)])
def test_stays_quiet_when_it_does(lower: float, minimum: float) -> None:
    assert check(Gain(0.01, lower, 0.03, "DeLong", 0.01, 40.0), minimum=minimum).status == "pass"


def test_says_the_numbers_it_rests_on() -> None:
    found = check(Gain(0.0123, -0.002, 0.03, "DeLong", 0.01, 40.0))
    assert found.numbers == {"gain": 0.0123, "lower": -0.002, "upper": 0.03, "minimum": 0.0}
    assert found.explanation.startswith("roc_auc: gain +0.0123, 95% interval [-0.0020, +0.0300] (DeLong);")


@pytest.mark.parametrize("rule", ["single", "sequential"])
def test_does_not_apply_without_a_champion(rule: str) -> None:
    found = check(None, reigning=False, rule=rule)
    assert (found.status, found.explanation) == ("not_applicable", "No champion yet.")


@pytest.mark.parametrize("rule", ["single", "sequential"])
def test_fires_when_somebody_reigns_and_the_gain_is_unknown(rule: str) -> None:
    found = check(None, rule=rule, looks=looks(0.05, 0.05))
    assert (found.status, found.explanation) == ("fail", "The gain could not be computed on the holdout.")


def test_over_a_reign_fires_until_there_is_a_look() -> None:
    found = check(Gain(0.05, 0.04, 0.06, "DeLong", 0.005, 40.0), rule="sequential")
    assert found.status == "fail"
    assert found.explanation.endswith("; no new cohort of this reign has 20 events yet.")


def test_over_a_reign_small_gains_add_up() -> None:
    one, many = looks(0.015), looks(*[0.015] * 8)
    assert check(AHEAD, rule="sequential", looks=one).status == "fail"
    assert check(AHEAD, rule="sequential", looks=many).status == "pass"
    assert check(AHEAD, rule="sequential", looks=many, minimum=0.009).status == "fail"


def test_over_a_reign_fires_when_this_challenger_is_not_ahead_itself() -> None:
    found = check(BEHIND, rule="sequential", looks=looks(*[0.05] * 8))
    assert found.status == "fail"
    assert "gain -0.0010 on this holdout, which must exceed +0 too;" in found.explanation


def test_over_a_reign_says_what_all_looks_show() -> None:
    given = looks(0.02, 0.03)
    reign = accumulate(given, minimum_gain=0.0, confidence=0.95)
    assert reign is not None
    found = check(AHEAD, rule="sequential", looks=given)
    assert found.numbers["reign_looks"] == 2
    assert found.numbers["reign_gain"] == pytest.approx(0.025)
    assert found.numbers["reign_lower"] == reign.lower
    assert found.numbers["reign_log_evidence"] == reign.log_evidence
    assert (
        f"over 2 looks of this reign at new cohorts +0.0250, shown to be above {reign.lower:+.4f}" in found.explanation
    )


def test_one_holdout_is_judged_by_itself_whatever_the_reign_showed() -> None:
    assert check(AHEAD, rule="single", looks=looks(*[0.05] * 8)).status == "fail"
