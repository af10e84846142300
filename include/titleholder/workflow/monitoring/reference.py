"""What the rows of a reign are compared with: the rows that its champion was judged on."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleholder.data import features, snapshots
from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.scores import Array
from titleholder.ledger.decision import Decision
from titleholder.spec.model import ModelSpec
from titleholder.validation.monitoring.estimated import Recalibration, recalibration
from titleholder.validation.monitoring.look import ReferenceFeature
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.trained_versions import TrainedVersion

MOST = 100_000
"""So many of the judged rows, drawn at random, are the reference."""
SCORE = "score"


class Reference(NamedTuple):
    """The champion's features and its score on the rows [start, end) that it was judged on, which it had not seen.

    With `windows.refit` the scores are those of the twin, which was judged. `calibration` is of its scores and those
    rows' outcomes; None where they are of one kind, or no classes.
    """

    features: tuple[ReferenceFeature, ...]
    """The score is the last one."""
    rows: int
    start: date
    end: date
    calibration: Recalibration | None


def reference_of(decision: Decision, trained: TrainedVersion, scorer: Scorer) -> Reference:
    """The reference of the version that this decision is about; of equal rows the same again.

    Raises:
        DataError: when the snapshot is gone, or was changed.
    """
    spec, spans = trained.spec, decision.windows
    time = spec.columns.event_time
    rng = np.random.default_rng([spec.training.seed, decision.id])
    with snapshots.opened(decision.snapshot_uri, decision.snapshot_sha256) as extract:
        at = extract.positions(time, spans.holdout_start, spans.matured)
        at = np.sort(rng.choice(at, MOST, replace=False)) if len(at) > MOST else at
        rows = LazyFrame(extract, at)
        frame, scores = rows.read(extract.columns), scorer.scores(trained, rows)
        known = _categories(extract, spec)
    matrix = features.design_matrix(frame, spec)
    found = [
        ReferenceFeature.of(
            name,
            "categorical" if name in spec.columns.categorical else "numeric",
            matrix[name].to_numpy(),
            rng,
            known.get(name, frozenset()),
        )
        for name in spec.columns.features
    ]
    found.append(ReferenceFeature.of(SCORE, "score", scores, rng))
    return Reference(tuple(found), len(frame), spans.holdout_start, spans.matured, _calibration(frame, scores, spec))


def _categories(extract: snapshots.Extract, spec: ModelSpec) -> dict[str, frozenset[str]]:
    """Of each category every text that any row of the snapshot has."""
    found: dict[str, set[str]] = defaultdict(set)
    names = list(spec.columns.categorical)
    for frame in extract.batches(names) if names else ():
        for name in names:
            found[name] |= set(features.as_text(frame[name]).dropna().unique())
    return {name: frozenset(texts) for name, texts in found.items()}


def _calibration(frame: pd.DataFrame, scores: Array, spec: ModelSpec) -> Recalibration | None:
    kept = features.accepted(frame, spec)
    y = features.target(frame[kept], spec)
    return recalibration(y, scores[kept]) if spec.task == "classification" and len(np.unique(y)) == 2 else None
