"""Pictures of a backtest: each policy's metric by period, the difference to never retraining, the curve of age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from titleholder.formatting import confidence, date_labels, metric, signed
from titleholder.reports.plots.drawing import CHALLENGER, CHAMPION, INK, MUTED, PALE, Picture, picture
from titleholder.validation.ageing import AgeCost
from titleholder.workflow.backtest.advice import AgeUnit
from titleholder.workflow.backtest.periods import Policy
from titleholder.workflow.backtest.policies import Contrast, PeriodResult, PolicyGain
from titleholder.workflow.backtest.summary import Backtest, running

LABELS = 7
"""At most so many periods have a label on the axis."""


class LineStyle(NamedTuple):
    """How a policy is drawn in both pictures: colour is never the only difference."""

    name: str
    color: str
    style: Any
    marker: str
    width: float = 1.5


LINES: dict[Policy, LineStyle] = {
    "hindsight": LineStyle("hindsight (upper bound)", PALE, (0, (1, 1.5)), "", 1.3),
    "newest": LineStyle("always the newest", CHALLENGER, (0, (4, 1.5)), "o"),
    "never": LineStyle("never retrained", INK, (0, (2, 1.2)), "s"),
    "gate": LineStyle("gate", CHAMPION, "-", "D", 2.2),
}


def metric_by_period(result: Backtest) -> Picture:
    """The metric of every policy over the periods, the gate's interval as a band, a mark where the champion changed."""
    periods = _with_figures(result)
    changed = [n for n, m in enumerate(periods) if _new_champion(result.periods, m)]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        at = np.arange(len(periods))
        _draw_interval(axes, periods)
        for policy in ("hindsight", "newest", "gate", "never"):
            line, values = LINES[policy], _values(periods, policy)
            axes.plot(
                at, values, linestyle=line.style, color=line.color, linewidth=line.width, label=line.name,
                marker=line.marker, markersize=3.2,
            )  # fmt: skip
        if changed:
            axes.plot(
                changed, np.full(len(changed), 0.02), "^", color=CHAMPION, markersize=8, clip_on=False,
                transform=axes.get_xaxis_transform(), label="another champion",
            )  # fmt: skip
        _label(axes, [m.period.as_of for m in periods])
        axes.set(xlabel="decision as of", ylabel=_axis_label(result))
        figure.legend(loc="upper left", ncols=2)

    level, left = confidence(result.confidence), len(result.periods) - len(periods)
    alt = f"{metric(result.metric)} of each policy over {result.cadence.many(len(periods))}."
    each = f"{result.cadence.noun} by {result.cadence.noun}"
    caption = f"On the rows that followed each decision. The band is the gate's {level} interval, {each}."
    if left:
        caption += f" Not drawn: {result.cadence.many(left)} without a figure; the table has them all."
    return picture(alt, caption, draw, height=4.2)


def cumulative_difference(result: Backtest) -> Picture:
    """The difference to never retraining up to each period: the sum of profits if there are any, else mean metric."""
    lines = {
        policy: [
            (day, _shown_difference(result, contrast))
            for day, contrast in running(
                f"{policy}-never", result.periods, result.confidence, together=result.overall.together
            )
        ]
        for policy in ("newest", "gate")
    }
    quantity = "profit, summed" if result.with_profit else f"{metric(result.metric, inside=True)}, mean so far"

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axhline(0, color=INK, linewidth=1, linestyle=":")
        for policy, steps in lines.items():
            _draw_difference(axes, LINES[policy], [d for _, d in steps])  # type: ignore[index]
        _label(axes, [day for day, _ in lines["gate"]])
        axes.set(xlabel="up to the decision as of", ylabel=f"over never retraining: {quantity}")
        figure.legend(loc="upper left", ncols=2)

    last = lines["gate"][-1][1]
    alt = f"In the end the gate is {signed(last.estimate)} ahead of never retraining."
    unit = "In the unit of judgement.profit. " if result.with_profit else ""
    level = confidence(result.confidence)
    caption = f"{unit}Above zero retraining was better. Bands: {level} intervals."
    return picture(alt, caption, draw, height=4.2)


def age_curve(result: Backtest, cost: AgeCost) -> Picture:
    """The mean loss of older versions against the newest on the same rows, with intervals, and the straight line."""
    unit = AgeUnit.of(result.cadence)
    points, slope = cost.curve, cost.month
    at = np.array([(point.above + point.through) / 2 for point in points]) / unit.months
    end = cost.span / unit.months

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axhline(0, color=INK, linewidth=1, linestyle=":")
        low, line, high = (np.array([0.0, bound * cost.span]) for bound in (slope.lower, slope.estimate, slope.upper))
        axes.fill_between([0, end], low, high, color=CHAMPION, alpha=0.12, linewidth=0)
        axes.plot([0, end], line, color=CHAMPION, label=f"the same loss with each {unit.noun}")
        losses = np.array([point.estimate for point in points])
        reach = [losses - [p.lower for p in points], [p.upper for p in points] - losses]
        axes.errorbar(
            at, losses, yerr=reach, fmt="s", color=INK, markersize=4, linewidth=1, capsize=3, label="mean of versions"
        )
        name = metric(result.metric, inside=True)
        axes.set(xlabel=f"{unit.noun}s older than the newest version", ylabel=f"loss of {name} against the newest")
        axes.yaxis.set_major_locator(MaxNLocator(6))
        figure.legend(loc="upper left", ncols=2)

    level = confidence(result.confidence)
    alt = f"With each {unit.noun} of age a model loses {signed(slope.times(unit.months).estimate)}."
    rows = f"rows of the same {result.cadence.noun}"
    caption = f"Each version against the newest on the {rows}. Above zero age costs. Bars and band: {level} intervals."
    return picture(alt, caption, draw, height=4.2)


def _with_figures(result: Backtest) -> list[PeriodResult]:
    """The periods from the first with a figure to the last with one."""
    positions = [n for n, m in enumerate(result.periods) if m.figures]
    return list(result.periods[positions[0] : positions[-1] + 1])


def _new_champion(periods: Sequence[PeriodResult], one: PeriodResult) -> bool:
    at = periods.index(one)
    before = periods[at - 1].period.gate if at else None
    return None not in (before, one.period.gate) and one.period.gate != before


def _values(periods: Sequence[PeriodResult], policy: Policy) -> list[float]:
    """A policy's metric by period; NaN, a gap, for a period that could not be measured."""
    return [m.figures[policy].metric if policy in m.figures else np.nan for m in periods]


def _draw_interval(axes: Axes, periods: Sequence[PeriodResult]) -> None:
    gates = [m.figures.get("gate") for m in periods]
    low, high = ([getattr(g, end) if g else np.nan for g in gates] for end in ("lower", "upper"))
    axes.fill_between(np.arange(len(periods)), low, high, color=CHAMPION, alpha=0.12, linewidth=0)


def _shown_difference(result: Backtest, contrast: Contrast) -> PolicyGain:
    return contrast.profit if result.with_profit and contrast.profit else contrast.metric


def _draw_difference(axes: Axes, line: LineStyle, differences: Sequence[PolicyGain]) -> None:
    at = np.arange(len(differences))
    axes.fill_between(
        at, [d.lower for d in differences], [d.upper for d in differences], color=line.color, alpha=0.12, linewidth=0
    )
    axes.plot(
        at, [d.estimate for d in differences], linestyle=line.style, color=line.color, linewidth=line.width,
        label=line.name, marker=line.marker, markersize=3.2,
    )  # fmt: skip


def _label(axes: Axes, days: Sequence[date]) -> None:
    labelled = slice(None, None, -(-len(days) // LABELS))
    axes.set_xticks(np.arange(len(days))[labelled], date_labels(days)[labelled], rotation=30, ha="right")
    axes.set_xlim(-0.5, len(days) - 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", color=MUTED)


def _axis_label(result: Backtest) -> str:
    return f"{metric(result.metric)} ({'more' if result.greater_is_better else 'less'} is better)"
