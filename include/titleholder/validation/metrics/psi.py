"""Whether a column, or a model's scores, are still distributed as they were."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from titleholder.validation.metrics.inputs import Array, Interval

SEEN = 10
"""A category with fewer rows of the reference than this has no bin of its own: what is so rare comes and goes."""
EXPECTED = 5.0
"""Nor has one that should have fewer actual rows than this (Cochran's rule for chi-squared)."""


class Psi(NamedTuple):
    """The population stability index with an interval, and the shares it is made of.

    >>> before, after = np.repeat(["rent", "own"], [60, 40]), np.repeat(["rent", "own"], [30, 70])
    >>> found = psi(before, after, bins=10, confidence=0.95)
    >>> round(found.value, 3), found.lower > 0
    (0.376, True)
    """

    value: float
    lower: float
    upper: float
    table: list[tuple[str, float, float]]
    """Each bin's label, share of the reference rows and share of the actual rows; shares add up to 1."""

    @property
    def interval(self) -> Interval:
        """The index with its bounds."""
        return Interval(self.value, self.lower, self.upper)

    @property
    def most_moved(self) -> tuple[str, float, float]:
        """The bin whose share of the rows changed most."""
        return max(self.table, key=lambda row: abs(row[2] - row[1]))


class _Binned(NamedTuple):
    labels: list[str]
    reference: Array
    actual: Array


def psi(reference: NDArray[Any], actual: NDArray[Any], *, bins: int, confidence: float) -> Psi:
    """The sum over bins of (actual - reference) * log(actual / reference), in shares; 0 when nothing has moved.

    Numbers fall into quantiles of the reference, cut at its own values; a value that several quantiles share has a bin
    of its own; NaN is "missing". Categories (object or string arrays) each have a bin, None and NaN "missing"; one is
    pooled under "unseen" with fewer than 10 rows of the reference, and under "rare" where fewer than 5 actual rows are
    to be expected. An empty bin counts as half a row.

    The interval inverts the noncentral chi-squared distribution of n m / (n + m) times the index, of n reference and m
    actual rows and one degree of freedom less than bins. Its centre is below the index, which sampling alone makes
    positive; `lower` is above 0 only where a shift is shown. With one bin, or no rows, nothing is known: 0 to inf.

    Args:
        reference: earlier values, shape (n,).
        actual: later values, shape (m,).
        bins: how many quantiles.
        confidence: of the two-sided interval.

    Source: Yurdakul & Naranjo (2020), Statistical properties of the population stability index, Journal of Risk Model
    Validation 14(4), for its chi-squared distribution without a shift. The noncentral one is its first-order extension
    to small shifts, as for Pearson's statistic.
    """
    textual = reference.dtype.kind in "OUST" or actual.dtype.kind in "OUST"
    found = _categories(reference, actual) if textual else _quantiles(reference, actual, bins)
    n, m = float(found.reference.sum()), float(found.actual.sum())
    shares = zip(found.reference / max(n, 1.0), found.actual / max(m, 1.0), strict=True)
    table = [(label, float(r), float(a)) for label, (r, a) in zip(found.labels, shares, strict=True)]
    if not n or not m or len(table) < 2:
        return Psi(0.0 if n and m else math.nan, 0.0, math.inf, table)
    before, after = (np.maximum(counts, 0.5) / np.maximum(counts, 0.5).sum() for counts in found[1:])
    value, size = float(((after - before) * np.log(after / before)).sum()), n * m / (n + m)
    lower, upper = (
        _noncentrality(value * size, len(table) - 1, 0.5 + side * confidence / 2) / size for side in (1, -1)
    )
    return Psi(value, lower, max(upper, value), table)


def _noncentrality(statistic: float, freedom: int, level: float) -> float:
    """The noncentrality under which the statistic is its distribution's `level` quantile, or 0."""
    if special.chdtr(freedom, statistic) <= level:
        return 0.0
    return float(special.chndtrinc(statistic, freedom, level))


def _quantiles(reference: NDArray[Any], actual: NDArray[Any], bins: int) -> _Binned:
    old, new = (values[~np.isnan(values)] for values in (reference.astype(float), actual.astype(float)))
    cuts = _cuts(old, bins)
    edges = [value if closed else np.nextafter(value, -np.inf) for value, closed in cuts]
    counts = [
        np.append(np.bincount(np.searchsorted(edges, seen), minlength=len(edges) + 1), len(values) - len(seen))
        for seen, values in ((old, reference), (new, actual))
    ]
    labels = [_span(low, high) for low, high in zip([None, *cuts], [*cuts, None], strict=True)]
    return _without_empty([*labels, "missing"], *counts)


Cut = tuple[float, bool]
"""Where one bin ends and the next begins, and whether the value itself is still in the lower one."""


def _cuts(known: Array, bins: int) -> list[Cut]:
    if not len(known):
        return []
    low, high = float(known.min()), float(known.max())
    if low == high:
        return [(low, False), (low, True)]
    values, times = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf"), return_counts=True)
    after = [(float(v), True) for v in values if v < high]
    before = [(float(v), False) for v in values[times > 1] if v > low]
    return sorted(before + after)


def _span(low: Cut | None, high: Cut | None) -> str:
    if low and high and low[0] == high[0]:
        return f"{low[0]:.6g}"
    left = f"{'above' if low[1] else 'from'} {low[0]:.6g}" if low else ""
    upper = "below" if high and not high[1] else "to" if low else "up to"
    right = f"{upper} {high[0]:.6g}" if high else ""
    return f"{left} {right}".strip() or "any"


def _categories(reference: NDArray[Any], actual: NDArray[Any]) -> _Binned:
    old, new = (pd.Series(values, dtype=object) for values in (reference, actual))
    missing = [int(values.isna().sum()) for values in (old, new)]
    before, after = (values.dropna().astype(str).value_counts() for values in (old, new))
    seen = before[before >= SEEN]
    rare = seen * (len(new) / max(len(old), 1)) < EXPECTED
    names = sorted(seen.index[~rare])
    counts = []
    for found, gaps in ((before, missing[0]), (after, missing[1])):
        by_name = found.reindex(names, fill_value=0).to_numpy(dtype=float)
        among_rare = float(found.reindex(seen.index[rare], fill_value=0).sum())
        counts.append(np.append(by_name, [among_rare, found.sum() - by_name.sum() - among_rare, gaps]))
    return _without_empty([*names, "rare", _unseen(before), "missing"], *counts)


def _unseen(before: pd.Series[int]) -> str:
    return f"unseen, or fewer than {SEEN} times" if (before < SEEN).any() else "unseen"


def _without_empty(labels: list[str], reference: NDArray[Any], actual: NDArray[Any]) -> _Binned:
    kept = (reference + actual) > 0
    chosen = [label for label, keep in zip(labels, kept, strict=True) if keep]
    return _Binned(chosen, reference[kept].astype(float), actual[kept].astype(float))
