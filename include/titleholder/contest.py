"""A challenger and a champion scored on the same rows, which neither has seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from titleholder import ledger, snapshots, training, windows
from titleholder.errors import DataError
from titleholder.ledger import Decision
from titleholder.metrics import Array
from titleholder.references import Challenger, Reference
from titleholder.registry import Registry
from titleholder.spec import ModelSpec
from titleholder.verdict import Reign, Verdict, judge


class Contest(Reference):
    """What is needed to judge a challenger, now or again later: no training, only predictions."""

    spec: ModelSpec
    version: int
    uri: str
    sha256: str
    spans: windows.Intervals

    @classmethod
    def of(cls, challenger: Challenger, spec: ModelSpec) -> Self:
        """The contest of a challenger that a run has just nominated."""
        taken = challenger.snapshot
        return cls(spec=spec, version=challenger.version, uri=taken.uri, sha256=taken.sha256, spans=taken.spans)

    @classmethod
    def again(cls, row: Decision) -> Self:
        """The contest behind a decision, under the spec of that time."""
        if row.challenger_version is None:
            raise DataError(f"decision {row.id} has no challenger to judge anew")
        return cls(
            spec=ModelSpec.restore(row.spec),
            version=row.challenger_version,
            uri=row.snapshot_uri,
            sha256=row.snapshot_sha256,
            spans=row.spans,
        )


class Scored(BaseModel):
    """Outcomes and both models' scores on the rows that neither has seen."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    spec: ModelSpec
    y: Array
    challenger: Array
    champion: Array | None
    reign: Reign | None
    holdout: tuple[date, date]
    note: str

    def judge(self) -> Verdict:
        """The verdict on these scores."""
        return judge(
            self.spec,
            y=self.y,
            challenger=self.challenger,
            champion=self.champion,
            reign=self.reign,
            holdout=self.holdout,
            note=self.note,
        )


def score(contest: Contest, reign: Reign | None, rows: Sequence[Decision], registry: Registry) -> Scored:
    """Both models' scores on the holdout rows that came after both models' training rows.

    `rows` are the lane's: they know the spec, and so the columns, with which the champion was trained.
    """
    spec, time = contest.spec, contest.spec.columns.event_time
    frame = snapshots.part(snapshots.frame(contest.uri, contest.sha256), contest.spans, time, "holdout")
    start, note = contest.spans.holdout_start, ""
    if reign and reign.trained_through > start:
        start = min(reign.trained_through, contest.spans.matured)
        frame = frame[frame[time] >= windows.midnight(start)].reset_index(drop=True)
        note = f"The champion was trained on rows before {reign.trained_through}: only later rows are judged."
    champion = None
    if reign:
        crowned = ledger.row_of(rows, reign.version)
        champion = _predict(reign.version, ModelSpec.restore(crowned.spec) if crowned else spec, frame, registry)
    return Scored(
        spec=spec,
        y=frame[spec.columns.target].to_numpy(dtype="float64"),
        challenger=_predict(contest.version, spec, frame, registry),
        champion=champion,
        reign=reign,
        holdout=(start, contest.spans.matured),
        note=note,
    )


def _predict(version: int, spec: ModelSpec, frame: pd.DataFrame, registry: Registry) -> Array:
    if missing := [c for c in spec.columns.features if c not in frame]:
        raise DataError(
            f"{spec.name}: version {version} needs columns that the query no longer returns: {', '.join(missing)}. "
            "Keep them in the query (and in the spec, as segments) until that version no longer reigns."
        )
    if frame.empty:
        return np.empty(0)
    return training.score(registry.load(spec.name, version), training.design_matrix(frame, spec), spec)
