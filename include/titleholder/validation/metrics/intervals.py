"""One model's metrics, and the gain of one model over another on the same rows, with their intervals.

Names and directions are in `titleholder.spec.metrics.METRICS`. `y` are outcomes, `p` scores: the probability of
class 1 for classification, the predicted value for regression; one-dimensional float arrays of equal length n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from titleholder.spec.criteria import Judgement
from titleholder.spec.metrics import METRICS
from titleholder.validation.metrics.auc import contrast, delong
from titleholder.validation.metrics.bootstrap import resample
from titleholder.validation.metrics.inputs import Array, Estimation, Interval, Sample, check, least_units, student
from titleholder.validation.metrics.linearised import covariance
from titleholder.validation.metrics.weighted import prepare, terms


@dataclass(frozen=True)
class Gain(Interval):
    """Challenger minus champion, oriented so that more is better, with a two-sided confidence interval.

    >>> sample = Sample(np.array([0.0, 0.0, 1.0, 1.0]))
    >>> challenger, champion = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.1, 0.3, 0.2, 0.4])
    >>> found = gain("roc_auc", sample, challenger, champion, Estimation(confidence=0.95, resamples=100, seed=1))
    >>> found.estimate, found.method
    (0.25, 'DeLong')
    """

    method: str
    error: float
    """Standard error of the estimate."""
    freedom: float
    """Degrees of freedom of Student's t for bounds that follow from the error; finite, at least 1."""

    def lower_bound(self, confidence: float) -> float:
        """The one-sided lower bound by Student's t: the true gain is above it with this confidence."""
        return self.estimate - float(special.stdtrit(self.freedom, confidence)) * self.error


def compute(name: str, y: Array, p: Array, judgement: Judgement | None = None, weights: Array | None = None) -> float:
    """One metric of one model; NaN where it has no value, such as an area under the curve of one class.

    Raises:
        ValueError: when scores are not finite, weights are not finite and positive, lengths differ, the metric is
            unknown, needs what `judgement` lacks, or needs probabilities.
    """
    check(y, p, weights=weights)
    if not len(y):
        return math.nan
    given = np.ones(len(y), dtype=np.int64) if weights is None else weights
    return float(prepare(name, y, p, judgement)(given[None, :])[0])


def compute_all(
    task: str, y: Array, p: Array, judgement: Judgement | None = None, weights: Array | None = None
) -> dict[str, float]:
    """Every metric of the task, in the catalogue's order; those that need a key of `judgement` only if it is there.

    Raises:
        ValueError: as `compute`.
    """
    return {
        name: compute(name, y, p, judgement, weights)
        for name, info in METRICS.items()
        if info.task == task and (info.needs is None or getattr(judgement, info.needs, None) is not None)
    }


def gain(name: str, sample: Sample, challenger: Array, champion: Array, how: Estimation) -> Gain:
    """How much better the challenger is on these rows, with its interval.

    ROC AUC and Gini use DeLong's paired variance and Student's t; every other metric a paired bootstrap, stratified by
    class unless there are clusters. Below 100 events each bound of the bootstrap is the wider of the percentile and the
    one by Student's t. Events are the rows of the smaller class, of a regression all rows, weighted ones by their
    effective number; with clusters those that have any. A bootstrap has as many degrees of freedom, less one.

    Bounds and error are infinite where the variance cannot be known: with fewer than two rows of a class, or fewer than
    two clusters that have any.

    Raises:
        ValueError: as `compute`.
    """
    return gain_of(name, sample, compared(name, sample, challenger, champion, how), how.confidence)


def compared(name: str, sample: Sample, challenger: Array, champion: Array, how: Estimation) -> Contrast:
    """The metric of the challenger less that of the champion, or the other way round where less is better."""
    sign = 1.0 if METRICS[name].greater_is_better else -1.0
    return contrast_of(name, sample, [challenger, champion], np.array([sign, -sign]), how)


def gain_of(name: str, sample: Sample, found: Contrast, confidence: float) -> Gain:
    """What `compared` found, as a gain with its interval at a confidence."""
    method = "DeLong" if name in AREAS else "paired bootstrap"
    clustered = "" if sample.clusters is None else ", clustered"
    return Gain(*found.at(confidence).values, f"{method}{clustered}", found.error, found.freedom)


def joint(name: str, sample: Sample, scores: Sequence[Array], how: Estimation) -> tuple[Array, Array]:
    """The metrics of k models on the same rows, oriented so that more is better, and how they vary together.

    ROC AUC and Gini use DeLong's covariance, means (log loss, Brier, profit, ...) that of their terms, others a
    bootstrap.

    Returns:
        values of shape (k,) and covariance of shape (k, k), not finite where it cannot be known.

    Raises:
        ValueError: as `compute`.
    """
    check(sample.y, *scores, weights=sample.weights)
    sign = 1.0 if METRICS[name].greater_is_better else -1.0
    if name in AREAS:
        areas, varied = delong(sample.y, np.vstack(scores), sample.weights, sample.clusters)
        return AREAS[name] * areas + 1 - AREAS[name], AREAS[name] ** 2 * varied
    values = sign * np.array([compute(name, sample.y, p, how.judgement, sample.weights) for p in scores])
    found = [terms(name, sample.y, p, how.judgement or Judgement(metric=name)) for p in scores]
    weights = np.ones(len(sample.y)) if sample.weights is None else sample.weights
    influences = [
        weights * (term - sign * value) / weights.sum()
        for term, value in zip(found, values, strict=True)
        if term is not None
    ]
    if influences:
        return values, covariance(np.stack(influences), sample.clusters)
    classes = METRICS[name].task == "classification"
    if least_units(sample, classes=classes) < 2:
        return values, np.full((len(scores),) * 2, np.inf)
    draws = resample(name, sample, scores, how, stratify=classes and sample.clusters is None)
    return values, np.atleast_2d(np.cov(draws[:, np.isfinite(draws).all(axis=0)]))


def interval(name: str, sample: Sample, p: Array, how: Estimation) -> Interval:
    """One model's metric, in its own direction, with its interval; everything else as in `gain`.

    The interval of an area under the ROC curve is carried over to the logit scale, where it is closer to normal: near
    one, where leaks are looked for, DeLong's own gives several times as many false alarms as its level allows. Its
    bounds never leave the range of the metric.

    Source: Pepe (2003), The Statistical Evaluation of Medical Tests for Classification and Prediction, section 5.2.5.
    """
    metric = contrast_of(name, sample, [p], np.array([1.0]), how)
    found = metric.at(how.confidence)
    return found if name not in AREAS or math.isinf(metric.error) else _on_logits(found, 1 - AREAS[name], 1.0)


def _on_logits(found: Interval, least: float, most: float) -> Interval:
    """A symmetric interval carried over to the logit scale between `least` and `most`; of either of them it is sure."""
    span = most - least
    part = (found.estimate - least) / span
    if not 0 < part < 1:
        return Interval(found.estimate, found.estimate, found.estimate)
    reach = (found.upper - found.estimate) / span / (part * (1 - part))
    lower, upper = (least + span * special.expit(special.logit(part) + np.array([-reach, reach]))).tolist()
    return Interval(found.estimate, lower, upper)


AREAS = {"roc_auc": 1.0, "gini": 2.0}
"""The metrics that grow with the area under the ROC curve, and how many times as fast."""
FEW = 100
"""Events below which the percentiles of a bootstrap cover too little."""


class Contrast(NamedTuple):
    """A signed sum of models' metrics on the same rows, and what its interval at any confidence rests on.

    `draws` are its values on resampled rows, shape (resamples,), of `events` events; None where DeLong's error is used.
    """

    estimate: float
    error: float
    freedom: float
    draws: Array | None = None
    events: float = 0.0

    def at(self, confidence: float) -> Interval:
        """The interval at a confidence; without bounds where the variance cannot be known."""
        if self.draws is None:
            return student(self.estimate, self.error, self.freedom, confidence)
        if math.isinf(self.error):
            return Interval(self.estimate, -math.inf, math.inf)
        lower, upper = np.quantile(self.draws, [0.5 - confidence / 2, 0.5 + confidence / 2]).tolist()
        if self.events < FEW:
            by_error = student(self.estimate, self.error, self.freedom, confidence)
            lower, upper = min(lower, by_error.lower), max(upper, by_error.upper)
        return Interval(self.estimate, lower, upper)


def contrast_of(name: str, sample: Sample, scores: Sequence[Array], signs: Array, how: Estimation) -> Contrast:
    """The signed sum of the models' metrics; of `how`, the confidence does not matter.

    Raises:
        ValueError: as `compute`.
    """
    check(sample.y, *scores, weights=sample.weights)
    if name in AREAS:
        found, scale = contrast(sample, np.vstack(scores), signs), AREAS[name]
        estimate = scale * found.estimate + (1 - scale) * float(signs.sum())
        return Contrast(estimate, scale * found.error, found.freedom)
    estimate = float(signs @ [compute(name, sample.y, p, how.judgement, sample.weights) for p in scores])
    classes = METRICS[name].task == "classification"
    events, draws = least_units(sample, classes=classes), np.empty(0)
    if events > 1:
        draws = signs @ resample(name, sample, scores, how, stratify=classes and sample.clusters is None)
        draws = draws[np.isfinite(draws)]
    error = float(draws.std(ddof=1)) if len(draws) > 1 else math.inf
    return Contrast(estimate, error, max(events - 1.0, 1.0), draws, events)
