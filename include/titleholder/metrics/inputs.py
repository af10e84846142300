"""What every metric is given, and what it refuses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.object_] | NDArray[np.int64] | NDArray[np.str_]


class Interval(NamedTuple):
    """An estimate with a two-sided confidence interval; bounds are -inf and inf where nothing is known of it."""

    estimate: float
    lower: float
    upper: float


def checked(y: Array, *scores: Array, weights: Array | None = None) -> None:
    """Refuse what no metric can be computed from.

    Raises:
        ValueError: when lengths differ, a score is not finite, or a weight is not a finite number above 0.
    """
    if any(len(p) != len(y) for p in scores):
        raise ValueError(f"unequal lengths: {len(y)} outcomes, {' and '.join(str(len(p)) for p in scores)} scores")
    for p in scores:
        if bad := int((~np.isfinite(p)).sum()):
            raise ValueError(f"{bad} of {len(p)} scores are not finite numbers; a model must score every row")
    if weights is None:
        return
    if len(weights) != len(y):
        raise ValueError(f"unequal lengths: {len(y)} outcomes, {len(weights)} weights")
    if bad := int((~(np.isfinite(weights) & (weights > 0))).sum()):
        raise ValueError(f"{bad} of {len(weights)} weights are not finite numbers above 0")
