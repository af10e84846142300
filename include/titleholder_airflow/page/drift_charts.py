"""Drift by feature as small multiples: the stability index of a reign's looks, and the newest distribution (pure)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from titleholder.ledger.monitor_history import DriftLook
from titleholder.validation.monitoring.report import Drift, FeatureLook
from titleholder_airflow.page.axes import scale

WIDTH, HEIGHT = 240.0, 132.0
LEFT, RIGHT, TOP, MIDDLE, GAP = 4.0, 4.0, 16.0, 66.0, 12.0
"""Above `MIDDLE` is the index by look, below the distribution."""
SHOWN, MOST = 10, 200
"""Features that are shown at once, and with those in a fold."""
BINS = 40
"""A feature with more bins has no distribution drawn."""


class BinBars(NamedTuple):
    """A bin: its name, the shares of reference and look, and the left edges, width and tops of their bars."""

    name: str
    reference: float
    now: float
    x: float
    width: float
    reference_y: float
    now_y: float


class Multiple(NamedTuple):
    """A feature's small chart."""

    feature: FeatureLook
    psi: float | None
    points: str
    """The index by look as a polyline, the newest one last."""
    last: tuple[float, float] | None
    limit: float | None
    """The height of the smallest index that may be an alarm; None where it is beyond the chart or not known."""
    bars: list[BinBars]


def multiples(drift: Drift, earlier: Sequence[DriftLook], spec: Mapping[str, Any]) -> list[Multiple]:
    """A chart for each feature and the score, the changed ones first, then by size; all have the same scale.

    Args:
        drift: of the newest look.
        earlier: the looks of the reign, the newest one too, the oldest first.
        spec: the section `monitor`, whose `minimum_psi` is the limit.
    """
    found = sorted(drift.features, key=lambda f: (not f.drifted, -(finite(f.psi.estimate) or 0.0)))[:MOST]
    least = spec.get("minimum_psi")
    limit = finite(least) if isinstance(least, int | float) else None
    by_name = {f.name: [look.psi.get(f.name) for look in earlier] or [finite(f.psi.estimate)] for f in found}
    known = [psi for values in by_name.values() for psi in values if psi is not None]
    top = max([*known, 1.5 * limit if limit is not None else 0.0, 1e-3])
    y = scale(0.0, top, MIDDLE, TOP)
    return [_multiple(f, by_name[f.name], y, y(limit) if limit is not None else None) for f in found]


def _multiple(feature: FeatureLook, values: Sequence[float | None], y: Any, limit: float | None) -> Multiple:
    x = scale(0.0, max(1, len(values) - 1), LEFT, WIDTH - RIGHT - 4)
    if len(values) == 1:
        x = scale(0.0, 0.0, LEFT, WIDTH - RIGHT)
    points = [(x(n), y(max(0.0, value))) for n, value in enumerate(values) if value is not None]
    return Multiple(
        feature,
        finite(feature.psi.estimate),
        " ".join(f"{a:.1f},{b:.1f}" for a, b in points),
        points[-1] if points else None,
        limit,
        _bars(feature),
    )


def _bars(feature: FeatureLook) -> list[BinBars]:
    """Shares by bin; none where the counts are no shares of anything."""
    labels, reference, counts = feature.bins.labels, feature.reference, feature.counts
    totals = (sum(reference), sum(counts))
    if not len(labels) == len(reference) == len(counts) <= BINS or min((*totals, *reference, *counts, 1)) < 0:
        return []
    shares = [
        [n / total if total else 0.0 for n in part] for part, total in zip((reference, counts), totals, strict=True)
    ]
    y = scale(0.0, max([*shares[0], *shares[1], 1e-9]), HEIGHT - 2, MIDDLE + GAP)
    step = (WIDTH - LEFT - RIGHT) / len(labels)
    width = round(step * 0.4, 2)
    return [
        BinBars(name, was, now, round(LEFT + n * step + step * 0.1, 2), width, y(was), y(now))
        for n, (name, was, now) in enumerate(zip(labels, *shares, strict=True))
    ]


def finite(value: float | None) -> float | None:
    """The number, None for one that cannot be drawn."""
    return value if value is not None and math.isfinite(value) and abs(value) < 1e15 else None
