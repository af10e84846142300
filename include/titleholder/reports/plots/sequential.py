"""The sequential evidence of a reign, look by look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from titleholder.formatting import confidence, date_labels, metric, signed
from titleholder.reports.plots.drawing import CHALLENGER, INK, PALE, Picture, picture, whiskers
from titleholder.validation.metrics import Interval
from titleholder.validation.sequential import Accumulated, Look
from titleholder.validation.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = 8
"""At most so many looks have a label on the axis."""


class CumulativeLook(NamedTuple):
    """A look, its own interval, and the accumulated evidence of it and all looks before it."""

    look: Look
    gain: Interval
    so_far: Accumulated


def cumulative_looks(verdict: Verdict) -> list[CumulativeLook]:
    """Every look of the reign in the verdict's metric, the oldest first."""
    z = float(stats.norm.ppf(0.5 + verdict.confidence / 2))
    rows = []
    for n, look in enumerate(verdict.looks, start=1):
        so_far = verdict.accumulated_until(n)
        if so_far is not None:
            own = Interval(look.gain, look.gain - z * look.error, look.gain + z * look.error)
            rows.append(CumulativeLook(look, own, so_far))
    return rows


def counted_looks(verdict: Verdict) -> str:
    """The number of counted looks: `3 looks`, or `the last 3 of 8 looks`."""
    reign = verdict.accumulated()
    if reign is None:
        return "no look"
    all_looks = f"{reign.looks} look{'s' if reign.looks > 1 else ''}"
    return all_looks if reign.counted == reign.looks else f"the last {reign.counted} of {all_looks}"


def evidence_picture(verdict: Verdict, rows: Sequence[CumulativeLook]) -> Picture:
    """Each look's gain, the mean so far with its always-valid lower bound, and the minimum gain."""
    at = np.arange(1, len(rows) + 1)
    means, bounds = [s.so_far.gain for s in rows], [s.so_far.lower for s in rows]
    low, high = _limits(verdict, rows)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        beside, gains = at - min(0.12, 0.02 * len(rows)), [s.gain for s in rows]
        whiskers(axes, beside, gains, color=PALE, markerfacecolor="white", label="each look")
        axes.plot(at, means, "o-", color=CHALLENGER, label="mean of the counted looks")
        axes.plot(at, bounds, "v", linestyle=(0, (4, 1.5)), color=CHALLENGER, label="its lower bound", linewidth=1.2)
        axes.fill_between(at, bounds, means, color=CHALLENGER, alpha=0.1, linewidth=0)
        axes.axhline(verdict.minimum_gain, color=INK, linewidth=1, linestyle=":", label="minimum gain")
        labelled = slice(None, None, -(-len(rows) // LABELS))
        labels = date_labels([s.look.as_of for s in rows])
        axes.set_xticks(at[labelled], labels[labelled], rotation=30, ha="right")
        axes.set(xlabel="look, by the as-of date of its challenger", ylabel=f"gain, {metric(verdict.metric)}")
        axes.set(ylim=(low, high), xlim=(0.5, len(rows) + 0.5))
        figure.legend(loc="upper left", ncols=2)

    last = rows[-1].so_far
    alt = f"After {last.looks} looks the mean gain is {signed(last.gain)} and its lower bound {signed(last.lower)}."
    return picture(alt, _caption(verdict, sum(bound < low for bound in bounds)), draw, height=3.7)


def _caption(verdict: Verdict, below: int) -> str:
    outside = f" {below} lower bound{'s lie' if below > 1 else ' lies'} below the picture." if below else ""
    level = confidence(verdict.confidence)
    return f"Each look with its {level} interval; the mean of the counted looks and its always-valid bound.{outside}"


def _limits(verdict: Verdict, rows: Sequence[CumulativeLook]) -> tuple[float, float]:
    """The range of the looks, the minimum gain and the newest bound; early bounds may lie far below it."""
    values = [verdict.minimum_gain, rows[-1].so_far.lower, *(b for s in rows for b in (s.gain.lower, s.gain.upper))]
    margin = 0.06 * (max(values) - min(values))
    return min(values) - margin, max(values) + margin
