"""What the versions of a model did on one cohort that they were all trained before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[np.float64]
COHORTS = 48
"""So many of the newest cohorts are read."""


class Member(BaseModel):
    """A version, the end of the rows that it was trained on, and of those that it was first judged on.

    >>> Member(version=3, trained_through=date(2024, 1, 1), judged_through=date(2024, 4, 1)).version
    3
    """

    model_config = ConfigDict(frozen=True)

    version: int
    trained_through: date
    judged_through: date


class CohortRecord(BaseModel):
    """What the versions that were trained before a cohort [start, end) did on it.

    `values` are their metrics, oriented so that more is better; `covariance` is that of these estimates, the lower
    triangle row by row.

    >>> day = date(2024, 1, 1)
    >>> versions = {1: date(2023, 1, 1), 2: day}
    >>> members = tuple(Member(version=v, trained_through=t, judged_through=day) for v, t in versions.items())
    >>> cohort = CohortRecord(
    ...     start=day, end=date(2024, 2, 1), events=60, metric="roc_auc", members=members,
    ...     values=(0.70, 0.71), covariance=(0.0009, 0.0008, 0.0009),
    ... )  # fmt: skip
    >>> cohort.matrix
    array([[0.0009, 0.0008],
           [0.0008, 0.0009]])
    """

    model_config = ConfigDict(frozen=True)

    start: date
    end: date
    events: int
    metric: str
    basis: str = ""
    """A fingerprint of what the metric means: of its parameters, the target and the weights."""
    members: tuple[Member, ...]
    values: tuple[float, ...]
    covariance: tuple[float, ...]

    @property
    def matrix(self) -> Array:
        """The covariance, shape (members, members)."""
        full = np.zeros((len(self.members),) * 2)
        full[np.tril_indices(len(full))] = self.covariance
        return np.asarray(full + np.tril(full, -1).T)


def newest(cohorts: Sequence[CohortRecord]) -> list[CohortRecord]:
    """Of cohorts that overlap the last one given, in order of time; the `COHORTS` newest."""
    kept: list[CohortRecord] = []
    for cohort in reversed(cohorts):
        if all(cohort.end <= one.start or one.end <= cohort.start for one in kept):
            kept.append(cohort)
    return sorted(kept, key=lambda cohort: cohort.end)[-COHORTS:]
