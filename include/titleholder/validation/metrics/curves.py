"""Both classes counted along one model's scores, and the metrics that only the order of scores decides."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titleholder.validation.metrics.inputs import Array

Weights = NDArray[Any]
"""Of rows: floats, or integers for how often each came up."""


class Counts(NamedTuple):
    """Sums of weights at the q distinct scores of events, ascending, for B weight vectors at once.

    >>> counts = Curve(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.3])).count(np.array([[1, 1, 2]]))
    >>> counts.events, counts.total
    (array([[1, 2]]), array([[3]]))
    """

    events: Weights
    """Of the events with that score, shape (B, q)."""
    below: Weights
    """Of the other rows that score less, shape (B, q)."""
    through: Weights
    """Of the other rows that score less or the same, shape (B, q)."""
    others: Weights
    """Of all the other rows, shape (B, 1)."""

    @property
    def total(self) -> Weights:
        """Of all events, shape (B, 1)."""
        return np.asarray(self.events.sum(axis=1, keepdims=True))


class Curve:
    """One model's scores, sorted and their ties found once; counting is then O(n) for each weight vector.

    Between two scores of events no metric of the ROC curve changes its course, so that it is enough to count there.

    >>> curve = Curve(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.4]))
    >>> roc_auc(curve.count(np.array([[1, 1, 1, 1], [1, 0, 1, 1]])))
    array([0.75, 1.  ])
    """

    def __init__(self, y: Array, p: Array) -> None:
        events, others = np.flatnonzero(y == 1), np.flatnonzero(y != 1)
        self._events = events[np.argsort(p[events])]
        self._others = others[np.argsort(p[others])]
        values, self._starts = np.unique(p[self._events], return_index=True)
        self._below = np.searchsorted(p[self._others], values, side="left")
        self._through = np.searchsorted(p[self._others], values, side="right")
        self._tied = bool((self._below < self._through).any())

    def count(self, weights: Weights) -> Counts:
        """Counts under weights of shape (B, n); exact, and quicker, when these are integers."""
        events = np.take(weights, self._events, axis=1)
        if len(self._starts) < len(self._events):
            events = np.add.reduceat(events, self._starts, axis=1)
        others = np.take(weights, self._others, axis=1, mode="clip")
        passed = np.zeros((len(weights), len(self._others) + 1), dtype=np.result_type(weights, np.int64))
        np.cumsum(others, axis=1, out=passed[:, 1:])
        below = np.take(passed, self._below, axis=1)
        through = np.take(passed, self._through, axis=1) if self._tied else below
        return Counts(events, below, through, passed[:, -1:])


def roc_auc(counts: Counts) -> Array:
    """Area under the ROC curve, ties counted half, shape (B,); NaN where a class is missing."""
    won = np.einsum("bq,bq->b", counts.events, counts.below + counts.through) / 2
    with np.errstate(invalid="ignore"):
        return np.asarray(won / (counts.total * counts.others)[:, 0])


def gini(counts: Counts) -> Array:
    """Gini coefficient, twice the area less one, shape (B,); NaN where a class is missing."""
    return 2 * roc_auc(counts) - 1


def ks(counts: Counts) -> Array:
    """Kolmogorov-Smirnov distance between the scores of both classes, in [0, 1], shape (B,); NaN where one is missing.

    The distance peaks where an event's score is reached or just passed.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        passed = np.cumsum(counts.events, axis=1)
        after = np.abs(counts.through / counts.others - passed / counts.total)
        before = np.abs(counts.below / counts.others - (passed - counts.events) / counts.total)
    peak = np.maximum(after, before).max(axis=1, initial=0.0)
    return np.where(counts.total[:, 0] > 0, peak, np.nan)


def pr_auc(counts: Counts) -> Array:
    """Average precision: precision at each event's score, weighted by recall gained; shape (B,), NaN without events."""
    caught = np.cumsum(counts.events[:, ::-1], axis=1)[:, ::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = caught / (caught + counts.others - counts.below)
        gained = counts.events / counts.total
    found = np.where(counts.events > 0, precision * gained, 0.0).sum(axis=1)
    return np.where(counts.total[:, 0] > 0, found, np.nan)
