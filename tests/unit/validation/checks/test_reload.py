"""TH703, reloaded model predicts the same: fires, stays quiet, does not apply."""

from __future__ import annotations

import numpy as np
import pytest

from support.factories import a_spec, evidence
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.model_contract import reloaded_scores

SCORES = [0.1, 0.5, 2000.0]


def check(recorded: list[float] | None, reloaded: list[float] | None, tolerance: float = 1e-12) -> Result:
    spec = a_spec(judgement__checks={"reload": {"tolerance": tolerance}})
    before, after = (None if scores is None else np.array(scores) for scores in (recorded, reloaded))
    return reloaded_scores(evidence(spec, recorded=before, reloaded=after))


@pytest.mark.parametrize(
    ("reloaded", "different"),
    [
        ([0.1, 0.5 + 1e-11, 2000.0], 1),
        ([0.2, 0.6, 2000.0], 2),
        ([0.1, 0.5, 2000.0 + 1e-7], 1),
        ([0.1, np.nan, 2000.0], 1),
        ([0.1, 0.5, np.inf], 1),
    ],
)
def test_fires_when_a_score_differs(reloaded: list[float], different: int) -> None:
    found = check(SCORES, reloaded)
    assert (found.code, found.status, found.severity) == ("TH703", "fail", "block")
    assert found.numbers["different"] == different
    assert found.explanation.startswith(f"{different} of 3 recorded scores differ from those of the model read back by")


@pytest.mark.parametrize("length", [0, 2, 4])
def test_fires_when_the_lengths_differ(length: int) -> None:
    found = check(SCORES, ([*SCORES, 1.0])[:length])
    assert (found.status, found.explanation) == (
        "fail",
        f"3 scores were recorded, the model read back gives {length}.",
    )


@pytest.mark.parametrize(
    ("reloaded", "tolerance"),
    [(SCORES, 0.0), ([0.1, 0.5 + 1e-13, 2000.0 + 1e-9], 1e-12), ([0.1 + 0.009, 0.5, 2000.0 + 19], 0.01)],
)
def test_stays_quiet_within_the_tolerance_which_grows_with_the_score(reloaded: list[float], tolerance: float) -> None:
    assert check(SCORES, reloaded, tolerance).status == "pass"


def test_numbers_say_how_far() -> None:
    assert check(SCORES, [0.1, 0.75, 2000.0]).numbers == {
        "recorded": 3,
        "different": 1,
        "furthest": 0.25,
        "tolerance": 1e-12,
    }


@pytest.mark.parametrize(("recorded", "reloaded"), [(None, SCORES), (SCORES, None), (None, None)])
def test_does_not_apply_where_one_of_both_is_not_at_hand(
    recorded: list[float] | None, reloaded: list[float] | None
) -> None:
    found = check(recorded, reloaded)
    assert (found.status, found.explanation) == (
        "not_applicable",
        "No scores were recorded when the model was trained.",
    )
