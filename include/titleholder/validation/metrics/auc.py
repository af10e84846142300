"""Areas under the ROC curve of models on the same rows, and how they vary together."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titleholder.validation.metrics.inputs import Array, Labels, Sample, cluster_codes, units

Mask = NDArray[np.bool_]


class Contrast(NamedTuple):
    """A signed sum of areas, its standard error, and the degrees of freedom of Student's t for it.

    >>> contrast(Sample(np.array([0.0, 0.0, 1.0])), np.array([[0.1, 0.3, 0.2]]), np.array([1.0]))
    Contrast(estimate=0.5, error=inf, freedom=1.0)
    """

    estimate: float
    error: float
    freedom: float


def delong(
    y: Array, scores: Array, weights: Array | None = None, clusters: Labels | None = None
) -> tuple[Array, Array]:
    """Areas under the ROC curve and their covariance, in O(n log n): one sort for each model.

    Args:
        y: outcomes 0 or 1, shape (n,); where one is missing, the areas are NaN.
        scores: one row per model, shape (k, n).
        weights: sample weights, shape (n,): placement values are weighted shares then, and the variance is that of the
            ratio estimator (linearised), which for equal weights is DeLong's.
        clusters: which rows belong together, shape (n,); the variance is that of sums over clusters then, which for
            clusters of one row is DeLong's.

    Returns:
        areas of shape (k,) and covariance of shape (k, k), the latter infinite where it cannot be known: with fewer
        than two rows, or clusters with any, of a class.

    Source: DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves, Biometrics 44(3), by way of Sun & Xu (2014), Fast implementation of DeLong's algorithm, IEEE
    Signal Processing Letters 21(11). Clusters: Obuchowski (1997), Nonparametric analysis of clustered ROC curve data,
    Biometrics 53(2).
    """
    areas, influence = _areas(y == 1, scores, weights)
    return areas, np.asarray(np.sum(_covariances(y == 1, influence, clusters), axis=0))


def contrast(sample: Sample, scores: Array, signs: Array) -> Contrast:
    """The sum of the models' areas, each times its sign, with the error that follows from `delong`'s covariance.

    Args:
        sample: outcomes 0 or 1 of n rows, their weights and clusters.
        scores: one row per model, shape (k, n).
        signs: shape (k,): `[1]` for one area, `[1, -1]` for the difference of two.

    Returns:
        An infinite error where the covariance is infinite. The degrees of freedom are always finite and at least 1.
        With clusters they are those of the class in fewer clusters, less one; a simple and careful choice.

    Source: Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics Bulletin
    2(6), for the sum of the two classes' variances. Weighted rows count for their effective number.
    """
    event = sample.y == 1
    areas, influence = _areas(event, scores, sample.weights)
    parts = [float(part[0, 0]) for part in _covariances(event, (signs @ influence)[None], sample.clusters)]
    variance, freedoms = math.fsum(parts), [max(units(sample, rows) - 1.0, 1.0) for rows in (event, ~event)]
    freedom, weighed = min(freedoms), sum(v**2 / n for v, n in zip(parts[:2], freedoms, strict=True))
    if sample.clusters is None and 0 < weighed < math.inf:
        freedom = variance**2 / weighed
    return Contrast(float(signs @ areas), math.sqrt(max(variance, 0.0)), freedom)


def _areas(event: Mask, scores: Array, weights: Array | None) -> tuple[Array, Array]:
    """The models' areas, shape (k,), and by how much each row moved them, shape (k, n)."""
    placed = [_placed(event, p, weights) for p in scores]
    return np.array([area for area, _ in placed]), np.stack([of_row for _, of_row in placed])


def _placed(event: Mask, p: Array, weights: Array | None) -> tuple[float, Array]:
    """One model's area, and by how much each row moved it, shape (n,): its weight in its class times how far its
    placement, the share of the other class that it is ranked right against, is from the area."""
    order = np.argsort(p)
    own, ties = event[order], _ties(p[order])
    events, others = (mask.astype(np.float64) if weights is None else mask * weights[order] for mask in (own, ~own))
    all_events, all_others = events.sum(), others.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        placement = np.where(own, _passed(others, ties) / all_others, 1.0 - _passed(events, ties) / all_events)
        area = events @ placement / all_events
        placement -= area
        placement /= np.where(own, all_events, all_others)
    influence = np.empty(len(p))
    influence[order] = placement
    return float(area), influence if weights is None else influence * weights


def _ties(ordered: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """For each of the sorted values the first and the last place that hold the same one; None when none are equal."""
    fresh = ordered[1:] != ordered[:-1]
    if fresh.all():
        return None
    starts = np.append(0, np.flatnonzero(fresh) + 1)
    lengths = np.diff(starts, append=len(ordered))
    return np.repeat(starts, lengths), np.repeat(starts + lengths - 1, lengths)


def _passed(values: Array, ties: tuple[NDArray[np.intp], NDArray[np.intp]] | None) -> Array:
    """The sum of the other class's `values` that rank lower, and half of those in the same place; shape (n,)."""
    passed = np.cumsum(values)
    if ties is None:
        return passed
    first, last = ties
    return np.asarray((passed[last] + passed[first] - values[first]) / 2)


def _covariances(event: Mask, influence: Array, clusters: Labels | None) -> list[Array]:
    """Parts of the covariance, each of shape (k, k): of the events, of the other rows, and between them by clusters."""
    masks = [event, ~event]
    parts, groups = [influence * mask for mask in masks], 0
    counts = [int(mask.sum()) for mask in masks]
    if clusters is not None:
        codes = cluster_codes(clusters)
        groups = int(codes.max()) + 1
        counts = [len(np.unique(codes[mask])) for mask in masks]
        parts = [np.stack([np.bincount(codes, weights=row, minlength=groups) for row in part]) for part in parts]
    if min(counts) < 2:
        return [np.full((len(influence), len(influence)), np.inf)] * 3
    own = [n / (n - 1) * (part @ part.T) for n, part in zip(counts, parts, strict=True)]
    between = parts[0] @ parts[1].T * (groups / (groups - 1)) if groups else np.zeros_like(own[0])
    return [*own, between + between.T]
