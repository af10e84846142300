"""The search for good hyper-parameters."""

from __future__ import annotations

from matplotlib.figure import Figure

from titleholder.formatting import metric
from titleholder.reports.plots.drawing import CHALLENGER
from titleholder.training.search import Fitted


def search_figure(fitted: Fitted) -> Figure:
    """The score of every trial of a search by the metric that it searched by, the chosen one marked."""
    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    scores = [t["score"] for t in fitted.trials]
    axes.plot(range(1, len(scores) + 1), scores, "o-", color="#64748b", linewidth=1)
    chosen = scores.index(fitted.score)
    axes.plot(chosen + 1, fitted.score, "o", color=CHALLENGER, label=f"chosen: {fitted.score:.4f}")
    axes.set(xlabel="trial", ylabel=f"{metric(fitted.metric)}, mean of time-ordered folds", title="Search")
    axes.legend()
    return figure
