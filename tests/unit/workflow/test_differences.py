"""Values side by side: equal, within tolerance, different, or never recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from titleholder.workflow.differences import SHOWN, Tally, closeness


@pytest.mark.parametrize(
    ("recorded", "reproduced", "expected"),
    [
        (0.1, 0.1, "equal"),
        (1, 1.0, "equal"),
        (-0.0, 0.0, "equal"),
        (10**20, 1e20, "equal"),
        (None, None, "equal"),
        (0.3, 0.1 + 0.2, "within"),
        (0.0, 1e-17, "within"),
        (1e9, 1e9 + 0.5, "within"),
        (0.0, 1e-11, "different"),
        (0.5, 0.5000001, "different"),
        (True, 1, "different"),
        (None, 0.0, "different"),
        ("0.5", 0.5, "different"),
        ("the furthest by 0.", "the furthest by 1.1e-16.", "within"),
        ("furthest by 0, of 3", "furthest by 1.1e-16, of 3", "within"),
        ("gain 0.51 of 3", "gain 0.52 of 3", "different"),
        ("keep", "reject", "different"),
    ],
)
def test_how_close_two_values_are(recorded: Any, reproduced: Any, expected: str) -> None:
    assert closeness(recorded, reproduced) == expected


def walked(recorded: Any, reproduced: Any) -> Tally:
    tally = Tally("v")
    tally.compare(recorded, reproduced)
    return tally


def test_every_difference_has_a_path_and_a_size() -> None:
    tally = walked({"a": {"b": [1, 2.0]}, "c": "x"}, {"a": {"b": [1, 2.5]}, "c": "y"})
    assert [(d.path, d.recorded, d.reproduced, d.difference) for d in tally.differences] == [
        ("v.a.b[1]", 2.0, 2.5, 0.5),
        ("v.c", "x", "y", None),
    ]
    assert tally.part.model_dump() == {"name": "v", "equal": 1, "within": 0, "different": 2}
    assert tally.part.compared == 3


def test_what_was_not_recorded_is_no_difference_and_what_is_gone_is_one() -> None:
    tally = walked({"old": 1}, {"new": 2})
    assert tally.not_recorded == ["v.new"]
    assert [(d.path, d.recorded, d.reproduced) for d in tally.differences] == [("v.old", 1, None)]


def test_checks_are_known_by_their_codes() -> None:
    one, two = {"code": "TH1", "status": "pass"}, {"code": "TH2", "status": "pass"}
    tally = walked({"checks": [two]}, {"checks": [one, two]})
    assert (tally.part.equal, tally.part.different, tally.not_recorded) == (2, 0, ["v.checks.TH1"])


def test_lists_of_other_lengths_differ_as_a_whole() -> None:
    assert [d.path for d in walked([1, 2], [1]).differences] == ["v"]


def test_of_a_long_array_the_largest_differences_are_listed_and_all_are_counted() -> None:
    recorded = np.linspace(0, 1, 1000)
    reproduced = recorded.copy()
    reproduced[:100] += np.linspace(0.1, 1, 100)
    reproduced[200] += 1e-15
    reproduced[300] = np.nan
    tally = Tally("scores")
    tally.compare_arrays(recorded, reproduced)
    assert tally.part.model_dump() == {"name": "scores", "equal": 898, "within": 1, "different": 101}
    listed = [d.path for d in tally.differences]
    assert len(listed) == SHOWN
    assert listed[-1] == "scores[300]"
    assert listed[0] == "scores[81]"


def test_arrays_of_other_lengths_differ() -> None:
    tally = Tally("scores")
    tally.compare_arrays(np.zeros(3), np.zeros(2))
    assert [(d.path, d.recorded, d.reproduced, d.difference) for d in tally.differences] == [
        ("scores.length", 3, 2, -1)
    ]
