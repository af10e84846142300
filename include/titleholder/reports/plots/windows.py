"""The time windows of a decision."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from titleholder.formatting import date_range
from titleholder.reports.facts import Facts
from titleholder.reports.plots.drawing import CHALLENGER, CHAMPION, INK, MUTED, Picture, picture
from titleholder.spec.windows import BEGINNING
from titleholder.validation.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 4
"""Training is drawn at most so many times as long as the time after it."""

MONTHS, DAYS = (1, 2, 3, 6, 12, 24, 60, 120, 600), (1, 2, 7, 14, 28)
"""Months, or days, from one mark of the axis to the next."""
TICKS = 5
"""At most so many dates beside one another."""


class TimeWindow(NamedTuple):
    """A half-open interval of time; `start` is None where it is unknown or reaches back to the first row.

    >>> TimeWindow("Champion's training", None, date(2024, 1, 1), CHAMPION).dates
    'all before 2024-01-01'
    >>> TimeWindow("Judged rows", date(2024, 1, 1), date(2024, 4, 1), INK).dates
    '2024-01-01 to before 2024-04-01'
    """

    name: str
    start: date | None
    end: date
    color: str

    @property
    def dates(self) -> str:
        """Its first and last dates."""
        return date_range(self.start, self.end) if self.start else f"all before {self.end}"


def time_windows(facts: Facts, verdict: Verdict) -> list[TimeWindow]:
    """Both models' training rows, those of a refit, the judged rows and the time in which outcomes mature."""
    spans = facts.spans
    start = None if spans.train_start <= BEGINNING else spans.train_start
    champion = (
        [TimeWindow("Champion's training", None, verdict.champion.trained_through, CHAMPION)]
        if verdict.champion
        else []
    )
    refit = [TimeWindow("Challenger's refit", start, spans.matured, CHALLENGER)] if facts.refitted else []
    return [
        *champion,
        TimeWindow("Challenger's training", start, spans.holdout_start, CHALLENGER),
        *refit,
        TimeWindow("Judged rows", verdict.holdout_start, verdict.holdout_end, INK),
        TimeWindow("Outcomes mature", spans.matured, facts.as_of, MUTED),
    ]


def windows_picture(facts: Facts, verdict: Verdict) -> Picture:
    """One bar a window, and the as-of date as a line."""
    windows = time_windows(facts, verdict)
    left = _left(facts)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row, window in enumerate(windows):
            _bar(axes, row, window, left)
        axes.axvline(_at(facts.as_of), color=INK, linewidth=1, linestyle=":")
        axes.set_yticks(range(len(windows)), [w.name for w in windows])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(_at(left), _at(facts.as_of + (facts.as_of - left) / 40))
        marks = time_marks(left, facts.as_of)
        axes.set_xticks([_at(day) for day in marks], list(marks.values()))
        axes.spines["left"].set_visible(False)

    dates = "; ".join(f"{w.name.lower()}: {w.dates}" for w in windows)
    caption = "The dotted line is the as-of date. A white arrow marks a window that began earlier than drawn."
    return picture(f"Time windows: {dates}.", caption, draw, height=0.7 + 0.36 * len(windows))


def _left(facts: Facts) -> date:
    """The start of the axis: that of the training rows, unless they reach back very far."""
    spans, after = facts.spans, facts.as_of - facts.spans.holdout_start
    if spans.train_start <= BEGINNING:
        return spans.holdout_start - 2 * after
    return max(spans.train_start, spans.holdout_start - LONGEST * after)


def time_marks(start: date, end: date) -> dict[date, str]:
    """Days from `start` to `end` with their labels, evenly spaced and few enough to read side by side.

    First days of months, where there are more than two; else days from the start on, in full.
    """
    every = range(start.year * 12 + start.month - (start.day == 1), end.year * 12 + end.month)
    step = next((months for months in MONTHS if len(every) <= TICKS * months), MONTHS[-1])
    firsts = [date(month // 12, month % 12 + 1, 1) for month in every if month % step == 0]
    if len(firsts) > 2:
        return {day: f"{day:%Y-%m}" for day in firsts}
    length = (end - start).days
    step = next((days for days in DAYS if length < TICKS * days), DAYS[-1])
    return {day: str(day) for n in range(0, length + 1, step) for day in [start + timedelta(days=n)]}


def _bar(axes: Axes, row: int, window: TimeWindow, left: date) -> None:
    start = max(window.start, left) if window.start else left
    axes.barh(row, _at(max(window.end, start)) - _at(start), left=_at(start), height=0.42, color=window.color)
    if window.start is None or window.start < left:
        axes.plot(_at(left) + 4, row, "<", color="white", markersize=4)


def _at(day: date) -> float:
    """The position of a day on the axis."""
    from matplotlib.dates import date2num

    return float(date2num(day))  # type: ignore[no-untyped-call]
