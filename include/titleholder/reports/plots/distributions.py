"""Distributions of scores and residuals, and the agreement of the two models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from titleholder.formatting import count
from titleholder.reports.plots.binned_means import bins
from titleholder.reports.plots.drawing import (
    CHALLENGER,
    CHAMPION,
    INK,
    MUTED,
    Picture,
    ScoredModel,
    as_percentages,
    picture,
)
from titleholder.validation.evidence import Array, Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 40
TAIL = 0.001
"""This share of the rows at either end is drawn at the edge of the picture."""


def scores_by_outcome(evidence: Evidence, models: Sequence[ScoredModel]) -> Picture:
    """One panel a model: the scores of rows with and without the event, each of area one."""
    edges = _edges(np.concatenate([m.scores for m in models]))

    def draw(figure: Figure) -> None:
        panels = figure.subplots(len(models), sharex=True, squeeze=False)[:, 0]
        for axes, model in zip(panels, models, strict=True):
            without = {"color": MUTED, "alpha": 0.35, "histtype": "stepfilled"}
            for outcome, style in enumerate((without, {"color": model.color, "histtype": "step", "linewidth": 1.5})):
                rows = evidence.y == outcome
                weights = None if evidence.weights is None else evidence.weights[rows]
                label = f"outcome {outcome} ({count(int(rows.sum()))} rows)"
                _histogram(axes, model.scores[rows], edges, weights=weights, label=label, **style)
            axes.set_title(model.name, loc="left")
            axes.set_yticks([])
            axes.set_ylabel("density")
        panels[0].legend(loc="upper right")
        panels[-1].set_xlabel("score")
        as_percentages(panels[-1].xaxis)

    caption = "Scores by outcome, each of area one. The outermost 0.1% at either end are drawn at the edges."
    return picture("Distribution of the scores of rows with and without the event.", caption, draw)


def agreement(evidence: Evidence, models: Sequence[ScoredModel]) -> Picture:
    """Challenger against champion, row by row; darker means more rows."""
    x, y = models[1].scores, models[0].scores
    edges = _edges(np.concatenate([x, y]))
    shares = evidence.classification

    def draw(figure: Figure) -> None:
        from matplotlib.colors import LogNorm
        from matplotlib.ticker import FuncFormatter

        axes = figure.add_subplot()
        counts = np.histogram2d(np.clip(x, edges[0], edges[-1]), np.clip(y, edges[0], edges[-1]), bins=edges)[0].T
        shown = np.ma.masked_equal(counts, 0)
        mesh = axes.pcolormesh(
            edges, edges, shown, cmap="Greys", norm=LogNorm(0.4, max(counts.max(), 2)), rasterized=True
        )
        axes.plot(edges[[0, -1]], edges[[0, -1]], ":", color=INK, linewidth=1)
        bar = figure.colorbar(mesh, ax=axes, label="rows", pad=0.02, format=FuncFormatter(lambda n, _: f"{n:,.0f}"))
        bar.minorticks_off()
        if shares:
            as_percentages(axes.xaxis, axes.yaxis)
        axes.xaxis.label.set_color(CHAMPION)
        axes.yaxis.label.set_color(CHALLENGER)
        axes.set(xlabel=f"{models[1].name}", ylabel=f"{models[0].name}")

    correlation = np.corrcoef(x, y)[0, 1] if np.ptp(x) and np.ptp(y) else np.nan
    sentence = f" Their correlation is {correlation:.3f}." if np.isfinite(correlation) else ""
    return picture(f"Scores of both models, row by row.{sentence}", f"Both models, row by row.{sentence}", draw)


def residuals(evidence: Evidence, models: Sequence[ScoredModel]) -> list[Picture]:
    """For a regression: the distribution of the residuals, and the residuals by prediction."""
    return [_errors(evidence, models), _errors_by_prediction(evidence, models)]


def _errors(evidence: Evidence, models: Sequence[ScoredModel]) -> Picture:
    errors = [evidence.y - m.scores for m in models]
    edges = _edges(np.concatenate(errors))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for model, error in zip(models, errors, strict=True):
            style = {"color": model.color, "linestyle": model.line, "histtype": "step", "linewidth": 1.5}
            _histogram(axes, error, edges, weights=evidence.weights, label=model.name, **style)
        axes.axvline(0, color=MUTED, linestyle=":", linewidth=1)
        axes.set(xlabel="observed minus predicted", ylabel="density", yticks=[])
        figure.legend(loc="upper left", ncols=2)

    caption = "Residuals. The outermost 0.1% at either end are drawn at the edges."
    return picture("Distribution of observed minus predicted.", caption, draw)


def _errors_by_prediction(evidence: Evidence, models: Sequence[ScoredModel]) -> Picture:
    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for model in models:
            _band(axes, model, evidence.y - model.scores)
        axes.axhline(0, color=MUTED, linestyle=":", linewidth=1)
        axes.set(xlabel="mean prediction", ylabel="observed minus predicted")
        figure.legend(loc="upper left", ncols=2)

    caption = "Residuals by prediction, in bins of equal size: the median, and the middle 80% of the rows."
    return picture("Observed minus predicted, by the prediction.", caption, draw)


def _band(axes: Axes, model: ScoredModel, error: Array) -> None:
    rows = list(bins(model.scores))
    x = [model.scores[r].mean() for r in rows]
    low, middle, high = np.array([np.quantile(error[r], [0.1, 0.5, 0.9]) for r in rows]).T
    axes.fill_between(x, low, high, color=model.color, alpha=0.12, linewidth=0)
    axes.plot(x, middle, color=model.color, linestyle=model.line, marker=model.marker, label=model.name)


def _histogram(axes: Axes, values: Array, edges: Array, **style: object) -> None:
    axes.hist(np.clip(values, edges[0], edges[-1]), bins=list(edges), density=True, **style)  # type: ignore[arg-type]


def _edges(values: Array) -> Array:
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    if not low < high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)
