"""Whether a column, or a model's scores, are still distributed as they were."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from titleholder.validation.metrics.inputs import Array, Interval, Labels, Rows
from titleholder.validation.metrics.linearised import variance

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
    """The bins that are not empty, and how many rows of either sample are in each."""

    labels: list[str]
    reference: Array
    actual: Array


class _BinOfRows(NamedTuple):
    """All bins, and in which one each row of either sample is."""

    labels: list[str]
    reference: Rows
    actual: Rows

    def counted(self) -> _Binned:
        return _without_empty(self.labels, *(np.bincount(rows, minlength=len(self.labels)) for rows in self[1:]))

    def without_empty(self) -> _BinOfRows:
        """The same, but for bins without rows."""
        rows = sum(np.bincount(each, minlength=len(self.labels)) for each in (self.reference, self.actual))
        kept = np.asarray(rows) > 0
        place = np.cumsum(kept) - 1
        labels = [label for label, keep in zip(self.labels, kept, strict=True) if keep]
        return _BinOfRows(labels, place[self.reference], place[self.actual])

    def moves(self) -> Iterator[Array]:
        """For each bin, by how much each row changes its count from the reference to the actual; shape (rows,)."""
        for place in range(len(self.labels)):
            yield (self.actual == place).astype(float) - (self.reference == place)


def _table(found: _Binned) -> list[tuple[str, float, float]]:
    shares = (counts / max(float(counts.sum()), 1.0) for counts in found[1:])
    return list(zip(found.labels, *(each.tolist() for each in shares), strict=True))


def _shares(found: _Binned) -> list[Array]:
    """Of the reference and of the actual rows; an empty bin counts as half a row."""
    counts = [np.maximum(each, 0.5) for each in found[1:]]
    return [each / each.sum() for each in counts]


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
    found = _categories(reference, actual) if textual else _quantiles(reference, actual, bins).counted()
    return _index(found, confidence)


def psi_of_counts(labels: Sequence[str], reference: Sequence[int], actual: Sequence[int], *, confidence: float) -> Psi:
    """The same of rows that are counted already, by bin; a bin that is empty in both is left out.

    >>> round(psi_of_counts(["rent", "own"], [60, 40], [30, 70], confidence=0.95).value, 3)
    0.376
    """
    return _index(_without_empty(list(labels), np.array(reference), np.array(actual)), confidence)


def _index(found: _Binned, confidence: float) -> Psi:
    n, m = float(found.reference.sum()), float(found.actual.sum())
    table = _table(found)
    if not n or not m or len(table) < 2:
        return Psi(0.0 if n and m else math.nan, 0.0, math.inf, table)
    before, after = _shares(found)
    value = float(((after - before) * np.log(after / before)).sum())
    return Psi(value, *_bounds(value, n * m / (n + m), len(table) - 1, confidence), table)


def paired_psi(reference: Array, actual: Array, *, bins: int, confidence: float, clusters: Labels | None = None) -> Psi:
    """The index of two scores of the same rows, with an interval that knows so.

    The value is that of `psi`. Two models that rank alike put most rows into the same bin, so that their shares differ
    by far less than those of two samples. Shares of n rows differ by `after - before`, whose covariance V is that of
    the mean of n rows' moves from bin to bin; moves of one cluster's rows are added up first. To first order

    - chance alone raises the index by the trace of V / before, on average (Rao & Scott, their generalised design
      effects), and
    - its standard error e follows from by how much each row moves it (the delta method).

    The interval inverts the noncentral chi-squared distribution of s times the index with s = 4 index / e^2 and s times
    that trace degrees of freedom, which has both. For two independent samples these are the size and the degrees of
    freedom in `psi`. Where all rows move alike the interval is the value itself.

    Args:
        reference: the champion's scores, shape (n,), finite; their quantiles are the bins.
        actual: the challenger's scores of the same rows, shape (n,), finite.
        bins: how many quantiles.
        confidence: of the two-sided interval.
        clusters: which rows belong together, shape (n,).

    Source: Rao & Scott (1981), The analysis of categorical data from complex sample surveys, Journal of the American
    Statistical Association 76(374).
    """
    rows = _quantiles(reference, actual, bins).without_empty()
    found = rows.counted()
    table = _table(found)
    if len(reference) < 2 or len(table) < 2:
        return Psi(0.0 if len(reference) else math.nan, 0.0, math.inf, table)
    before, after = _shares(found)
    value = float(((after - before) * np.log(after / before)).sum())
    by_chance = sum(
        variance(move - move.mean(), clusters)[0] / share for move, share in zip(rows.moves(), before, strict=True)
    )
    slope = np.log(after / before)
    pull = (slope + 1 - before / after)[rows.actual] + (1 - slope - after / before)[rows.reference]
    squared_error = variance(pull - pull.mean(), clusters)[0]
    n = len(reference)
    return Psi(value, *_paired_bounds(value, by_chance / n**2, squared_error / n**2, confidence), table)


def _paired_bounds(value: float, by_chance: float, squared_error: float, confidence: float) -> tuple[float, float]:
    if not math.isfinite(squared_error):
        return 0.0, math.inf
    if not value or not squared_error:
        return value, value
    size = 4 * value / squared_error
    return _bounds(value, size, size * by_chance, confidence)


def _bounds(value: float, size: float, freedom: float, confidence: float) -> tuple[float, float]:
    lower, upper = (_noncentrality(value * size, freedom, 0.5 + side * confidence / 2) / size for side in (1, -1))
    return lower, max(upper, value)


def _noncentrality(statistic: float, freedom: float, level: float) -> float:
    """The noncentrality under which the statistic is its distribution's `level` quantile, or 0."""
    if special.chdtr(freedom, statistic) <= level:
        return 0.0
    return float(special.chndtrinc(statistic, freedom, level))


def _quantiles(reference: NDArray[Any], actual: NDArray[Any], bins: int) -> _BinOfRows:
    before, after = (values.astype(float) for values in (reference, actual))
    cuts = _cuts(before[~np.isnan(before)], bins)
    edges = np.array([value if closed else np.nextafter(value, -np.inf) for value, closed in cuts])
    labels = [_span(low, high) for low, high in zip([None, *cuts], [*cuts, None], strict=True)]
    old, new = (np.where(np.isnan(v), len(labels), np.searchsorted(edges, v)) for v in (before, after))
    return _BinOfRows([*labels, "missing"], old, new)


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
