"""Calibration: observed against predicted, in bins of equal size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from titleholder.formatting import confidence
from titleholder.reports.plots.binned_means import Rows, average, bins, mean
from titleholder.reports.plots.drawing import MUTED, Picture, ScoredModel, as_percentages, picture, whiskers
from titleholder.validation import metrics
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Interval, means
from titleholder.validation.metrics.coverage import Beyond

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class CalibrationBin(NamedTuple):
    """One bin of rows with neighbouring scores."""

    predicted: float
    observed: Interval


class CalibrationSummary(NamedTuple):
    """A model's calibration in a few numbers; perfect is 1, 0 and 1. A regression has no intercept.

    A predicted quantile has its coverage alone.
    """

    model: str
    observed_expected: Interval | None
    intercept: Interval | None
    slope: Interval | None
    coverage: Interval | None = None


def binned(evidence: Evidence, scores: Array) -> list[CalibrationBin]:
    """Mean prediction and mean outcome of at most ten bins in the order of the scores, of shape (n,).

    Of a predicted quantile, the share of outcomes at or below it instead of their mean.
    """
    return [CalibrationBin(average(evidence, scores, rows), _observed(evidence, scores, rows)) for rows in bins(scores)]


def _observed(evidence: Evidence, scores: Array, rows: Rows) -> Interval:
    if evidence.quantile is None:
        return mean(evidence, rows)
    level = evidence.spec.judgement.confidence
    return Beyond.of(evidence.sample.at(rows), scores[rows], evidence.quantile).coverage(level)


def calibration_picture(evidence: Evidence, models: Sequence[ScoredModel]) -> Picture:
    """Both models' bins, with the interval of each bin's mean outcome."""
    found = [binned(evidence, model.scores) for model in models]
    shares, quantile = evidence.classification, evidence.quantile

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for model, each in zip(models, found, strict=True):
            options = {"fmt": model.marker, "linestyle": model.line, "color": model.color, "label": model.name}
            whiskers(axes, [b.predicted for b in each], [b.observed for b in each], linewidth=1.1, **options)
        lowest, highest = min(b.predicted for e in found for b in e), max(b.predicted for e in found for b in e)
        right = [lowest, highest] if quantile is None else [quantile, quantile]
        axes.plot([lowest, highest], right, ":", color=MUTED, linewidth=1)
        if shares:
            as_percentages(axes.xaxis, axes.yaxis)
        labels = (
            ("mean predicted probability", "observed event rate") if shares else ("mean prediction", "mean outcome")
        )
        if quantile is not None:
            as_percentages(axes.yaxis)
            labels = (f"mean predicted quantile {quantile:g}", "outcomes at or below it")
        axes.set(xlabel=labels[0], ylabel=labels[1])
        figure.legend(loc="upper left", ncols=2)

    level = confidence(evidence.spec.judgement.confidence)
    bars = "event rates" if shares else "means" if quantile is None else "shares"
    caption = f"Calibration in bins of equal size, with {level} intervals of the observed {bars}. Dotted: as predicted."
    return picture(f"Observed against predicted, {' and '.join(m.name for m in models)}.", caption, draw)


def summaries(evidence: Evidence, models: Sequence[ScoredModel]) -> list[CalibrationSummary]:
    """Observed over expected, intercept and slope of each model."""
    return [_summary(evidence, model) for model in models]


def _summary(evidence: Evidence, model: ScoredModel) -> CalibrationSummary:
    sample, level = evidence.sample, evidence.spec.judgement.confidence
    if evidence.quantile is not None:
        coverage = Beyond.of(sample, model.scores, evidence.quantile).coverage(level)
        return CalibrationSummary(model.name, None, None, None, coverage)
    if evidence.classification:
        found = metrics.calibration(sample, model.scores, confidence=level)
        return CalibrationSummary(model.name, found.observed_expected, found.intercept, found.slope)
    ratio, slope = (measure(sample, model.scores).interval(level) for measure in (means.ratio_of_means, means.slope))
    return CalibrationSummary(model.name, ratio, None, slope)
