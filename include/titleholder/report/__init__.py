"""Pictures and text that explain a model and a verdict (pure: they return figures and Markdown)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from titleholder.metrics import Array
from titleholder.spec import METRICS, ModelSpec
from titleholder.training import Fitted
from titleholder.verdict import Verdict

CHALLENGER, CHAMPION = "#c2410c", "#1d4ed8"


def search_figure(fitted: Fitted, metric: str) -> Figure:
    """The score of every trial of a search, the chosen one marked."""
    figure, axes = _figure()
    scores = [t["score"] for t in fitted.trials]
    axes.plot(range(1, len(scores) + 1), scores, "o-", color="#64748b", linewidth=1)
    chosen = scores.index(fitted.score)
    axes.plot(chosen + 1, fitted.score, "o", color=CHALLENGER, label=f"chosen: {fitted.score:.4f}")
    axes.set(xlabel="trial", ylabel=f"{metric}, mean of time-ordered folds", title="Search")
    axes.legend()
    return figure


def holdout_figures(y: Array, challenger: Array, champion: Array | None, task: str) -> dict[str, Figure]:
    """ROC and calibration (or predicted against observed) on the holdout, both models in each."""
    models = [("challenger", challenger, CHALLENGER)] + (
        [("champion", champion, CHAMPION)] if champion is not None else []
    )
    if task == "regression":
        return {"holdout_predictions.png": _binned(y, models, "predicted", "observed")}
    roc, axes = _figure()
    for name, p, color in models:
        axes.plot(*roc_curve(y, p)[:2], label=name, color=color)
    axes.plot([0, 1], [0, 1], ":", color="#94a3b8")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC on the holdout")
    axes.legend()
    return {
        "holdout_roc.png": roc,
        "holdout_calibration.png": _binned(y, models, "mean predicted probability", "observed rate"),
    }


def _binned(y: Array, models: list[tuple[str, Array, str]], xlabel: str, ylabel: str) -> Figure:
    """Mean outcome against mean prediction in ten bins of equal size."""
    figure, axes = _figure()
    for name, p, color in models:
        bins = np.array_split(np.argsort(p, kind="stable"), 10)
        bins = [b for b in bins if len(b)]
        axes.plot([p[b].mean() for b in bins], [y[b].mean() for b in bins], "o-", label=name, color=color)
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], ":", color="#94a3b8")
    axes.set(xlabel=xlabel, ylabel=ylabel, title="Calibration on the holdout")
    axes.legend()
    return figure


def _figure() -> tuple[Figure, Any]:
    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    return figure, axes


def markdown(spec: ModelSpec, verdict: Verdict, headline: str) -> str:
    """The verdict as a page: what and why first, then every check, then the numbers of both models."""
    reigning = f"version {verdict.champion.version}" if verdict.champion else "nobody"
    lines = [
        f"# {spec.name}: {headline}",
        "",
        f"Judged on {verdict.rows:,} rows ({verdict.events:,} events) from {verdict.holdout_start} to "
        f"{verdict.holdout_end}, against {reigning}. {verdict.note}".rstrip(),
        "",
        "| check | status | finding |",
        "|---|---|---|",
        *(f"| {c.code} {c.title} | {c.status.replace('_', ' ')} | {c.explanation} |" for c in verdict.checks),
        "",
        "| metric | challenger | champion | better is |",
        "|---|---|---|---|",
        *(
            f"| {name} | {value:.4f} | {_number(verdict.champion_metrics.get(name))} | "
            f"{'more' if METRICS[name].greater_is_better else 'less'} |"
            for name, value in verdict.challenger_metrics.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
