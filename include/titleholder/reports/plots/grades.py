"""Grades of the scores: predicted and observed event rates, and where rows move from champion to challenger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from titleholder.formatting import confidence, percent
from titleholder.reports.plots.drawing import CHALLENGER, INK, Picture, as_percentages, picture, whiskers
from titleholder.validation import grades
from titleholder.validation.checks.grades import GradeRate, grade_rates
from titleholder.validation.evidence import Evidence
from titleholder.validation.grades import Grade
from titleholder.validation.metrics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAR = 2
"""A row that moves by so many grades has moved far."""


class GradeRow(NamedTuple):
    """A grade of the challenger's scores: its rows and events, and predicted and observed event rates.

    `too_low` is the p-value of the ECB's Jeffreys test, `adjusted` that of TH206; as text.
    """

    name: str
    scores: str
    rows: int
    events: int
    predicted: float
    observed: Interval
    too_low: str
    adjusted: str
    shown: bool


class Migration(NamedTuple):
    """How many rows are in each grade of the champion (first index) and of the challenger (second index).

    >>> moves = Migration(((8, 2, 0), (1, 7, 0), (1, 0, 1)), same_scale=False)
    >>> moves.staying, moves.far
    (0.8, 0.05)
    """

    counts: tuple[tuple[int, ...], ...]
    same_scale: bool
    """Whether both models' scores are cut at the same values: those of the spec."""

    @property
    def staying(self) -> float:
        """The share of rows that stay in their grade."""
        return self._share(0, 0)

    @property
    def far(self) -> float:
        """The share of rows that move by two grades or more."""
        return self._share(FAR, len(self.counts))

    def _share(self, least: int, most: int) -> float:
        counts = np.array(self.counts)
        row, column = np.indices(counts.shape)
        steps = np.abs(row - column)
        return float(counts[(steps >= least) & (steps <= most)].sum() / counts.sum())


def grade_rows(evidence: Evidence) -> list[GradeRow]:
    """The grades that TH206 and TH207 judge; none of a regression, or where nothing can be measured."""
    if not evidence.classification or not evidence.measurable:
        return []
    return [_row(evidence, one) for one in grade_rates(evidence)]


def _row(evidence: Evidence, one: GradeRate) -> GradeRow:
    level, rows = evidence.spec.judgement.confidence, one.grade.rows
    return GradeRow(
        name=one.grade.name,
        scores=_span(one.grade),
        rows=len(rows),
        events=int(evidence.y[rows].sum()),
        predicted=one.predicted,
        observed=one.rate.interval(level),
        too_low=_p_value(one.too_low),
        adjusted=_p_value(one.adjusted),
        shown=one.adjusted < 1 - level,
    )


def _span(grade: Grade) -> str:
    if grade.lowest is None:
        return f"below {percent(grade.highest)}" if grade.highest is not None else "all"
    return f"{percent(grade.lowest)} to {percent(grade.highest)}" if grade.highest else f"from {percent(grade.lowest)}"


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def grades_picture(evidence: Evidence, rows: Sequence[GradeRow]) -> Picture:
    """Each grade's event rate with its interval, and what was predicted."""
    at = np.arange(len(rows))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        whiskers(axes, at, [r.observed for r in rows], color=CHALLENGER, label="observed")
        axes.plot(at, [r.predicted for r in rows], "_", color=INK, markersize=13, markeredgewidth=2, label="predicted")
        axes.set_xticks(at, [r.name.replace(" to ", "-") for r in rows])
        axes.set(xlabel="grade", ylabel="event rate")
        axes.set_ylim(bottom=0)
        as_percentages(axes.yaxis)
        figure.legend(loc="upper left", ncols=2)

    level = confidence(evidence.spec.judgement.confidence)
    caption = f"Observed event rates by grade with {level} Jeffreys intervals, and the mean predicted probabilities."
    return picture(f"{caption} The numbers are in the table.", caption, draw)


def migration(evidence: Evidence) -> Migration | None:
    """How the judged rows move between grades, before small ones are joined; None without a champion or grades.

    With cut-offs in the spec both models' scores are cut at these; without, each model's into grades of equal size, so
    that a change of the level alone moves no row.
    """
    scale, champion = evidence.spec.judgement.grades, evidence.champion
    if champion is None or not evidence.classification or not len(champion):
        return None
    cuts = [grades.bounds(scale, scores) for scores in (champion, evidence.challenger)]
    size = len(cuts[0]) + 1
    before, after = (
        grades.numbers(cut, scores) for cut, scores in zip(cuts, (champion, evidence.challenger), strict=True)
    )
    counts = np.bincount(before * size + after, minlength=size * size).reshape(size, size)
    return Migration(tuple(map(tuple, counts.tolist())), bool(scale.cut_offs)) if size > 1 else None
