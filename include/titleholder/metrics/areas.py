"""Areas under the ROC curve of models on the same rows, and how they vary together."""

from __future__ import annotations

import numpy as np

from titleholder.metrics.inputs import Array, Labels


def delong(y: Array, scores: Array, weights: Array | None = None, clusters: Labels | None = None) -> tuple[Array, Array]:
    """Areas under the ROC curve and their covariance.

    Args:
        y: outcomes 0 or 1, shape (n,), both present.
        scores: one row per model, shape (k, n).
        weights: sample weights, shape (n,).
        clusters: which rows belong together, shape (n,).

    Returns:
        areas of shape (k,) and covariance of shape (k, k), infinite where it cannot be known.
    """
    w = np.ones(len(y)) if weights is None else weights
    event = y == 1
    areas, influence = np.empty(len(scores)), np.empty((len(scores), len(y)))
    for k, p in enumerate(scores):
        areas[k], influence[k] = _placed(event, p, w)
    return areas, _covariance(event, influence, clusters)


def _placed(event: np.ndarray, p: Array, w: Array) -> tuple[float, Array]:
    order = np.argsort(p, kind="stable")
    sorted_p, sorted_w, sorted_event = p[order], w[order], event[order]
    starts = np.flatnonzero(np.append(True, sorted_p[1:] != sorted_p[:-1]))
    group = np.cumsum(np.append(False, sorted_p[1:] != sorted_p[:-1]))
    in_event = np.add.reduceat(sorted_w * sorted_event, starts)
    in_other = np.add.reduceat(sorted_w * ~sorted_event, starts)
    total_event, total_other = in_event.sum(), in_other.sum()
    below = (np.cumsum(in_other) - in_other / 2) / total_other
    above = 1 - (np.cumsum(in_event) - in_event / 2) / total_event
    area = float((in_event * below).sum() / total_event)
    influence = np.empty(len(p))
    value = np.where(sorted_event, below[group], above[group]) - area
    influence[order] = sorted_w * value / np.where(sorted_event, total_event, total_other)
    return area, influence


def _covariance(event: np.ndarray, influence: Array, clusters: Labels | None) -> Array:
    parts = [influence * event, influence * ~event]
    if clusters is not None:
        _, codes = np.unique(clusters, return_inverse=True)
        sizes = [np.bincount(codes, weights=mask) for mask in (event, ~event)]
        parts = [np.stack([np.bincount(codes, weights=row) for row in part]) for part in parts]
        counts = [int((size > 0).sum()) for size in sizes]
        everything = len(sizes[0])
    else:
        counts, everything = [int(event.sum()), int((~event).sum())], len(event)
    if min(*counts, everything) < 2:
        return np.full((len(influence), len(influence)), np.inf)
    own = sum(n / (n - 1) * part @ part.T for n, part in zip(counts, parts, strict=True))
    if clusters is None:
        return np.asarray(own)
    cross = parts[0] @ parts[1].T
    return np.asarray(own + everything / (everything - 1) * (cross + cross.T))
