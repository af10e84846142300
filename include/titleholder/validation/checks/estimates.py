"""A metric, or the gain in it, on the judged rows or some of them, with the interval that the spec asks for."""

from __future__ import annotations

from dataclasses import replace

from titleholder.validation import metrics
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Estimation, Gain, Interval
from titleholder.validation.metrics.inputs import Rows, student


def estimate_metric(evidence: Evidence, metric: str, scores: Array, confidence: float | None = None) -> Interval:
    """A metric of any scores of all judged rows, shape (n,)."""
    return metrics.interval(metric, evidence.sample, scores, Estimation.of(evidence.spec, confidence))


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
