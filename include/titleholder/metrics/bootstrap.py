"""The bootstrap: what a statistic would have been on other samples of the same rows.

Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 13 (percentile interval).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from titleholder.judgement import Judgement
from titleholder.metrics.inputs import Array, Labels
from titleholder.metrics.statistics import Statistic, prepare


def paired_bootstrap(
    name: str,
    y: Array,
    a: Array,
    b: Array,
    *,
    resamples: int,
    seed: int,
    stratify: bool,
    judgement: Judgement | None = None,
    weights: Array | None = None,
    clusters: Labels | None = None,
) -> Array:
    """Differences metric(a) - metric(b) over resampled rows, the same rows for both; shape (resamples,)."""
    statistics = [prepare(name, y, p, judgement) for p in (a, b)]
    first, second = draw(
        statistics, y, resamples=resamples, seed=seed, stratify=stratify, weights=weights, clusters=clusters
    )
    return np.asarray(first - second)


def draw(
    statistics: Sequence[Statistic],
    y: Array,
    *,
    resamples: int,
    seed: int,
    stratify: bool,
    weights: Array | None = None,
    clusters: Labels | None = None,
) -> Array:
    """Each statistic on the same resamples; shape (len(statistics), resamples)."""
    rng = np.random.default_rng(seed)
    found = np.empty((len(statistics), resamples))
    codes = np.unique(clusters, return_inverse=True)[1] if clusters is not None else None
    strata = [np.flatnonzero(y == c) for c in np.unique(y)] if stratify and codes is None else [np.arange(len(y))]
    for r in range(resamples):
        counts = np.zeros(len(y))
        if codes is not None:
            groups = int(codes.max()) + 1
            counts = np.bincount(rng.integers(0, groups, groups), minlength=groups)[codes].astype(np.float64)
        else:
            for s in strata:
                counts[s] = np.bincount(rng.integers(0, len(s), len(s)), minlength=len(s))
        drawn = (counts if weights is None else counts * weights)[None, :]
        found[:, r] = [statistic(drawn)[0] for statistic in statistics]
    return found
