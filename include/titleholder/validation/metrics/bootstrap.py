"""Metrics on resampled rows: the paired bootstrap, for any metric, with weights, strata and clusters.

Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 6 and 13 (percentile interval).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from titleholder.validation.metrics.inputs import Array, Estimation, Rows, Sample, cluster_codes
from titleholder.validation.metrics.weighted import prepare

Often = NDArray[np.int16]
"""How often each row came up. In n draws from n rows none comes up 2**15 times: the odds are below 1 in (2**15)!."""
BATCH = 2**18
"""Bytes of counts that are evaluated at once, so that they stay in the processor's cache; at least one resample."""
BLOCK = 256
"""Rows that one random byte can choose from."""
FEW = 8192
"""Rows up to which it is quicker to draw for many resamples at once."""


def resample(name: str, sample: Sample, scores: Sequence[Array], how: Estimation, *, stratify: bool) -> Array:
    """Each model's metric over resampled rows, the same rows for all; shape (models, resamples).

    Args:
        name: of the metric.
        sample: the n rows. A row drawn twice counts twice its weight. Of clusters whole ones are resampled; where a
            resample lacks a class that the metric cannot do without, its draw is NaN.
        scores: of each model, each of shape (n,).
        how: the number of resamples and the seed. Equal seeds give equal draws, whatever the scores and however many
            are evaluated at once.
        stratify: resample each class by itself, so that no resample lacks one. Clusters are not stratified.
    """
    y, clusters = sample.y, sample.clusters
    order = np.argsort(y, kind="stable") if stratify else np.arange(len(y))
    sizes = np.unique(y, return_counts=True)[1] if stratify else np.array([len(y)])
    together = None if clusters is None else cluster_codes(clusters)[order]
    weights = None if sample.weights is None else sample.weights[order]
    statistics = [prepare(name, y, p, how.judgement, order) for p in scores]
    values, done = np.empty((len(scores), how.resamples)), 0
    for counts in _batches(how.seed, how.resamples, sizes, together):
        drawn = counts if weights is None else counts * weights
        for model, statistic in enumerate(statistics):
            values[model, done : done + len(counts)] = statistic(drawn)
        done += len(counts)
    return values


def _batches(seed: int, resamples: int, sizes: NDArray[np.intp], clusters: Rows | None) -> Iterator[Often]:
    """How often each row comes up, shape (B, rows), until all resamples are drawn; the array is used again.

    Each stratum has a stream of random numbers of its own, so that it does not matter where a batch ends.
    """
    rows = int(sizes.sum())
    if clusters is not None:
        sizes = np.array([clusters.max() + 1])
    streams = np.random.default_rng(seed).spawn(len(sizes))
    batch = max(1, min(resamples, BATCH // (2 * rows)))
    drawn = np.empty((batch, int(sizes.sum())), dtype=np.int16)
    counts = drawn if clusters is None else np.empty((batch, rows), dtype=np.int16)
    for start in range(0, resamples, batch):
        part = slice(0, min(batch, resamples - start))
        for stream, stratum in zip(streams, np.split(drawn[part], np.cumsum(sizes)[:-1], axis=1), strict=True):
            draw(stream, stratum)
        if clusters is not None:
            np.take(drawn[part], clusters, axis=1, out=counts[part])
        yield counts[part]


def draw(rng: np.random.Generator, counts: Often) -> None:
    """Fill in how often each row comes up in as many draws with replacement, for B resamples; shape (B, rows)."""
    resamples, rows = counts.shape
    if rows <= FEW:
        places = rng.integers(0, rows, (resamples, rows)) + np.arange(resamples)[:, None] * rows
        counts[:] = np.bincount(places.ravel(), minlength=counts.size).reshape(counts.shape)
        return
    for resample in counts:
        _draw_by_blocks(rng, resample)


def _draw_by_blocks(rng: np.random.Generator, counts: Often) -> None:
    """The same for one resample of many rows, shape (rows,), in half the time.

    First how many draws fall into each block of 256 rows, which is multinomial; then each draw's place in its block, a
    random byte. Together that is the same multinomial as a random row for each draw.
    """
    rows = len(counts)
    blocks, rest = divmod(rows, BLOCK)
    starts = np.arange(0, rows, BLOCK)
    totals = rng.multinomial(rows, np.minimum(rows - starts, BLOCK) / rows)
    inside_blocks = int(totals[:blocks].sum())
    inside = rng.integers(0, 2**64, -(-inside_blocks // 8), dtype=np.uint64).view(np.uint8)[:inside_blocks]
    places = np.repeat(starts[:blocks], totals[:blocks]) + inside
    counts[: rows - rest] = np.bincount(places, minlength=rows - rest)
    if rest:
        counts[-rest:] = np.bincount(rng.integers(0, rest, totals[-1]), minlength=rest)
