"""The evidence that a reign has gathered, look by look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from titleholder.formatting import confidence, metric, signed
from titleholder.reports.plots.drawing import CHALLENGER, INK, PALE, Picture, picture, whiskers
from titleholder.validation.metrics import Interval
from titleholder.validation.sequential import Accumulated, Look, accumulate
from titleholder.validation.verdict import Verdict

LABELS = 8
"""At most so many looks are named along the axis."""


class Step(NamedTuple):
    """A look, its own interval, and what it and all looks before it show together."""

    look: Look
    gain: Interval
    so_far: Accumulated


def steps(verdict: Verdict) -> list[Step]:
    """Every look of the reign by the verdict's metric, the oldest first."""
    reach = float(stats.norm.ppf(0.5 + verdict.confidence / 2))
    found = []
    for n, look in enumerate(verdict.looks, start=1):
        so_far = accumulate(verdict.looks[:n], minimum_gain=verdict.minimum_gain, confidence=verdict.confidence)
        if so_far is not None:
            own = Interval(look.gain, look.gain - reach * look.error, look.gain + reach * look.error)
            found.append(Step(look, own, so_far))
    return found


def counted(verdict: Verdict) -> str:
    """How many of the reign's looks the evidence speaks of: `3 looks`, `the last 3 of 8 looks`."""
    reign = verdict.accumulated()
    if reign is None:
        return "no look"
    every = f"{reign.looks} look{'s' if reign.looks > 1 else ''}"
    return every if reign.counted == reign.looks else f"the last {reign.counted} of {every}"


def drawn(verdict: Verdict, found: Sequence[Step]) -> Picture:
    """Each look's gain, the mean so far with its always-valid lower bound, and the gain that must be reached."""
    at = np.arange(1, len(found) + 1)
    means, bounds = [s.so_far.gain for s in found], [s.so_far.lower for s in found]
    low, high = _limits(verdict, found)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        beside, own = at - min(0.12, 0.02 * len(found)), [s.gain for s in found]
        whiskers(axes, beside, own, color=PALE, markerfacecolor="white", label="each look")
        axes.plot(at, means, "o-", color=CHALLENGER, label="mean of those that count")
        axes.plot(at, bounds, "v", linestyle=(0, (4, 1.5)), color=CHALLENGER, label="its lower bound", linewidth=1.2)
        axes.fill_between(at, bounds, means, color=CHALLENGER, alpha=0.1, linewidth=0)
        axes.axhline(verdict.minimum_gain, color=INK, linewidth=1, linestyle=":", label="to be reached")
        every = slice(None, None, -(-len(found) // LABELS))
        axes.set_xticks(at[every], [f"{s.look.as_of:%Y-%m}" for s in found[every]], rotation=30, ha="right")
        axes.set(xlabel="look, by the as-of date of its challenger", ylabel=f"gain, {metric(verdict.metric)}")
        axes.set(ylim=(low, high), xlim=(0.5, len(found) + 0.5))
        figure.legend(loc="outside upper left", ncols=2)

    last = found[-1].so_far
    alt = f"After {last.looks} looks the mean gain is {signed(last.gain)} and its lower bound {signed(last.lower)}."
    return picture("looks", alt, _caption(verdict, sum(bound < low for bound in bounds)), draw, height=3.7)


def _caption(verdict: Verdict, below: int) -> str:
    outside = f" {below} lower bound{'s lie' if below > 1 else ' lies'} below the picture." if below else ""
    level = confidence(verdict.confidence)
    return f"Each look with its {level} interval; the mean of those that count and its always-valid bound.{outside}"


def _limits(verdict: Verdict, found: Sequence[Step]) -> tuple[float, float]:
    """What the looks, the threshold and the newest bound need; early bounds may lie far below."""
    values = [verdict.minimum_gain, found[-1].so_far.lower, *(b for s in found for b in (s.gain.lower, s.gain.upper))]
    margin = 0.06 * (max(values) - min(values))
    return min(values) - margin, max(values) + margin
