"""What a metric would have been on other samples of the same rows.

Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 6 and 13 (percentile interval).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from titleholder.spec.criteria import Judgement
from titleholder.validation.metrics.inputs import Array, Labels, Rows, cluster_codes
from titleholder.validation.metrics.weighted import prepare

Often = NDArray[np.int16]
"""How often each row came up. In n draws from n rows none comes up 2**15 times: the odds are below 1 in (2**15)!."""
BATCH = 2**18
"""Bytes of counts that are evaluated at once, so that they stay in the processor's cache; at least one resample."""
BLOCK = 256
"""Rows that one random byte can choose from."""
FEW = 8192
"""Rows up to which it is quicker to draw for many resamples at once."""


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
    """Differences metric(a) - metric(b) over resampled rows, the same rows for both; shape (resamples,).

    See `resample`, whose arguments these are.
    """
    first, second = resample(
        name, y, [a, b], resamples=resamples, seed=seed, stratify=stratify, judgement=judgement, weights=weights,
        clusters=clusters,
    )  # fmt: skip
    return np.asarray(first - second)


def resample(
    name: str,
    y: Array,
    scores: Sequence[Array],
    *,
    resamples: int,
    seed: int,
    stratify: bool,
    judgement: Judgement | None = None,
    weights: Array | None = None,
    clusters: Labels | None = None,
) -> Array:
    """Each model's metric over resampled rows, the same rows for all; shape (models, resamples).

    Args:
        name: of the metric.
        y: outcomes, shape (n,).
        scores: of each model, each of shape (n,).
        resamples: how many.
        seed: equal seeds give equal draws, whatever the scores and however many are evaluated at once.
        stratify: resample each class by itself, so that no resample lacks one.
        judgement: what the metric needs of it.
        weights: sample weights, shape (n,); a row drawn twice counts twice its weight.
        clusters: which rows belong together, shape (n,). Whole clusters are resampled then, not stratified; where a
            resample lacks a class that the metric cannot do without, its draw is NaN.
    """
    order = np.argsort(y, kind="stable") if stratify else np.arange(len(y))
    sizes = np.unique(y, return_counts=True)[1] if stratify else np.array([len(y)])
    together = None if clusters is None else cluster_codes(clusters)[order]
    own = None if weights is None else weights[order]
    statistics = [prepare(name, y, p, judgement, order) for p in scores]
    found, done = np.empty((len(scores), resamples)), 0
    for counts in _batches(seed, resamples, sizes, together):
        drawn = counts if own is None else counts * own
        for model, statistic in enumerate(statistics):
            found[model, done : done + len(counts)] = statistic(drawn)
        done += len(counts)
    return found


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
    falls = int(totals[:blocks].sum())
    inside = rng.integers(0, 2**64, -(-falls // 8), dtype=np.uint64).view(np.uint8)[:falls]
    places = np.repeat(starts[:blocks], totals[:blocks]) + inside
    counts[: rows - rest] = np.bincount(places, minlength=rows - rest)
    if rest:
        counts[-rest:] = np.bincount(rng.integers(0, rest, totals[-1]), minlength=rest)
