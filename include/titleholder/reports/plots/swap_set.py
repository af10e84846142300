"""The swap-set: rows accepted by both models, by one only or by neither at the cut-off, and their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titleholder.formatting import confidence
from titleholder.reports.plots.binned_means import mean
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
from titleholder.spec.criteria import CutOff
from titleholder.validation import metrics
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array, Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class AcceptanceGroup(NamedTuple):
    """Rows by the models that accept them: their number, share of all rows, events and mean outcome."""

    name: str
    rows: int
    share: float
    events: int
    mean: Interval


COLORS = {"both": INK, "challenger only": CHALLENGER, "champion only": CHAMPION, "neither": MUTED}


def acceptance_groups(evidence: Evidence) -> list[AcceptanceGroup]:
    """The four groups, or accepted and declined without a champion; none without a cut-off or rows."""
    cut_off = evidence.spec.judgement.cut_off
    if cut_off is None or not len(evidence.y):
        return []
    sets = acceptance_sets(cut_off, evidence.challenger, evidence.champion)
    return [_group(evidence, name, rows) for name, rows in sets.items()]


def acceptance_sets(cut_off: CutOff, challenger: Array, champion: Array | None) -> dict[str, NDArray[np.bool_]]:
    """Which rows are in each group, by their scores; every row is in one."""
    by_challenger = metrics.accepted(cut_off, challenger)
    if champion is None:
        return {"accepted": by_challenger, "declined": ~by_challenger}
    by_champion = metrics.accepted(cut_off, champion)
    sets = (
        by_challenger & by_champion,
        by_challenger & ~by_champion,
        by_champion & ~by_challenger,
        ~(by_challenger | by_champion),
    )
    return dict(zip(COLORS, sets, strict=True))


def rule(cut_off: CutOff) -> str:
    """A sentence that says which rows are accepted."""
    if cut_off.share is not None:
        extreme = "lowest" if cut_off.accept == "below" else "highest"
        return f"Each model accepts the {confidence(cut_off.share)} of the judged rows with its {extreme} scores."
    side = "below" if cut_off.accept == "below" else "of at least"
    return f"Each model accepts scores {side} {cut_off.score:g}."


def swap_set_picture(evidence: Evidence, groups: Sequence[AcceptanceGroup]) -> Picture:
    """The mean outcome of each group with its interval."""
    shown = [g for g in groups if g.rows]
    quantity = "event rate" if evidence.classification else "mean outcome"

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row, group in enumerate(shown):
            whiskers(axes, [row], [group.mean], horizontal=True, color=COLORS.get(group.name, CHALLENGER))
        axes.set_yticks(range(len(shown)), [g.name for g in shown])
        axes.set(xlabel=quantity, ylim=(len(shown) - 0.5, -0.5))
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        if evidence.classification:
            as_percentages(axes.xaxis)
            axes.set_xlim(left=0)

    level = confidence(evidence.spec.judgement.confidence)
    caption = f"{quantity.capitalize()} by the models that accept the rows, with {level} intervals."
    return picture(f"{caption} The numbers are in the table.", caption, draw, height=0.8 + 0.36 * len(shown))


def _group(evidence: Evidence, name: str, chosen: np.ndarray) -> AcceptanceGroup:
    rows = np.flatnonzero(chosen)
    events = int(evidence.y[rows].sum()) if evidence.classification else len(rows)
    return AcceptanceGroup(name, len(rows), len(rows) / len(evidence.y), events, mean(evidence, rows))
