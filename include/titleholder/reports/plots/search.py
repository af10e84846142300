"""The search for good hyper-parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from titleholder.formatting import metric
from titleholder.reports.plots.drawing import CHALLENGER, MUTED, Picture, picture
from titleholder.training.search import Fitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def search_picture(fitted: Fitted) -> Picture:
    """The score of every trial of a search by the metric that it searched by, the chosen one marked."""
    scores = [trial["score"] for trial in fitted.trials]
    chosen = scores.index(fitted.score) + 1

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot(range(1, len(scores) + 1), scores, "o-", color=MUTED, linewidth=1)
        axes.plot(chosen, fitted.score, "o", color=CHALLENGER, label=f"chosen: {fitted.score:.4f}")
        axes.set(xlabel="trial", ylabel=f"{metric(fitted.metric)}, mean of time-ordered folds")
        axes.legend()

    return picture(f"Trial {chosen} of {len(scores)} was chosen.", "The score of every trial of the search.", draw)
