"""Grades on the card, and where rows move between them."""

from __future__ import annotations

import numpy as np
import pytest

from support.factories import a_regression, a_spec
from support.report_cases import simulated
from titleholder.reports.plots import grades
from titleholder.validation.checks.grades import grade_calibration

CUT = a_spec(judgement__grades={"cut_offs": [0.1, 0.2]})


def test_the_rows_are_the_grades_that_the_checks_judge() -> None:
    found = simulated(CUT)
    rows, numbers = grades.grade_rows(found), grade_calibration(found).numbers
    assert [(row.name, row.scores) for row in rows] == [
        ("1", "below 10.0%"),
        ("2", "10.0% to 20.0%"),
        ("3", "from 20.0%"),
    ]
    assert sum(row.rows for row in rows) == 600
    assert sum(row.events for row in rows) == found.y.sum()
    assert [row.observed.lower for row in rows] == [numbers[f"grade {k}:observed_lower"] for k in "123"]
    assert not any(row.shown for row in rows)


def test_a_grade_that_is_shown_to_be_off_is_marked() -> None:
    found = simulated(CUT)
    rows = grades.grade_rows(found.model_copy(update={"y": np.where(found.challenger < 0.1, 1.0, found.y)}))
    assert [(row.shown, row.too_low) for row in rows[:1]] == [(True, "< 0.001")]


def test_a_regression_and_one_class_have_none() -> None:
    assert grades.grade_rows(simulated(a_regression())) == []
    assert grades.grade_rows(simulated().model_copy(update={"y": np.zeros(600)})) == []


def test_without_cut_offs_a_change_of_the_level_moves_no_row() -> None:
    found = simulated()
    moves = grades.migration(found.model_copy(update={"champion": found.challenger / 2}))
    assert moves is not None
    assert (len(moves.counts), moves.staying, moves.far, moves.same_scale) == (6, 1.0, 0.0, False)


def test_with_cut_offs_both_models_are_cut_at_the_same_probabilities() -> None:
    champion = np.array([0.05, 0.05, 0.15, 0.15, 0.5, 0.05])
    challenger = np.array([0.05, 0.15, 0.15, 0.5, 0.5, 0.5])
    moves = grades.migration(simulated(CUT, n=6, champion=champion, challenger=challenger))
    assert moves is not None
    assert moves.counts == ((1, 1, 1), (0, 1, 1), (0, 0, 1))
    assert (moves.staying, moves.far) == pytest.approx((3 / 6, 1 / 6))
    assert moves.same_scale


def test_nothing_moves_without_a_champion_or_grades() -> None:
    assert grades.migration(simulated(champion=None)) is None
    assert grades.migration(simulated(n=0)) is None
    assert grades.migration(simulated(n=150)) is None
    assert grades.migration(simulated(a_regression())) is None
