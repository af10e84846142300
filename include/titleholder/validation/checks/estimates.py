"""A metric, or the gain in it, on the judged rows or some of them, with the interval that the spec asks for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from titleholder.validation import metrics
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Estimation, Gain, Interval
from titleholder.validation.metrics.inputs import Rows, student

AREAS = {"roc_auc": (0.0, 1.0), "gini": (-1.0, 1.0)}
"""Metrics that are areas under the ROC curve, with the least and the most they can be."""


def estimate_metric(evidence: Evidence, metric: str, scores: Array, confidence: float | None = None) -> Interval:
    """A metric of any scores of all judged rows, shape (n,).

    The interval of an area under the ROC curve is carried over to the logit scale, where it is closer to normal: near
    one, where leaks are looked for, DeLong's own gives several times as many false alarms as its level allows.
    Source: Pepe (2003), The Statistical Evaluation of Medical Tests for Classification and Prediction, section 5.2.5.
    """
    interval = metrics.interval(metric, evidence.sample, scores, Estimation.of(evidence.spec, confidence))
    return _on_logits(interval, *AREAS[metric]) if metric in AREAS else interval


def _on_logits(interval: Interval, least: float, most: float) -> Interval:
    """The same interval on the logit scale between `least` and `most`; unchanged where the estimate is either of them.

    It is symmetric but for the ends that were cut off at `least` or `most`: the longer side is as long as it was.
    """
    span = most - least
    share = (interval.estimate - least) / span
    reach = max(interval.upper - interval.estimate, interval.estimate - interval.lower) / span
    if not 0 < share < 1 or not np.isfinite(reach):
        return interval
    ends = special.expit(special.logit(share) + np.array([-1, 1]) * reach / (share * (1 - share)))
    lower, upper = (least + span * ends).tolist()
    return Interval(interval.estimate, lower, upper)


def estimate_gain(
    evidence: Evidence, metric: str, against: Array, rows: Rows | None = None, confidence: float | None = None
) -> Gain:
    """The challenger's gain over other scores of all judged rows, shape (n,); on some of the rows if they are given.

    A confidence other than the spec's is one adjusted for many tests: the quantiles of a bootstrap then lie so far out
    that few resamples make them, and the bounds are the wider of these and Student's (Efron & Tibshirani (1993),
    An Introduction to the Bootstrap, chapter 12).
    """
    some = slice(None) if rows is None else rows
    how = Estimation.of(evidence.spec, confidence)
    gain = metrics.gain(metric, evidence.sample.at(some), evidence.challenger[some], against[some], how)
    if confidence is None:
        return gain
    by_error = student(gain.estimate, gain.error, gain.freedom, confidence)
    return replace(gain, lower=min(gain.lower, by_error.lower), upper=max(gain.upper, by_error.upper))
