"""A challenger and a champion on the same rows, which neither has seen: everything that a verdict rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from titleholder.data import features, snapshots
from titleholder.data.scores import Array, Positions, ScoreKey, ScoreStore
from titleholder.errors import ColumnsError, DataError, TrainingError
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.training import benchmark, pipeline
from titleholder.validation import checks
from titleholder.validation.checks.base import Result
from titleholder.validation.evidence import BenchmarkScores, Evidence, TrainingSample, UnfitCandidate, UnobservedRows
from titleholder.validation.verdict import Measurements, Reign, Verdict, conclude, measure
from titleholder.workflow.payloads import Challenger

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SAMPLE_ROWS = 20_000
"""At most so many training rows are scored, spread evenly over them."""
RELOADED_ROWS = 50
"""The scores of so many training rows are compared when a model is read back from the registry."""


class TrainedVersion(NamedTuple):
    """A registered version, the MLflow run that trained it, and the spec under which it was trained.

    >>> TrainedVersion(3, "a1b2", ModelSpec.model_construct(name="loans")).key("c3d4")
    ScoreKey(model='loans', run_id='a1b2', sha256='c3d4')
    """

    version: int
    run_id: str
    spec: ModelSpec

    def key(self, sha256: str) -> ScoreKey:
        """Under which its scores of a snapshot are stored."""
        return ScoreKey(self.spec.name, self.run_id, sha256)


class Comparison(BaseModel):
    """What is needed to judge a challenger, now or again later: no training, only scores."""

    model_config = ConfigDict(frozen=True)

    spec: ModelSpec
    as_of: date
    version: int
    run_id: str
    candidate: str
    uri: str
    sha256: str
    spans: windows.Intervals
    unfit: tuple[UnfitCandidate, ...] = ()

    @classmethod
    def of(cls, challenger: Challenger) -> Self:
        """That of a challenger that a run has just nominated."""
        snapshot = challenger.snapshot
        return cls(
            spec=snapshot.spec,
            as_of=snapshot.as_of,
            version=challenger.version,
            run_id=challenger.run_id,
            candidate=challenger.name,
            uri=snapshot.uri,
            sha256=snapshot.sha256,
            spans=snapshot.spans,
            unfit=challenger.unfit,
        )

    @classmethod
    def behind(cls, row: Decision) -> Self:
        """That behind a decision, under the spec of that time."""
        return cls(
            spec=ModelSpec.restore(row.spec),
            as_of=row.as_of,
            version=row.challenger,
            run_id=row.training_run_id,
            candidate=row.judged.candidate,
            uri=row.snapshot_uri,
            sha256=row.snapshot_sha256,
            spans=row.windows,
            unfit=row.judged.unfit,
        )

    @property
    def challenger(self) -> TrainedVersion:
        """The challenger."""
        return TrainedVersion(self.version, self.run_id, self.spec)


class ScoredComparison(BaseModel):
    """A comparison with both models' scores, ready to be judged or drawn."""

    model_config = ConfigDict(frozen=True)

    as_of: date
    evidence: Evidence
    reign: Reign | None
    holdout: tuple[date, date]
    note: str

    def under(self, spec: ModelSpec, reign: Reign | None) -> Self:
        """The same rows and scores under other thresholds, or with other looks of the same champion's reign."""
        return self.model_copy(update={"evidence": self.evidence.model_copy(update={"spec": spec}), "reign": reign})

    def judge(self, measurements: Measurements | None = None, results: Sequence[Result] = ()) -> Verdict:
        """The verdict; `measurements` and `results` of checks that are known already are not computed again."""
        return conclude(
            self.evidence,
            measurements or measure(self.evidence),
            as_of=self.as_of,
            reign=self.reign,
            holdout=self.holdout,
            note=self.note,
            results=results,
        )

    def without_champion(self, verdict: Verdict) -> Verdict:
        """This verdict as it would be without a champion; what a champion cannot change is taken from it."""
        if self.reign is None:
            return verdict
        evidence = self.evidence.model_copy(update={"champion": None, "champion_inputs": None})
        measured = Measurements(
            challenger_metrics=verdict.challenger_metrics,
            champion_metrics={},
            challenger_interval=verdict.challenger_interval,
            gain=None,
        )
        alone = self.model_copy(update={"evidence": evidence, "reign": None})
        return alone.judge(measured, checks.unaffected_by("champion", verdict.checks))


class Scorer:
    """Scores of model versions on the rows of snapshots: stored ones are read, others are computed and stored.

    `retrained`, where given, holds pipelines that stand in for registered versions; what they answer is not stored.
    """

    def __init__(self, registry: Registry, store: ScoreStore, retrained: Mapping[int, Pipeline] | None = None) -> None:
        self.registry, self.store, self._retrained = registry, store, retrained or {}
        self._load = lru_cache(maxsize=2)(registry.models.load)  # a challenger and a champion

    def predict(self, trained: TrainedVersion, frame: pd.DataFrame) -> Array:
        """What a version answers for any rows, shape (rows,)."""
        model = self._retrained.get(trained.version)
        if model is None:
            model = self._load(trained.spec.name, trained.version)
        return predict(model, trained.spec, frame)

    def scores(self, trained: TrainedVersion, sha256: str, frame: pd.DataFrame) -> Array:
        """The same for rows of a snapshot, whose positions in it are the index of `frame`."""

        def compute(positions: Positions) -> Array:
            return self.predict(trained, frame.loc[positions])

        positions = frame.index.to_numpy(dtype=np.int64)
        if trained.version in self._retrained:
            return compute(positions)
        return self.store.scores(trained.key(sha256), positions, compute)

    def training_scores(self, trained: TrainedVersion, sha256: str, frame: pd.DataFrame) -> Array:
        """What a version answered for rows of its own snapshot when it was trained; asked again if that is lost."""
        stored = None if trained.version in self._retrained else self.recorded(trained, sha256, frame)
        return self.scores(trained, sha256, frame) if stored is None else stored

    def recorded(self, trained: TrainedVersion, sha256: str, frame: pd.DataFrame) -> Array | None:
        """What was stored for these rows when the version was trained; None where that is lost."""
        return self.store.of_training(trained.key(sha256), frame.index.to_numpy(dtype=np.int64))


def predict(model: Pipeline, spec: ModelSpec, frame: pd.DataFrame) -> Array:
    """A model's scores of rows as the query returns them, shape (rows,)."""
    return pipeline.score(model, features.design_matrix(frame, spec), spec) if len(frame) else np.empty(0)


def compare(
    comparison: Comparison,
    reign: Reign | None,
    champion: TrainedVersion | None,
    scorer: Scorer,
    *,
    reload: bool = True,
) -> ScoredComparison:
    """Score both models on the holdout rows that came after both models' training rows.

    With `reload` the challenger is read back from the registry and must score as it did when it was trained (TH703);
    scores of its training that are lost count as different.

    Raises:
        DataError: when the snapshot is gone or was changed, or lacks columns that the champion needs.
    """
    spec, columns, challenger = comparison.spec, comparison.spec.columns, comparison.challenger
    with snapshots.opened(comparison.uri, comparison.sha256) as extract:
        split = comparison.spans.holdout_start
        holdout = extract.read(event_time=columns.event_time, start=split, positions=True)
        trained_on = extract.positions(columns.event_time, end=split, where=columns.accepted)
        sample = extract.read([*trained_columns(spec), columns.event_time], at=spread(trained_on), positions=True)
        first = extract.read(columns.features, at=trained_on[:RELOADED_ROWS], positions=True)
        untuned = _benchmark_scores(spec, extract, trained_on, holdout, scorer.store)
    start, note = judged_from(comparison, reign)
    since = (holdout[columns.event_time] >= windows.midnight(start)).to_numpy()
    accepted = features.accepted(holdout, spec)
    judged, scores = since & accepted, _both_scores(comparison, reign, champion, holdout, scorer)
    frame = holdout[judged].reset_index(drop=True)
    recorded = scorer.recorded(challenger, comparison.sha256, first) if reload else None
    evidence = Evidence(
        spec=spec,
        candidate=comparison.candidate,
        frame=frame,
        y=features.target(frame, spec),
        challenger=scores.challenger[judged],
        champion=None if scores.champion is None else scores.champion[judged],
        weights=features.weights(frame, spec),
        clusters=pd.factorize(frame[columns.cluster])[0] if columns.cluster else None,
        training=TrainingSample(
            frame=sample.reset_index(drop=True),
            y=features.target(sample, spec),
            scores=scorer.training_scores(challenger, comparison.sha256, sample),
        ),
        predict=partial(scorer.predict, challenger),
        inputs=columns.inputs,
        champion_inputs=champion.spec.columns.inputs if reign and champion else None,
        recorded=np.empty(0) if reload and recorded is None else recorded,
        reloaded=scorer.predict(challenger, first) if reload else None,
        unfit=comparison.unfit,
        benchmark=None if untuned is None else untuned.at(judged),
        unobserved=_unobserved(spec, scores, holdout, since & ~accepted),
    )
    return ScoredComparison(
        as_of=comparison.as_of,
        evidence=evidence,
        reign=reign,
        holdout=(start, comparison.spans.matured),
        note=f"{note} {_accepted_only(spec, int(judged.sum()), int(since.sum()))}".strip(),
    )


def _accepted_only(spec: ModelSpec, judged: int, rows: int) -> str:
    """That only accepted rows were seen, where the spec says so; else empty."""
    if spec.columns.accepted is None:
        return ""
    said = f"Only accepted rows have outcomes ({spec.columns.accepted}), so only these were trained on and judged"
    if judged == rows:
        return f"{said}; the query returns no others, so nothing is known of them."
    return f"{said}: {judged:,} of {rows:,} rows of the judged period."


def trained_columns(spec: ModelSpec) -> list[str]:
    """The columns that a training row needs: features, target and weight."""
    columns = spec.columns
    return [*columns.features, columns.target, *([columns.weight] if columns.weight else [])]


def spread(positions: Positions, most: int = SAMPLE_ROWS) -> Positions:
    """The training rows that checks look at: all, or at most so many of them spread evenly."""
    n = len(positions)
    chosen: Positions = positions[np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))]
    return chosen


def store_training_scores(
    store: ScoreStore, key: ScoreKey, model: Pipeline, spec: ModelSpec, training: pd.DataFrame
) -> None:
    """Store what a freshly trained model answers for the rows that later steps ask about.

    These are the sample that checks look at, and the first rows, which a model that is read back must score alike.
    `training` is indexed by position in the snapshot.
    """
    positions = training.index.to_numpy(dtype=np.int64)
    stored = np.union1d(spread(positions), positions[:RELOADED_ROWS])
    store.store_training(key, stored, predict(model, spec, training.loc[stored]))


def judged_from(comparison: Comparison, reign: Reign | None) -> tuple[date, str]:
    """Where the judged rows begin, and a note where that is later than the holdout does."""
    start = comparison.spans.holdout_start
    if reign is None or reign.trained_through <= start:
        return start, ""
    note = f"The champion was trained on rows before {reign.trained_through}: only later rows are judged."
    return min(reign.trained_through, comparison.spans.matured), note


def _benchmark_scores(
    spec: ModelSpec, extract: snapshots.Extract, trained_on: Positions, holdout: pd.DataFrame, store: ScoreStore
) -> BenchmarkScores | None:
    """What the untuned benchmark answers for the holdout; None where TH208 is off.

    It is a function of the snapshot and the spec, so it is fitted once for both and only its scores are stored.
    """
    if spec.judgement.checks.benchmark.severity == "off":
        return None

    def compute(positions: Positions) -> Array:
        rows = extract.read(trained_columns(spec), at=spread(trained_on, benchmark.ROWS))
        fitted = benchmark.fit(rows, spec)
        return predict(fitted, spec, holdout.loc[positions])

    key = ScoreKey(spec.name, f"benchmark-{spec.training_fingerprint()}", extract.sha256)
    try:
        return BenchmarkScores(scores=store.scores(key, holdout.index.to_numpy(dtype=np.int64), compute))
    except TrainingError as error:
        return BenchmarkScores(scores=None, problem=f"{str(error).rstrip('.')}.")


class _BothScores(NamedTuple):
    challenger: Array
    champion: Array | None


def _both_scores(
    comparison: Comparison, reign: Reign | None, champion: TrainedVersion | None, holdout: pd.DataFrame, scorer: Scorer
) -> _BothScores:
    """Both models' scores of every row of the holdout."""
    own = scorer.scores(comparison.challenger, comparison.sha256, holdout)
    if reign is None:
        return _BothScores(own, None)
    if champion is None:
        raise DataError(f"{comparison.spec.name}: no decision says how champion {reign.version} was trained")
    require_columns(champion.spec, reign.version, holdout)
    return _BothScores(own, scorer.scores(champion, comparison.sha256, holdout))


def _unobserved(
    spec: ModelSpec, scores: _BothScores, holdout: pd.DataFrame, rows: NDArray[np.bool_]
) -> UnobservedRows | None:
    """These rows of the holdout, which were not accepted; None where the spec does not say which were."""
    if spec.columns.accepted is None:
        return None
    return UnobservedRows(
        challenger=scores.challenger[rows],
        champion=None if scores.champion is None else scores.champion[rows],
        weights=features.weights(holdout[rows], spec),
    )


def require_columns(spec: ModelSpec, version: int, frame: pd.DataFrame) -> None:
    """Refuse rows that lack what a version, trained under this spec, needs.

    Raises:
        ColumnsError: naming the columns.
    """
    if missing := missing_columns(spec, frame):
        raise ColumnsError(
            f"{spec.name}: version {version} needs columns that these rows do not have: {', '.join(missing)}. Keep "
            "them in the query (and in the spec, as segments) while that version is champion; a month of a lane that "
            "was extracted before they came must be run again."
        )


def missing_columns(spec: ModelSpec, frame: pd.DataFrame) -> list[str]:
    """Which of the columns that a version, trained under this spec, needs are not among these."""
    return [c for c in spec.columns.features if c not in frame]
