"""A challenger and a champion on the same rows, which neither has seen: everything that a verdict rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from titleholder.data import features, snapshots
from titleholder.data.scores import Array, Positions, ScoreKey, ScoreStore
from titleholder.errors import ColumnsError, DataError, TrainingError
from titleholder.ledger import store as ledger
from titleholder.ledger.decision import Decision
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.ledger.nominee import Nominee
from titleholder.registry.client import Registry
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.training import benchmark, pipeline
from titleholder.validation import checks
from titleholder.validation.checks.base import Result
from titleholder.validation.evidence import BenchmarkScores, Evidence, TrainingSample, UnfitCandidate, UnobservedRows
from titleholder.validation.judging import conclude, measure
from titleholder.validation.verdict import Measurements, Reign, Verdict
from titleholder.workflow.payloads import Challenger

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SAMPLE_ROWS = 20_000
"""At most so many training rows are scored, spread evenly over them."""
RELOADED_ROWS = 50
"""The scores of so many training rows are compared when a model is read back from the registry."""


def refit_of(run_id: str) -> str:
    """Under which the scores of a training run's refit are stored."""
    return f"{run_id}-refit"


def training_keys(spec: ModelSpec, run_id: str, sha256: str) -> list[ScoreKey]:
    """Under which the scores of a training run's model are stored, and those of its refit where there is one."""
    names = [run_id, *([refit_of(run_id)] if spec.windows.refit else [])]
    return [ScoreKey(spec.name, name, sha256) for name in names]


class TrainedVersion(NamedTuple):
    """A registered version, the MLflow run that trained it, and the spec under which it was trained.

    It stands for the model that is judged. With `windows.refit` that is the twin, which has not seen the holdout;
    `registered` is then another, which was fitted on the holdout too.

    >>> from titleholder.spec.source import Windows
    >>> loans = ModelSpec.model_construct(name="loans", windows=Windows.model_construct(refit="all_matured"))
    >>> judged = TrainedVersion(3, Nominee.model_construct(run_id="a1b2"), loans)
    >>> judged.key("c3d4"), judged.registered.key("c3d4").run_id
    (ScoreKey(model='loans', run_id='a1b2', sha256='c3d4'), 'a1b2-refit')
    """

    version: int
    nominee: Nominee
    spec: ModelSpec
    refitted: bool = False

    @property
    def registered(self) -> Self:
        """The model that the registry has under this version, which is the one in use while it is champion."""
        return self._replace(refitted=self.spec.windows.refit is not None)

    @property
    def name(self) -> str:
        """Under which its scores are stored: the training run, and whether it is that run's refit."""
        return refit_of(self.nominee.run_id) if self.refitted else self.nominee.run_id

    @property
    def is_twin(self) -> bool:
        """Whether the registry has another model under this version."""
        return self != self.registered

    @property
    def models(self) -> list[Self]:
        """The judged model, and the registered one where that is another."""
        return [self, *([self.registered] if self.is_twin else [])]

    def key(self, sha256: str) -> ScoreKey:
        """Under which its scores of a snapshot are stored."""
        return ScoreKey(self.spec.name, self.name, sha256)


def trained_versions(rows: Sequence[LaneEntry | Decision], url: str) -> list[TrainedVersion]:
    """The challengers of these decisions, as they were trained; what a row does not have is read in one query."""
    lacking = [row.id for row in rows if row.spec is None]
    known = {row.id: row for row in (ledger.decisions(url, lacking) if lacking else ())}
    whole = [known.get(row.id, row) for row in rows]
    specs = [ModelSpec.restore(row.spec or {}) for row in whole]
    return [TrainedVersion(row.challenger_version or 0, row.nominee, s) for row, s in zip(whole, specs, strict=True)]


class Comparison(BaseModel):
    """What is needed to judge a challenger, now or again later: no training, only scores."""

    model_config = ConfigDict(frozen=True)

    spec: ModelSpec
    as_of: date
    version: int
    nominee: Nominee
    uri: str
    sha256: str
    spans: windows.Intervals
    unfit: tuple[UnfitCandidate, ...] = ()
    also_unfit: tuple[UnfitCandidate, ...] = ()

    @classmethod
    def of(cls, challenger: Challenger) -> Self:
        """That of a challenger that a run has just nominated."""
        snapshot = challenger.snapshot
        return cls(
            spec=snapshot.spec,
            as_of=snapshot.as_of,
            version=challenger.version,
            nominee=challenger.nominee,
            uri=snapshot.uri,
            sha256=snapshot.sha256,
            spans=snapshot.spans,
            unfit=challenger.unfit,
            also_unfit=challenger.also_unfit,
        )

    @classmethod
    def behind(cls, row: Decision) -> Self:
        """That behind a decision, under the spec of that time."""
        return cls(
            spec=ModelSpec.restore(row.spec),
            as_of=row.as_of,
            version=row.challenger,
            nominee=row.nominee,
            uri=row.snapshot_uri,
            sha256=row.snapshot_sha256,
            spans=row.windows,
            unfit=row.judged.unfit,
            also_unfit=row.judged.also_unfit,
        )

    @property
    def challenger(self) -> TrainedVersion:
        """The challenger."""
        return TrainedVersion(self.version, self.nominee, self.spec)


class ScoredComparison(BaseModel):
    """A comparison with both models' scores, ready to be judged or drawn."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    as_of: date
    evidence: Evidence
    reign: Reign | None
    holdout: tuple[date, date]
    trained_through: date
    """The end of the challenger's training rows; the judged rows may begin later."""
    note: str
    sha256: str
    positions: Positions
    """Where the judged rows lie in the snapshot with this fingerprint, shape (n,)."""

    def under(self, spec: ModelSpec, reign: Reign | None) -> Self:
        """The same rows and scores under other thresholds, or with other looks of the same champion's reign."""
        evidence = self.evidence.model_copy(update={"spec": spec, "memo": self.evidence.memo})
        return self.model_copy(update={"evidence": evidence, "reign": reign})

    def judge(
        self, measurements: Measurements | None = None, results: Sequence[Result] = (), *, decisive: bool = False
    ) -> Verdict:
        """The verdict; `measurements` and `results` of checks that are known already are not computed again.

        With `decisive`, what cannot change the decision is left out of it.
        """
        return conclude(
            self.evidence,
            measurements or measure(self.evidence),
            as_of=self.as_of,
            reign=self.reign,
            holdout=self.holdout,
            note=self.note,
            results=results,
            decisive=decisive,
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

    `retrained`, where given, holds pipelines that stand in for models, by `TrainedVersion.name`; what they answer is
    not stored.
    """

    def __init__(self, registry: Registry, store: ScoreStore, retrained: Mapping[str, Pipeline] | None = None) -> None:
        self.registry, self.store, self._retrained = registry, store, retrained or {}

    def predict(self, trained: TrainedVersion, frame: pd.DataFrame) -> Array:
        """What a version answers for any rows, shape (rows,)."""
        model = self._retrained.get(trained.name)
        return predict(self._load(trained) if model is None else model, trained.spec, frame)

    def _load(self, trained: TrainedVersion) -> Pipeline:
        logged = trained.nominee.twin if trained.is_twin else trained.nominee.model
        if logged is None:
            raise DataError(f"{trained.spec.name}: version {trained.version} was refitted, but has no twin")
        return self.registry.models.read(logged.uri, logged.sha256, trained.spec)

    def scores(self, trained: TrainedVersion, sha256: str, frame: pd.DataFrame) -> Array:
        """The same for rows of a snapshot, whose positions in it are the index of `frame`."""

        def compute(positions: Positions) -> Array:
            return self.predict(trained, frame.loc[positions])

        positions = frame.index.to_numpy(dtype=np.int64)
        if trained.name in self._retrained:
            return compute(positions)
        return self.store.scores(trained.key(sha256), positions, compute)

    def training_scores(self, trained: TrainedVersion, sha256: str, frame: pd.DataFrame) -> Array:
        """What a version answered for rows of its own snapshot when it was trained; asked again if that is lost."""
        stored = None if trained.name in self._retrained else self.recorded(trained, sha256, frame)
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

    With `reload` the challenger, and its refit where there is one, are read back from the registry and must score as
    they did when they were trained (TH703); scores of that time that are lost count as different.

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
    models = challenger.models
    evidence = Evidence(
        spec=spec,
        candidate=comparison.nominee.name,
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
        predict_refit=partial(scorer.predict, challenger.registered) if challenger.is_twin else None,
        inputs=columns.inputs,
        champion_inputs=champion.spec.columns.inputs if reign and champion else None,
        recorded=_recorded(models, comparison.sha256, first, scorer) if reload else None,
        reloaded=np.concatenate([scorer.predict(model, first) for model in models]) if reload else None,
        unfit=comparison.unfit,
        also_unfit=comparison.also_unfit,
        version=comparison.version,
        benchmark=None if untuned is None else untuned.at(judged),
        unobserved=_unobserved(spec, scores, holdout, since & ~accepted),
    )
    return ScoredComparison(
        as_of=comparison.as_of,
        evidence=evidence,
        reign=reign,
        holdout=(start, comparison.spans.matured),
        trained_through=comparison.spans.holdout_start,
        sha256=comparison.sha256,
        positions=holdout.index.to_numpy(dtype=np.int64)[judged],
        note=f"{note} {_accepted_only(spec, int(judged.sum()), int(since.sum()))}".strip(),
    )


def _recorded(models: Sequence[TrainedVersion], sha256: str, first: pd.DataFrame, scorer: Scorer) -> Array:
    """What these models answered when they were trained, one after the other; scores that are lost are left out."""
    found = [scorer.recorded(model, sha256, first) for model in models]
    return np.concatenate([np.empty(0) if scores is None else scores for scores in found])


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
    store: ScoreStore, key: ScoreKey, model: Pipeline, spec: ModelSpec, extract: snapshots.Extract, training: Positions
) -> None:
    """Store what a freshly trained model answers for the rows that later steps ask about.

    These are the sample that checks look at, and the first rows, which a model that is read back must score alike.
    `training` are the positions of the training rows.
    """
    stored = np.union1d(spread(training), training[:RELOADED_ROWS])
    rows = extract.read(trained_columns(spec), at=stored, positions=True)
    store.store_training(key, stored, predict(model, spec, rows))


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
            "them in the query (and in the spec, as segments) while that version is champion; an as-of date of a lane "
            "that was extracted before they came must be run again."
        )


def missing_columns(spec: ModelSpec, frame: pd.DataFrame) -> list[str]:
    """Which of the columns that a version, trained under this spec, needs are not among these."""
    return [c for c in spec.columns.features if c not in frame]
