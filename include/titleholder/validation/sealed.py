"""Scores of judged rows that were committed to the ledger before anybody could know how the rows would end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[np.float64]
RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Scores this close are the same score, computed in another order or by another release of a library."""


class SealedScores(BaseModel):
    """A version's sealed scores, of shape (n,), and what the same model answers for the same rows now.

    `rows` are the positions of these rows among the judged ones, ascending; `runs` are the scoring runs that wrote
    them, the `latest` of which so many days after a row's event. It `reigned` where one of them is a champion's.

    >>> then, now = np.array([0.1, 0.2]), np.array([0.1, 0.5])
    >>> found = SealedScores(version=3, runs=(7,), rows=np.arange(2), sealed=then, again=now)
    >>> found.differing, round(found.largest, 6)
    (1, 0.3)
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    version: int
    runs: tuple[int, ...]
    rows: NDArray[np.int64]
    sealed: Array
    again: Array
    latest: float = 0.0
    reigned: bool = False

    @property
    def differing(self) -> int:
        """How many of the scores are no longer what the model answers."""
        return int((~np.isclose(self.sealed, self.again, rtol=RELATIVE, atol=ABSOLUTE)).sum())

    @property
    def largest(self) -> float:
        """The largest difference; zero without rows."""
        return float(np.abs(self.sealed - self.again).max(initial=0.0))


class SealedEvidence(BaseModel):
    """Sealed scores by version: the champion's first, then those of champions when they scored, then of others.

    `soonest` are the days after an event by which a score must be written to be sealed, where an outcome's own date
    says so, else None; `changed` are scoring runs whose scores are not those that they wrote, and which are left out.
    """

    model_config = ConfigDict(frozen=True)

    versions: tuple[SealedScores, ...] = ()
    soonest: float | None = None
    changed: tuple[int, ...] = ()
