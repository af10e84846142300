"""A challenger and a champion on the same rows, which neither has seen: everything that a verdict rests on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from titleholder.data import features, snapshots
from titleholder.errors import ColumnsError
from titleholder.ledger import reigns
from titleholder.ledger.decision import Decision
from titleholder.registry.models import Registry
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline
from titleholder.validation.evidence import Evidence, TrainingSample
from titleholder.validation.metrics import Array
from titleholder.validation.verdict import Reign, Verdict, judge
from titleholder.workflow.payloads import Challenger, Reference

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SEEN_ROWS = 20_000
"""At most so many of the training rows are scored again, spread evenly over them."""
RECORDED_ROWS = 50
"""The scores of so many training rows are recorded when a model is trained, and compared when it is read back."""
SCORES_TAG = "titleholder.scores"


class Contest(Reference):
    """What is needed to judge a challenger, now or again later: no training, only predictions."""

    spec: ModelSpec
    as_of: date
    version: int
    candidate: str
    uri: str
    sha256: str
    spans: windows.Intervals

    @classmethod
    def of(cls, challenger: Challenger, spec: ModelSpec) -> Self:
        """The contest of a challenger that a run has just nominated."""
        taken = challenger.snapshot
        return cls(
            spec=spec,
            as_of=taken.as_of,
            version=challenger.version,
            candidate=challenger.name,
            uri=taken.uri,
            sha256=taken.sha256,
            spans=taken.spans,
        )

    @classmethod
    def again(cls, row: Decision) -> Self:
        """The contest behind a decision, under the spec of that time."""
        return cls(
            spec=ModelSpec.restore(row.spec),
            as_of=row.as_of,
            version=row.challenger,
            candidate=row.judged.candidate,
            uri=row.snapshot_uri,
            sha256=row.snapshot_sha256,
            spans=row.windows,
        )


class Case(BaseModel):
    """A contest with both models' scores, ready to be judged or drawn."""

    model_config = ConfigDict(frozen=True)

    as_of: date
    evidence: Evidence
    reign: Reign | None
    holdout: tuple[date, date]
    note: str

    def judge(self) -> Verdict:
        """The verdict on this evidence."""
        return judge(self.evidence, as_of=self.as_of, reign=self.reign, holdout=self.holdout, note=self.note)

    def under(self, spec: ModelSpec, reign: Reign | None) -> Case:
        """The same rows and scores under another judgement, or with other looks of the same champion's reign."""
        return self.model_copy(update={"evidence": self.evidence.model_copy(update={"spec": spec}), "reign": reign})


class Scorer:
    """Asks registered versions. `anew`, where given, is the model trained anew that stands in for one of them."""

    def __init__(self, registry: Registry, anew: Mapping[int, Pipeline] | None = None) -> None:
        self.registry, self._anew = registry, anew or {}

    def ask(self, version: int, spec: ModelSpec, rows: pd.DataFrame) -> Array:
        """What a version that was trained under this spec says of any rows, shape (rows,)."""
        return _scores(self._anew.get(version) or self.registry.load(spec.name, version), rows, spec)

    def scores(self, contest: Contest, version: int, spec: ModelSpec, rows: pd.DataFrame) -> Array:  # noqa: ARG002
        """The same of rows as the contest's snapshot has them: whoever knows the contest may remember."""
        return self.ask(version, spec, rows)


def prepare(
    contest: Contest,
    reign: Reign | None,
    rows: Sequence[Decision],
    registry: Registry,
    challenger: Pipeline | None = None,
    scorer: Scorer | None = None,
) -> Case:
    """Score both models on the holdout rows that came after both models' training rows.

    `rows` are the lane's: they know the spec, and so the columns, with which the champion was trained. `challenger`,
    where given, was trained anew: it takes the place of the registered model, and is held to its own scores. `scorer`
    takes the place of asking the registered models.
    """
    spec, columns = contest.spec, contest.spec.columns
    whole = snapshots.frame(contest.uri, contest.sha256)
    training_rows = snapshots.part(whole, contest.spans, columns.event_time, "training")
    start, note = _judged_from(contest, reign)
    frame = whole[whole[columns.event_time] >= windows.midnight(start)].reset_index(drop=True)
    asked = scorer or Scorer(registry, None if challenger is None else {contest.version: challenger})

    def own(others: pd.DataFrame) -> Array:
        return asked.scores(contest, contest.version, spec, others)

    scores = own(training_rows.head(RECORDED_ROWS))
    recorded = registry.origin_tags(spec.name, contest.version).get(SCORES_TAG)
    if recorded and challenger is not None:
        recorded = json.dumps(scores.tolist())
    crowned = _crowned(reign, rows, spec)
    evidence = Evidence(
        spec=spec,
        candidate=contest.candidate,
        frame=frame,
        y=frame[columns.target].to_numpy(dtype="float64"),
        challenger=own(frame),
        champion=_champion(contest, reign, crowned, frame, asked),
        weights=features.weights(frame, spec),
        clusters=pd.factorize(frame[columns.cluster])[0] if columns.cluster else None,
        training=_training_sample(own, training_rows, spec),
        predict=lambda others: asked.ask(contest.version, spec, others),
        inputs=columns.inputs,
        champion_inputs=crowned.columns.inputs if crowned else None,
        recorded=np.array(json.loads(recorded)) if recorded else None,
        reloaded=scores,
    )
    return Case(as_of=contest.as_of, evidence=evidence, reign=reign, holdout=(start, contest.spans.matured), note=note)


def recorded_scores(model: Pipeline, training_rows: pd.DataFrame, spec: ModelSpec) -> Array:
    """The model's scores of the first training rows: recorded when it is trained, compared when it is read back."""
    return _scores(model, training_rows.head(RECORDED_ROWS), spec)


def _judged_from(contest: Contest, reign: Reign | None) -> tuple[date, str]:
    start = contest.spans.holdout_start
    if reign is None or reign.trained_through <= start:
        return start, ""
    note = f"The champion was trained on rows before {reign.trained_through}: only later rows are judged."
    return min(reign.trained_through, contest.spans.matured), note


def _training_sample(
    own: Callable[[pd.DataFrame], Array], training_rows: pd.DataFrame, spec: ModelSpec
) -> TrainingSample:
    n = len(training_rows)
    some = training_rows.iloc[np.unique(np.linspace(0, n - 1, min(n, SEEN_ROWS)).astype(int))].reset_index(drop=True)
    y = some[spec.columns.target].to_numpy(dtype="float64")
    return TrainingSample(frame=some, y=y, scores=own(some))


def _crowned(reign: Reign | None, rows: Sequence[Decision], spec: ModelSpec) -> ModelSpec | None:
    """The spec with which the champion was trained."""
    row = reigns.row_of(rows, reign.version) if reign else None
    return ModelSpec.restore(row.spec) if row else (spec if reign else None)


def _champion(
    contest: Contest, reign: Reign | None, crowned: ModelSpec | None, frame: pd.DataFrame, asked: Scorer
) -> Array | None:
    if reign is None or crowned is None:
        return None
    demand(crowned, reign.version, frame)
    return asked.scores(contest, reign.version, crowned, frame)


def demand(spec: ModelSpec, version: int, frame: pd.DataFrame) -> None:
    """Refuse rows that lack what a version, trained under this spec, needs.

    Raises:
        ColumnsError: naming the columns.
    """
    if missing := lacking(spec, frame):
        raise ColumnsError(
            f"{spec.name}: version {version} needs columns that these rows do not have: {', '.join(missing)}. Keep "
            "them in the query (and in the spec, as segments) until that version no longer reigns; a month of a lane "
            "that was extracted before they came must be run again."
        )


def lacking(spec: ModelSpec, frame: pd.DataFrame) -> list[str]:
    """Which of the columns that a version, trained under this spec, needs are not among these."""
    return [c for c in spec.columns.features if c not in frame]


def _scores(model: Pipeline, frame: pd.DataFrame, spec: ModelSpec) -> Array:
    return pipeline.score(model, features.design_matrix(frame, spec), spec) if len(frame) else np.empty(0)
