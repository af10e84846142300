"""The weighted counts of both classes along one model's scores: what every metric of ranking is made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from titleholder.metrics.inputs import Array


class Counts(NamedTuple):
    """Weights by the q distinct scores of events, ascending; B weight vectors at once."""

    events: Array
    """Of the events with that score, shape (B, q)."""
    below: Array
    """Of the other rows that score less, shape (B, q)."""
    through: Array
    """Of the other rows that score less or the same, shape (B, q)."""
    others: Array
    """Of all other rows, shape (B,)."""


class Curve:
    """One model's scores, sorted once, ties found; `count` then costs O(n) per weight vector."""

    def __init__(self, y: Array, p: Array) -> None:
        events, others = np.flatnonzero(y == 1), np.flatnonzero(y != 1)
        self.event_rows = events[np.argsort(p[events], kind="stable")]
        self.other_rows = others[np.argsort(p[others], kind="stable")]
        values, self._starts = np.unique(p[self.event_rows], return_index=True)
        self._below = np.searchsorted(p[self.other_rows], values, side="left")
        self._through = np.searchsorted(p[self.other_rows], values, side="right")

    def count(self, weights: Array) -> Counts:
        """Counts under weights of shape (B, n)."""
        events = weights[:, self.event_rows]
        if len(self._starts) < len(self.event_rows):
            events = np.add.reduceat(events, self._starts, axis=1)
        passed = np.zeros((len(weights), len(self.other_rows) + 1), dtype=weights.dtype)
        np.cumsum(weights[:, self.other_rows], axis=1, out=passed[:, 1:])
        return Counts(events, passed[:, self._below], passed[:, self._through], passed[:, -1])
