"""Discrimination of the scores: the ROC curve, precision and recall, and the event rate among accepted rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from titleholder.formatting import metric, number
from titleholder.reports.plots.drawing import INK, MUTED, Picture, ScoredModel, as_percentages, picture, thin
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

START = 0.02
"""Rates among a smaller share of the rows than this are left out: they are too uncertain."""


def pictures(evidence: Evidence, verdict: Verdict, models: Sequence[ScoredModel]) -> list[Picture]:
    """The three pictures of a classification whose rows have both outcomes."""
    return [_roc(evidence, verdict, models), _precision(evidence, verdict, models), _accepted(evidence, models)]


def _roc(evidence: Evidence, verdict: Verdict, models: Sequence[ScoredModel]) -> Picture:
    labels = _labels(verdict, models, "roc_auc")

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for model, label in zip(models, labels, strict=True):
            false, true, _ = roc_curve(evidence.y, model.scores, sample_weight=evidence.weights)
            axes.plot(*thin(false, true), label=label, color=model.color, linestyle=model.line)
        axes.plot([0, 1], [0, 1], ":", color=MUTED, linewidth=1)
        as_percentages(axes.xaxis, axes.yaxis)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.01))
        axes.legend(loc="lower right")

    return picture(f"ROC curves: {'; '.join(labels)}.", "ROC curve. The dotted line is chance.", draw)


def _precision(evidence: Evidence, verdict: Verdict, models: Sequence[ScoredModel]) -> Picture:
    labels = _labels(verdict, models, "pr_auc")
    base = float(np.average(evidence.y, weights=evidence.weights))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        top = base
        for model, label in zip(models, labels, strict=True):
            precision, recall, _ = precision_recall_curve(
                evidence.y, model.scores, sample_weight=evidence.weights, drop_intermediate=True
            )
            x, y = thin(*(values[recall >= START] for values in (recall, precision)))
            top = max(top, float(y.max()))
            axes.plot(x, y, label=label, color=model.color, linestyle=model.line)
        axes.axhline(base, color=MUTED, linestyle=":", linewidth=1)
        as_percentages(axes.xaxis, axes.yaxis)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, min(1.01, 1.1 * top)))
        axes.legend(loc="upper right")

    caption = (
        f"Precision and recall. The dotted line is the event rate, {base:.1%}; recall below {START:.0%} is left out."
    )
    return picture(f"Precision-recall curves: {'; '.join(labels)}.", caption, draw)


def _accepted(evidence: Evidence, models: Sequence[ScoredModel]) -> Picture:
    """The event rate among the accepted rows, by their share; the cut-off's share is marked."""
    cut_off = evidence.spec.judgement.cut_off
    sign = -1.0 if cut_off and cut_off.accept == "above" else 1.0
    extreme = "highest" if sign < 0 else "lowest"

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for model in models:
            share, rate = _rates(evidence, sign * model.scores)
            axes.plot(share, rate, label=model.name, color=model.color, linestyle=model.line)
        if cut_off and cut_off.share:
            axes.axvline(cut_off.share, color=INK, linestyle=":", linewidth=1)
        as_percentages(axes.xaxis, axes.yaxis)
        axes.set(xlabel=f"share of rows accepted, {extreme} scores first", ylabel="event rate among them", xlim=(0, 1))
        axes.set_ylim(bottom=0)
        figure.legend(loc="upper left", ncols=2)

    marked = " The dotted line is the cut-off of the spec." if cut_off and cut_off.share else ""
    caption = f"Event rate among the accepted rows, by their share.{marked}"
    return picture(f"Event rate among the rows with the {extreme} scores, by their share.", caption, draw)


def _rates(evidence: Evidence, ordering: Array) -> list[Array]:
    order = np.argsort(ordering, kind="stable")
    weights = np.ones(len(order)) if evidence.weights is None else evidence.weights[order]
    total = np.cumsum(weights)
    share, rate = total / total[-1], np.cumsum(weights * evidence.y[order]) / total
    return thin(share[share >= START], rate[share >= START])


def _labels(verdict: Verdict, models: Sequence[ScoredModel], name: str) -> list[str]:
    found = (verdict.challenger_metrics, verdict.champion_metrics)
    return [
        f"{model.name}: {metric(name)} {number(values[name])}" if name in values else model.name
        for model, values in zip(models, found, strict=False)
    ]
