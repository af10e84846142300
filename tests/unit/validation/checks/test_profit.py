"""TH303, profit does not fall: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.factories import a_spec, evidence
from titleholder.spec.model import ModelSpec
from titleholder.validation.checks.cut_off import profit_gain
from titleholder.validation.evidence import Evidence


def earning(tolerance: float = 0.0, **changes: Any) -> ModelSpec:
    parts = {
        "judgement__cut_off": {"accept": "below", "share": 0.5},
        "judgement__profit": {"accepted_1": -4.0, "accepted_0": 1.0},
        "judgement__checks": {"profit": {"tolerance": tolerance}},
    }
    return a_spec(**{**parts, **changes})


def compared(n: int, own: float, their: float, spec: ModelSpec | None = None) -> Evidence:
    """Models that know the outcomes' risk through noises of these sizes; half of the rows are accepted."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(1.5 - 1.5 * x))).astype(float)
    challenger, champion = (1 / (1 + np.exp(-x - noise * rng.normal(size=n))) for noise in (own, their))
    return evidence(spec or earning(), y=y, challenger=challenger, champion=champion)


def test_fires_when_profit_is_shown_to_fall() -> None:
    found = profit_gain(compared(4000, 2.0, 0.0))
    assert (found.code, found.status, found.severity) == ("TH303", "fail", "block")
    assert found.numbers["gain"] == pytest.approx(found.numbers["challenger"] - found.numbers["champion"])
    assert found.explanation.startswith(
        f"Profit a row is {found.numbers['challenger']:.4f}, the champion's {found.numbers['champion']:.4f}: "
        f"a gain of {found.numbers['gain']:+.4f} ["
    )
    assert found.explanation.endswith("whose upper bound must not lie below 0.")


@pytest.mark.parametrize(("own", "their"), [(0.0, 2.0), (1.0, 1.0)])
def test_stays_quiet_when_it_does_not(own: float, their: float) -> None:
    assert profit_gain(compared(4000, own, their)).status == "pass"


def test_stays_quiet_when_the_fall_may_be_chance() -> None:
    found = profit_gain(compared(40, 2.0, 0.0))
    assert found.numbers["gain"] < 0
    assert found.status == "beyond"


def test_stays_quiet_within_the_tolerance() -> None:
    found = profit_gain(compared(4000, 2.0, 0.0, earning(tolerance=1.0)))
    assert found.numbers["gain_upper"] < 0
    assert (found.status, found.numbers["tolerance"]) == ("pass", 1.0)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (evidence(), "The spec names no profit of a classification."),
        (evidence(earning()), "No champion yet."),
        (evidence(earning(), events=0, champion=np.full(50, 0.5)), "Nothing can be measured on the holdout."),
        (evidence(earning(), y=np.empty(0), champion=np.empty(0)), "Nothing can be measured on the holdout."),
    ],
)
def test_does_not_apply(given: Evidence, why: str) -> None:
    found = profit_gain(given)
    assert (found.status, found.explanation) == ("not_applicable", why)
