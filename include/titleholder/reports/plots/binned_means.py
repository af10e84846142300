"""Mean outcomes of some of the judged rows with their intervals, and bins of rows by score."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Interval, means

Rows = NDArray[np.intp]


def mean(evidence: Evidence, rows: Rows) -> Interval:
    """The mean outcome of the rows at these positions: for a classification the event rate.

    Wilson's score interval (1927, J. Am. Stat. Assoc. 22) for independent outcomes of equal weight that are 0 or 1,
    else Student's, robust to weights and clusters. Bounds are infinite without rows.
    """
    y, confidence = evidence.y[rows], evidence.spec.judgement.confidence
    if not len(y):
        return Interval(math.nan, -math.inf, math.inf)
    if evidence.classification and evidence.weights is None and evidence.clusters is None:
        found = stats.binomtest(int(y.sum()), len(y)).proportion_ci(confidence, method="wilson")
        return Interval(float(y.mean()), float(found.low), float(found.high))
    return means.ratio_of_means(evidence.sample.at(rows), np.ones_like(y)).interval(confidence)


def average(evidence: Evidence, values: Array, rows: Rows) -> float:
    """The weighted mean of `values`, of shape (n,), over the rows at these positions."""
    weights = None if evidence.weights is None else evidence.weights[rows]
    return float(np.average(values[rows], weights=weights))


def bins(values: Array, *, most: int = 10, least: int = 20) -> Iterator[Rows]:
    """Positions in bins of about equal size in the order of `values`: ten, or fewer of at least 20 rows each."""
    wanted = int(np.clip(len(values) // least, 1, most))
    yield from (b for b in np.array_split(np.argsort(values, kind="stable"), wanted) if len(b))
