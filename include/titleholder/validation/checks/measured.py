"""Metrics with their intervals on the judged rows or some of them, as the spec would have them measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from titleholder.validation import metrics
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Gain, Interval

AREAS = {"roc_auc": (0.0, 1.0), "gini": (-1.0, 1.0)}
"""Metrics that are areas under the ROC curve, with the least and the most they can be."""
Rows = NDArray[np.intp]
"""Positions of judged rows."""


def interval(evidence: Evidence, metric: str, scores: Array, *, confidence: float | None = None) -> Interval:
    """A metric of any scores of all judged rows, shape (n,).

    That of an area under the ROC curve is carried over to the logit scale, where it is closer to normal: near one,
    where leaks are looked for, DeLong's own would raise several times as many false alarms as it says.
    Source: Pepe (2003), The Statistical Evaluation of Medical Tests for Classification and Prediction, section 5.2.5.
    """
    found = metrics.interval(metric, evidence.y, scores, **_how(evidence, confidence))
    return _on_logits(found, *AREAS[metric]) if metric in AREAS else found


def _on_logits(found: Interval, least: float, most: float) -> Interval:
    """The same interval on the logit scale between `least` and `most`; as it is where the estimate is either of them.

    It is symmetric but for the ends that were cut off at `least` or `most`: the longer side is as long as it was.
    """
    span = most - least
    share = (found.estimate - least) / span
    reach = max(found.upper - found.estimate, found.estimate - found.lower) / span
    if not 0 < share < 1 or not np.isfinite(reach):
        return found
    ends = special.expit(special.logit(share) + np.array([-1, 1]) * reach / (share * (1 - share)))
    lower, upper = (least + span * ends).tolist()
    return Interval(found.estimate, lower, upper)


def gain(
    evidence: Evidence, metric: str, against: Array, *, rows: Rows | None = None, confidence: float | None = None
) -> Gain:
    """The challenger's gain over other scores of all judged rows, shape (n,); on some of the rows if they are given.

    A confidence other than the spec's is one adjusted for many tests: the quantiles of a bootstrap then lie so far out
    that few resamples make them, and the bounds are the wider of these and the normal ones (Efron & Tibshirani (1993),
    An Introduction to the Bootstrap, chapter 12).
    """
    how = _how(evidence, confidence)
    some = slice(None) if rows is None else rows
    parts = {name: None if how[name] is None else how[name][some] for name in ("weights", "clusters")}
    found = metrics.gain(metric, evidence.y[some], evidence.challenger[some], against[some], **{**how, **parts})
    if confidence is None:
        return found
    reach = float(stats.norm.ppf(0.5 + confidence / 2)) * found.error
    return replace(
        found, lower=min(found.lower, found.estimate - reach), upper=max(found.upper, found.estimate + reach)
    )


def _how(evidence: Evidence, confidence: float | None) -> dict[str, Any]:
    judgement = evidence.spec.judgement
    return {
        "confidence": judgement.confidence if confidence is None else confidence,
        "resamples": judgement.resamples,
        "seed": evidence.spec.training.seed,
        "judgement": judgement,
        "weights": evidence.weights,
        "clusters": evidence.clusters,
    }
