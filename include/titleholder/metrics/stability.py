"""Whether a column or a score is still distributed as it was."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from titleholder.metrics.inputs import Array


class Psi(NamedTuple):
    """The population stability index with an interval, and the shares it is made of."""

    value: float
    lower: float
    upper: float
    table: list[tuple[str, float, float]]
    """Each bin's label, share of the reference and share of the actual rows."""


def psi(reference: NDArray[Any], actual: NDArray[Any], *, bins: int, confidence: float) -> Psi:
    """How far `actual` has moved from `reference`."""
    if reference.dtype.kind in "OUS" or actual.dtype.kind in "OUS":
        labels, r, a = _categories(reference, actual)
    else:
        labels, r, a = _quantiles(reference.astype(np.float64), actual.astype(np.float64), bins)
    n, m, k = r.sum(), a.sum(), len(r)
    rs, as_ = (r + 0.5) / (n + 0.5 * k), (a + 0.5) / (m + 0.5 * k)
    value = float(((as_ - rs) * np.log(as_ / rs)).sum())
    table = list(zip(labels, (r / max(n, 1)).tolist(), (a / max(m, 1)).tolist(), strict=True))
    if k < 2 or not n or not m:
        return Psi(value, 0.0, 0.0 if n and m else np.inf, table)
    size, tail = n * m / (n + m), 0.5 - confidence / 2
    return Psi(value, _invert(value * size, k - 1, 1 - tail) / size, _invert(value * size, k - 1, tail) / size, table)


def _invert(x: float, df: int, level: float) -> float:
    def excess(nc: float) -> float:
        return float(stats.ncx2.cdf(x, df, nc) if nc else stats.chi2.cdf(x, df)) - level

    if excess(0.0) <= 0:
        return 0.0
    high = x + 10.0
    while excess(high) > 0:
        high *= 2
    return float(optimize.brentq(excess, 0.0, high))


def _quantiles(reference: Array, actual: Array, bins: int) -> tuple[list[str], Array, Array]:
    known = reference[~np.isnan(reference)]
    edges = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf")) if len(known) else np.empty(0)
    counts = []
    for values in (reference, actual):
        seen = values[~np.isnan(values)]
        place = np.searchsorted(edges, seen, side="left")
        counts.append(np.append(np.bincount(place, minlength=len(edges) + 1), len(values) - len(seen)).astype(float))
    cuts = [f"{e:.6g}" for e in edges]
    labels = ["all"] if not cuts else [f"<= {cuts[0]}", *(f"{a} to {b}" for a, b in zip(cuts, cuts[1:])), f"> {cuts[-1]}"]
    labels.append("missing")
    if not counts[0][-1] + counts[1][-1]:
        labels, counts = labels[:-1], [c[:-1] for c in counts]
    return labels, counts[0], counts[1]


def _categories(reference: NDArray[Any], actual: NDArray[Any]) -> tuple[list[str], Array, Array]:
    old, new = (pd.Series(v, dtype=object) for v in (reference, actual))
    names = sorted(old.dropna().astype(str).unique())
    rows = []
    for s in (old, new):
        text = s.dropna().astype(str)
        by_name = text.value_counts().reindex(names, fill_value=0).to_numpy(dtype=float)
        rows.append(np.append(by_name, [len(text) - by_name.sum(), len(s) - len(text)]))
    labels = np.array([*names, "unseen", "missing"])
    kept = (rows[0] + rows[1]) > 0
    return labels[kept].tolist(), rows[0][kept], rows[1][kept]
