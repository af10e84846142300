"""A backtest in two pictures: the policies month by month, and what their difference comes to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from titleholder.formatting import confidence, metric, signed
from titleholder.reports.plots.drawing import CHALLENGER, CHAMPION, INK, MUTED, PALE, Picture, picture
from titleholder.workflow.backtest.policies import Contrast, Difference, Measured, Policy
from titleholder.workflow.backtest.summary import Backtest, running

LABELS = 7
"""At most so many months are named along the axis."""


class Line(NamedTuple):
    """How a policy is drawn throughout: never told apart by colour alone."""

    name: str
    color: str
    style: Any
    marker: str
    width: float = 1.5


LINES: dict[Policy, Line] = {
    "hindsight": Line("hindsight (upper bound)", PALE, (0, (1, 1.5)), "", 1.3),
    "newest": Line("newest, unjudged", CHALLENGER, (0, (4, 1.5)), "o"),
    "never": Line("never retrained", INK, (0, (2, 1.2)), "s"),
    "gate": Line("gate", CHAMPION, "-", "D", 2.2),
}


def walked(result: Backtest) -> Picture:
    """The metric of every policy over the months, the gate's interval as a band, a mark where the champion changed."""
    found = _drawn(result)
    changed = [n for n, m in enumerate(found) if _new_champion(result.months, m)]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        at = np.arange(len(found))
        _band(axes, found)
        for policy in ("hindsight", "newest", "gate", "never"):
            line, values = LINES[policy], _values(found, policy)
            axes.plot(
                at, values, linestyle=line.style, color=line.color, linewidth=line.width, label=line.name,
                marker=line.marker, markersize=3.2,
            )  # fmt: skip
        if changed:
            axes.plot(
                changed, np.full(len(changed), 0.02), "^", color=CHAMPION, markersize=8, clip_on=False,
                transform=axes.get_xaxis_transform(), label="another champion",
            )  # fmt: skip
        _months(axes, [m.month.as_of for m in found])
        axes.set(xlabel="decision as of", ylabel=_towards(result))
        figure.legend(loc="outside upper left", ncols=2)

    level, left = confidence(result.confidence), len(result.months) - len(found)
    alt = f"{metric(result.metric)} of each policy over {len(found)} months."
    caption = f"On the rows that followed each decision. The band is the gate's {level} interval, month by month."
    if left:
        caption += f" Not drawn: {left} month{'s' if left > 1 else ''} without a figure; the table has them all."
    return picture("walked", alt, caption, draw, height=4.2)


def gathered(result: Backtest) -> Picture:
    """The difference to never retraining so far: the sum of profits where the spec has any, else the mean metric."""
    lines = {
        policy: [
            (day, _chosen(result, contrast))
            for day, contrast in running(
                f"{policy}-never", result.months, result.confidence, together=result.overall.together
            )
        ]
        for policy in ("newest", "gate")
    }
    of = "profit, summed" if result.with_profit else f"{metric(result.metric)}, mean so far"

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axhline(0, color=INK, linewidth=1, linestyle=":")
        for policy, steps in lines.items():
            _cumulated(axes, LINES[policy], [d for _, d in steps])  # type: ignore[index]
        _months(axes, [day for day, _ in lines["gate"]])
        axes.set(xlabel="up to the decision as of", ylabel=f"more than never retraining: {of}")
        figure.legend(loc="outside upper left", ncols=2)

    last = lines["gate"][-1][1]
    alt = f"In the end the gate is {signed(last.estimate)} ahead of never retraining."
    unit = "In the unit of judgement.profit. " if result.with_profit else ""
    level = confidence(result.confidence)
    caption = f"{unit}Above zero retraining was better. Bands: {level} intervals."
    return picture("gathered", alt, caption, draw, height=4.2)


def _drawn(result: Backtest) -> list[Measured]:
    """From the first month with a figure to the last one."""
    with_figures = [n for n, m in enumerate(result.months) if m.figures]
    return list(result.months[with_figures[0] : with_figures[-1] + 1])


def _new_champion(months: Sequence[Measured], one: Measured) -> bool:
    at = months.index(one)
    before = months[at - 1].month.gate if at else None
    return None not in (before, one.month.gate) and one.month.gate != before


def _values(found: Sequence[Measured], policy: Policy) -> list[float]:
    """A gap, as NaN, where a month could not be measured."""
    return [m.figures[policy].metric if policy in m.figures else np.nan for m in found]


def _band(axes: Axes, found: Sequence[Measured]) -> None:
    gates = [m.figures.get("gate") for m in found]
    low, high = ([getattr(g, end) if g else np.nan for g in gates] for end in ("lower", "upper"))
    axes.fill_between(np.arange(len(found)), low, high, color=CHAMPION, alpha=0.12, linewidth=0)


def _chosen(result: Backtest, contrast: Contrast) -> Difference:
    return contrast.profit if result.with_profit and contrast.profit else contrast.metric


def _cumulated(axes: Axes, line: Line, found: Sequence[Difference]) -> None:
    at = np.arange(len(found))
    axes.fill_between(at, [d.lower for d in found], [d.upper for d in found], color=line.color, alpha=0.12, linewidth=0)
    axes.plot(
        at, [d.estimate for d in found], linestyle=line.style, color=line.color, linewidth=line.width, label=line.name,
        marker=line.marker, markersize=3.2,
    )  # fmt: skip


def _months(axes: Axes, days: Sequence[date]) -> None:
    every = slice(None, None, -(-len(days) // LABELS))
    axes.set_xticks(np.arange(len(days))[every], [f"{day:%Y-%m}" for day in days[every]], rotation=30, ha="right")
    axes.set_xlim(-0.5, len(days) - 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", color=MUTED)


def _towards(result: Backtest) -> str:
    return f"{metric(result.metric)} ({'more' if result.greater_is_better else 'less'} is better)"
