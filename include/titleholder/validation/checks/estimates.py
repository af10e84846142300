"""A metric, or the gain in it, on the judged rows or some of them, with the interval that the spec asks for."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from titleholder.validation import metrics
from titleholder.validation.evidence import Array, Evidence, metric_basis
from titleholder.validation.metrics import Contrast, Estimation, Gain, Interval
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
    sample, how = evidence.sample.at(some), Estimation.of(evidence.spec, confidence)

    def compared() -> Contrast:
        return metrics.compared(metric, sample, evidence.challenger[some], against[some], how)

    # A replay asks for that of all rows again at other confidences.
    key = ("gain", metric, hashlib.sha256(against.tobytes()).digest(), metric_basis(evidence.spec))
    found = evidence.once(key, compared) if rows is None else compared()
    gain = metrics.gain_of(metric, sample, found, how.confidence)
    if confidence is None:
        return gain
    by_error = student(gain.estimate, gain.error, gain.freedom, confidence)
    return replace(gain, lower=min(gain.lower, by_error.lower), upper=max(gain.upper, by_error.upper))
