"""Features of columns declared `on_trust` that alone predict the outcome so well that they look overwritten."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from titleholder.data import features
from titleholder.spec.model import ModelSpec
from titleholder.spec.select_list import names_read
from titleholder.spec.source import TableHistory
from titleholder.validation.checks.feature_strength import FeatureStrength, KnownOutcomes
from titleholder.validation.checks.groups import adjusted_confidence
from titleholder.validation.metrics import Sample


class StrongFeatures(NamedTuple):
    """Features of columns declared `on_trust` with their metric alone, the strongest first; the best other feature."""

    metric: str
    features: dict[str, float]
    tested: tuple[str, float] | None

    def __str__(self) -> str:
        """What to look at, for people."""
        found = ", ".join(f"{name} {value:.2f}" for name, value in self.features.items())
        tested = (
            f" (the best feature that is not declared on_trust: {self.tested[0]}, {self.tested[1]:.2f})"
            if self.tested
            else ""
        )
        return (
            "Declared on_trust, but alone it predicts the outcome so well that it may have been overwritten after the "
            f"event: {self.metric} of {found}{tested}. Check in two copies of the table whether the values of one "
            "event change later. Name what is overwritten in `changes` instead of `on_trust`, and leave it out of the "
            f"features; where it is honest, raise judgement.checks.single_feature.{self.metric}."
        )


def trusted_features(spec: ModelSpec) -> list[str]:
    """The features that read a column declared `on_trust`, as far as the query's text shows it."""
    columns = {name for h in spec.source.tables.values() if isinstance(h, TableHistory) for name in h.on_trust}
    for key in (spec.columns.entity, spec.columns.event_time):
        columns -= names_read(spec.sql, key) | {key}
    return [f for f in spec.columns.features if columns & (names_read(spec.sql, f) | {f})]


def strong_features(spec: ModelSpec, frame: pd.DataFrame) -> StrongFeatures | None:
    """The features of columns declared `on_trust` that alone predict the newer half of the rows too well, or None.

    Too well is `single_feature` of the checks, and `plausible.rise_*` more than the best tested feature; the lower
    bound, adjusted for the number of features, must be at most so much less. The mean outcome of a category is that of
    the older half. `frame` has the rows of one as-of date.
    """
    trusted = trusted_features(spec)
    rows = frame[features.accepted(frame, spec)]
    older = (rows[spec.columns.event_time] <= rows[spec.columns.event_time].median()).to_numpy()
    halves = [
        KnownOutcomes(features.design_matrix(half, spec).__getitem__, _sample(half, spec))
        for half in (rows[older], rows[~older])
    ]
    if not trusted or not all(len(half.sample.y) and np.ptp(half.sample.y) > 0 for half in halves):
        return None
    strength = FeatureStrength(spec, halves[1], halves[0])
    values, checks, metric = strength.values(), spec.judgement.checks, strength.metric
    tested = next(((name, value) for name, value in values.items() if name not in trusted), None)
    rise = getattr(checks.plausible, f"rise_{metric}")
    limit = max(getattr(checks.single_feature, metric), tested[1] + rise if tested else 0.0)
    confidence = adjusted_confidence(spec.judgement.confidence, len(trusted))
    found = {
        name: value
        for name, value in values.items()
        if name in trusted and value >= limit and strength.interval(name, confidence).lower >= limit - rise
    }
    return StrongFeatures(metric, found, tested) if found else None


def _sample(rows: pd.DataFrame, spec: ModelSpec) -> Sample:
    return Sample(features.target(rows, spec), features.weights(rows, spec))
