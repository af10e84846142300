"""Grades: the judged rows of a classification, cut by the predicted probability."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from titleholder.spec.criteria import Grades
from titleholder.validation.metrics import Array
from titleholder.validation.metrics.inputs import Rows


class Grade(NamedTuple):
    """The rows with scores from `lowest` to below `highest`; None where nothing bounds them.

    `name` is the grade's number, or the first and the last where several were joined.

    >>> found = cut(Grades(number=2, minimum_rows=2), np.array([0.1, 0.9, 0.3, 0.2]))
    >>> [(grade.name, grade.rows.tolist()) for grade in found]
    [('1', [0, 3]), ('2', [1, 2])]
    """

    name: str
    lowest: float | None
    highest: float | None
    rows: Rows


def bounds(scale: Grades, scores: Array) -> Array:
    """Where each grade but the first begins: the spec's cut-offs, else those that give equally many rows.

    Of few rows there are fewer grades, so that each has `minimum_rows`. Equal scores are never parted.
    """
    if scale.cut_offs:
        return np.array(scale.cut_offs)
    number, n = max(min(scale.number, len(scores) // scale.minimum_rows), 1), len(scores)
    return np.sort(scores)[n * np.arange(1, number) // number]


def numbers(cuts: Array, scores: Array) -> Rows:
    """The grade of each row, from 0; shape (n,)."""
    return np.searchsorted(cuts, scores, side="right")


def cut(scale: Grades, scores: Array) -> list[Grade]:
    """The grades in ascending order, each with `minimum_rows` rows or more.

    From the first on, a grade with fewer rows takes the next one; a last one with fewer is joined to the one before.
    """
    cuts = bounds(scale, scores)
    number = numbers(cuts, scores)
    edges = [None, *cuts.tolist(), None]
    return [
        Grade(_name(first, last), edges[first], edges[last + 1], np.flatnonzero((number >= first) & (number <= last)))
        for first, last in _joined(np.bincount(number, minlength=len(cuts) + 1).tolist(), scale.minimum_rows)
    ]


def _joined(counts: list[int], least: int) -> Iterator[tuple[int, int]]:
    """The first and the last grade of each that is left when those with fewer than `least` rows are joined."""
    ends: list[int] = []
    have = 0
    for grade, count in enumerate(counts):
        have += count
        if have >= least:
            ends.append(grade)
            have = 0
    starts = [0, *(end + 1 for end in ends[:-1])]
    ends = [*ends[:-1], len(counts) - 1]
    yield from zip(starts, ends, strict=True)


def _name(first: int, last: int) -> str:
    return f"{first + 1}" if first == last else f"{first + 1} to {last + 1}"
