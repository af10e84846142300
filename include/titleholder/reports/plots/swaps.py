"""Who is accepted by which model at the cut-off of the spec, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from titleholder.formatting import confidence
from titleholder.reports.plots.drawing import (
    CHALLENGER,
    CHAMPION,
    INK,
    MUTED,
    Picture,
    as_percentages,
    picture,
    whiskers,
)
from titleholder.reports.plots.rates import mean
from titleholder.spec.criteria import CutOff
from titleholder.validation import metrics
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Interval


class Swap(NamedTuple):
    """Rows on which the models agree, or do not: how many, which share of all, their events and mean outcome."""

    name: str
    rows: int
    share: float
    events: int
    mean: Interval


COLORS = {"both": INK, "challenger only": CHALLENGER, "champion only": CHAMPION, "neither": MUTED}


def swaps(evidence: Evidence) -> list[Swap]:
    """The four sets, or accepted and declined where nobody reigns; none without a cut-off or rows."""
    cut_off = evidence.spec.judgement.cut_off
    if cut_off is None or not len(evidence.y):
        return []
    now = metrics.accepted(cut_off, evidence.challenger)
    if evidence.champion is None:
        return [_swap(evidence, "accepted", now), _swap(evidence, "declined", ~now)]
    before = metrics.accepted(cut_off, evidence.champion)
    sets = (now & before, now & ~before, before & ~now, ~(now | before))
    return [_swap(evidence, name, rows) for name, rows in zip(COLORS, sets, strict=True)]


def rule(cut_off: CutOff) -> str:
    """Who is accepted, in words."""
    if cut_off.share is not None:
        way = "lowest" if cut_off.accept == "below" else "highest"
        return f"Each model accepts the {confidence(cut_off.share)} of the judged rows with its {way} scores."
    way = "below" if cut_off.accept == "below" else "of at least"
    return f"Each model accepts scores {way} {cut_off.score:g}."


def drawn(evidence: Evidence, found: Sequence[Swap]) -> Picture:
    """The mean outcome of each set with its interval."""
    shown = [s for s in found if s.rows]
    what = "event rate" if evidence.classification else "mean outcome"

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, swap in enumerate(shown):
            whiskers(axes, [place], [swap.mean], flat=True, color=COLORS.get(swap.name, CHALLENGER))
        axes.set_yticks(range(len(shown)), [s.name for s in shown])
        axes.set(xlabel=what, ylim=(len(shown) - 0.5, -0.5))
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        if evidence.classification:
            as_percentages(axes.xaxis)
            axes.set_xlim(left=0)

    level = confidence(evidence.spec.judgement.confidence)
    caption = f"{what.capitalize()} by who accepts the rows, with {level} intervals."
    return picture("swaps", f"{caption} The numbers stand in the table.", caption, draw, height=0.8 + 0.36 * len(shown))


def _swap(evidence: Evidence, name: str, chosen: np.ndarray) -> Swap:
    rows = np.flatnonzero(chosen)
    events = int(evidence.y[rows].sum()) if evidence.classification else len(rows)
    return Swap(name, len(rows), len(rows) / len(evidence.y), events, mean(evidence, rows))
