"""Grades: where they begin, and which are joined."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from titleholder.spec.criteria import Grades
from titleholder.validation.grades import bounds, cut, numbers


def test_without_cut_offs_grades_have_equally_many_rows_in_the_order_of_the_scores() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1000) / 1000)
    found = cut(Grades(), scores)
    assert [len(grade.rows) for grade in found] == [100] * 10
    assert [scores[grade.rows].min() for grade in found] == pytest.approx(np.arange(10) / 10)
    assert [grade.name for grade in found] == [str(k) for k in range(1, 11)]
    assert (found[0].lowest, found[0].highest, found[-1].highest) == (None, 0.1, None)


def test_of_few_rows_there_are_fewer_grades() -> None:
    scores = np.linspace(0.01, 0.99, 350)
    assert [len(grade.rows) for grade in cut(Grades(), scores)] == [116, 117, 117]
    assert len(cut(Grades(minimum_rows=1000), scores)) == 1


def test_a_cut_off_is_the_lowest_score_of_its_grade() -> None:
    found = cut(Grades(cut_offs=(0.2, 0.5), minimum_rows=1), np.array([0.5, 0.1, 0.2, 0.4999, 0.9]))
    assert [grade.rows.tolist() for grade in found] == [[1], [2, 3], [0, 4]]
    assert [(grade.lowest, grade.highest) for grade in found] == [(None, 0.2), (0.2, 0.5), (0.5, None)]


def test_grades_with_few_rows_are_joined_with_the_next_and_the_last_with_the_one_before() -> None:
    scores = np.repeat([0.05, 0.15, 0.25, 0.35, 0.45], [3, 9, 12, 10, 4])
    found = cut(Grades(cut_offs=(0.1, 0.2, 0.3, 0.4), minimum_rows=10), scores)
    assert [(grade.name, len(grade.rows)) for grade in found] == [("1 to 2", 12), ("3", 12), ("4 to 5", 14)]
    assert [(grade.lowest, grade.highest) for grade in found] == [(None, 0.2), (0.2, 0.3), (0.3, None)]


def test_equal_scores_are_never_parted() -> None:
    scores = np.repeat([0.1, 0.2, 0.9], [400, 400, 200])
    assert [np.unique(scores[grade.rows]).tolist() for grade in cut(Grades(), scores)] == [[0.1], [0.2], [0.9]]
    assert len(cut(Grades(), np.full(1000, 0.5))) == 1


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), max_size=80), st.integers(1, 30), st.integers(2, 12))
def test_every_row_is_in_one_grade_and_grades_rise(scores: list[float], least: int, number: int) -> None:
    p = np.array(scores)
    found = cut(Grades(number=number, minimum_rows=least), p)
    assert sorted(row for grade in found for row in grade.rows) == list(range(len(p)))
    assert all(len(grade.rows) >= least for grade in found) or len(found) == 1
    tops = [(p[low.rows].max(), p[high.rows].min()) for low, high in pairwise(found)]
    assert all(top < bottom for top, bottom in tops)


def test_the_numbers_of_rows_are_those_of_unjoined_grades() -> None:
    scale, scores = Grades(cut_offs=(0.1, 0.2), minimum_rows=10), np.array([0.05, 0.25, 0.1])
    assert numbers(bounds(scale, scores), scores).tolist() == [0, 2, 1]


@pytest.mark.parametrize("wrong", [(0.2, 0.1), (0.1, 0.1), (0.0, 0.5), (0.5, 1.0)])
def test_cut_offs_rise_between_0_and_1(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="cut_offs"):
        Grades(cut_offs=wrong)
