"""The stretches of time behind a decision, as a picture."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from titleholder.formatting import stretch
from titleholder.reports.facts import Facts
from titleholder.reports.plots.drawing import CHALLENGER, CHAMPION, INK, MUTED, Picture, picture
from titleholder.spec.windows import BEGINNING
from titleholder.validation.verdict import Verdict

LONGEST = 4
"""Training is drawn at most so many times as long as all that comes after it."""


STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 600)
"""Months from one mark of the axis to the next."""
TICKS = 5


class Window(NamedTuple):
    """A half-open stretch of time; `start` is None where it is not known or reaches back to the first row."""

    name: str
    start: date | None
    end: date
    color: str

    @property
    def said(self) -> str:
        """Its dates in words."""
        return stretch(self.start, self.end) if self.start else f"all before {self.end}"


def windows(facts: Facts, verdict: Verdict) -> list[Window]:
    """Both models' training rows, the judged rows and the time that outcomes need to mature, in this order."""
    spans = facts.spans
    start = None if spans.train_start <= BEGINNING else spans.train_start
    champion = (
        [Window("Champion's training", None, verdict.champion.trained_through, CHAMPION)] if verdict.champion else []
    )
    return [
        *champion,
        Window("Challenger's training", start, spans.holdout_start, CHALLENGER),
        Window("Judged rows", verdict.holdout_start, verdict.holdout_end, INK),
        Window("Outcomes mature", spans.matured, facts.as_of, MUTED),
    ]


def drawn(facts: Facts, verdict: Verdict) -> Picture:
    """One bar a window, and the as-of date as a line."""
    found = windows(facts, verdict)
    left = _left(facts)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row, window in enumerate(found):
            _bar(axes, row, window, left)
        axes.axvline(_at(facts.as_of), color=INK, linewidth=1, linestyle=":")
        axes.set_yticks(range(len(found)), [w.name for w in found])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(_at(left), _at(facts.as_of + (facts.as_of - left) / 40))
        months = _months(left, facts.as_of)
        axes.set_xticks([_at(month) for month in months], [f"{month:%Y-%m}" for month in months])
        axes.spines["left"].set_visible(False)

    said = "; ".join(f"{w.name.lower()}: {w.said}" for w in found)
    caption = "The dotted line is the as-of date. A white arrow: it began earlier than is drawn."
    return picture("windows", f"Time windows: {said}.", caption, draw, height=0.7 + 0.36 * len(found))


def _left(facts: Facts) -> date:
    """Where the picture begins: with the training rows, unless they reach back very far."""
    spans, after = facts.spans, facts.as_of - facts.spans.holdout_start
    if spans.train_start <= BEGINNING:
        return spans.holdout_start - 2 * after
    return max(spans.train_start, spans.holdout_start - LONGEST * after)


def _months(start: date, end: date) -> list[date]:
    """First days of months after `start`, evenly spread, few enough to be read side by side."""
    every = range(start.year * 12 + start.month, end.year * 12 + end.month)
    step = next((months for months in STEPS if len(every) <= TICKS * months), STEPS[-1])
    return [date(month // 12, month % 12 + 1, 1) for month in every if month % step == 0]


def _bar(axes: Axes, row: int, window: Window, left: date) -> None:
    start = max(window.start, left) if window.start else left
    axes.barh(row, _at(max(window.end, start)) - _at(start), left=_at(start), height=0.42, color=window.color)
    if window.start is None or window.start < left:
        axes.plot(_at(left) + 4, row, "<", color="white", markersize=4)


def _at(day: date) -> float:
    """Where a day lies on the axis, in days."""
    return float(date2num(day))  # type: ignore[no-untyped-call]
