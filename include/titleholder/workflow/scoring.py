"""A challenger and a champion on the same rows, which neither has seen: everything that a verdict rests on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property, partial
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from titleholder.data import features, snapshots
from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.scores import Array, ScoreKey, ScoreStore
from titleholder.errors import DataError, TrainingError
from titleholder.ledger.decision import Decision, restored_spec
from titleholder.ledger.nominee import Nominee
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import LIVE
from titleholder.training import benchmark, memory
from titleholder.validation import checks
from titleholder.validation.checks.base import Result
from titleholder.validation.evidence import BenchmarkScores, Evidence, TrainingSample, UnfitCandidate, UnobservedRows
from titleholder.validation.judging import conclude, measure
from titleholder.validation.verdict import Measurements, Reign, Verdict
from titleholder.workflow.payloads import Challenger
from titleholder.workflow.scorer import RELOADED_ROWS, Answers, Scorer, predict, spread, stored_scores
from titleholder.workflow.trained_versions import TrainedVersion, require_columns


class Comparison(BaseModel):
    """What is needed to judge a challenger, now or again later: no training, only scores."""

    model_config = ConfigDict(frozen=True)

    spec: ModelSpec
    as_of: date
    lane: str = LIVE
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
            lane=snapshot.lane,
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
            spec=restored_spec(row.id, row.spec),
            as_of=row.as_of,
            lane=row.lane,
            version=row.challenger,
            nominee=row.nominee,
            uri=row.snapshot_uri,
            sha256=row.snapshot_sha256,
            spans=row.windows,
            unfit=row.judged.unfit,
            also_unfit=row.judged.also_unfit,
        )

    @cached_property
    def extract(self) -> snapshots.Extract:
        """The snapshot, which is opened once and stays open as long as this comparison, or rows of it, are in use."""
        return snapshots.opened(self.uri, self.sha256)

    @property
    def challenger(self) -> TrainedVersion:
        """The challenger."""
        return TrainedVersion(self.version, self.nominee, self.spec)


class ScoredComparison(BaseModel):
    """A comparison with both models' scores, ready to be judged or drawn."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    as_of: date
    lane: str = LIVE
    evidence: Evidence
    reign: Reign | None
    holdout: tuple[date, date]
    trained_through: date
    """The end of the challenger's training rows; the judged rows may begin later."""
    note: str
    rows: LazyFrame
    """The judged rows, in the snapshot."""

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
        DataError: when the snapshot is gone or was changed, lacks columns that the champion needs, or is too large.
    """
    rows = _rows(comparison, scorer)
    start, note = judged_from(comparison, reign)
    since = (rows.holdout[comparison.spec.columns.event_time] >= windows.midnight(start)).to_numpy()
    accepted = features.accepted(rows.holdout, comparison.spec)
    judged, scores = since & accepted, _both_scores(comparison, reign, champion, rows.holdout, scorer)
    frame = rows.holdout.at(judged)
    evidence = _evidence(comparison, rows, frame, scores.at(judged), judged, scorer)
    models = comparison.challenger.models
    complete = evidence.model_copy(
        update={
            "champion_inputs": champion.spec.columns.inputs if reign and champion else None,
            "unobserved": _unobserved(comparison.spec, scores, rows.holdout, since & ~accepted),
            "recorded": _recorded(models, rows.first, scorer) if reload else None,
            "reloaded": np.concatenate([scorer.predict(model, rows.first) for model in models]) if reload else None,
        }
    )
    return ScoredComparison(
        as_of=comparison.as_of,
        lane=comparison.lane,
        evidence=complete,
        reign=reign,
        holdout=(start, comparison.spans.matured),
        trained_through=comparison.spans.holdout_start,
        rows=frame,
        note=f"{note} {_accepted_only(comparison.spec, int(judged.sum()), int(since.sum()))}".strip(),
    )


class _Rows(NamedTuple):
    """Of a snapshot: the holdout, a sample of the training rows and the first of them.

    `untuned` are the benchmark's scores of the holdout.
    """

    holdout: LazyFrame
    sample: LazyFrame
    first: LazyFrame
    untuned: BenchmarkScores | None


def _rows(comparison: Comparison, scorer: Scorer) -> _Rows:
    spec, extract, split = comparison.spec, comparison.extract, comparison.spans.holdout_start
    time, accepted = spec.columns.event_time, spec.columns.accepted
    holdout = LazyFrame(extract, extract.positions(time, start=split))
    if short := memory.shortage_to_judge(spec, len(holdout)):
        raise DataError(short)
    trained_on = extract.positions(time, end=split, where=accepted)
    untuned = _benchmark_scores(spec, LazyFrame(extract, spread(trained_on, benchmark.ROWS)), holdout, scorer.store)
    sample, first = (LazyFrame(extract, some) for some in (spread(trained_on), trained_on[:RELOADED_ROWS]))
    return _Rows(holdout, sample, first, untuned)


def _evidence(
    comparison: Comparison,
    rows: _Rows,
    frame: LazyFrame,
    scores: _BothScores,
    judged: NDArray[np.bool_],
    scorer: Scorer,
) -> Evidence:
    """What the judged rows of the holdout say; `frame` has these rows, and `scores` are theirs."""
    spec, challenger = comparison.spec, comparison.challenger
    sample = rows.sample.read([*features.trained_columns(spec), spec.columns.event_time])
    return Evidence(
        spec=spec,
        candidate=comparison.nominee.name,
        version=comparison.version,
        frame=frame,
        y=features.target(frame, spec),
        challenger=scores.challenger,
        champion=scores.champion,
        weights=features.weights(frame, spec),
        clusters=pd.factorize(frame[spec.columns.cluster])[0] if spec.columns.cluster else None,
        training=TrainingSample(
            frame=sample,
            y=features.target(sample, spec),
            scores=scorer.training_scores(challenger, rows.sample),
        ),
        predict=Answers(scorer, challenger),
        predict_refit=partial(scorer.predict, challenger.registered) if challenger.is_twin else None,
        inputs=spec.columns.inputs,
        unfit=comparison.unfit,
        also_unfit=comparison.also_unfit,
        benchmark=None if rows.untuned is None else rows.untuned.at(judged),
    )


def _recorded(models: Sequence[TrainedVersion], first: LazyFrame, scorer: Scorer) -> Array:
    """What these models answered when they were trained, one after the other; scores that are lost are left out."""
    found = [scorer.recorded(model, first) for model in models]
    return np.concatenate([np.empty(0) if scores is None else scores for scores in found])


def _accepted_only(spec: ModelSpec, judged: int, rows: int) -> str:
    """That only accepted rows were seen, where the spec says so; else empty."""
    if spec.columns.accepted is None:
        return ""
    said = f"Only accepted rows have outcomes ({spec.columns.accepted}), so only these were trained on and judged"
    if judged == rows:
        return f"{said}; the query returns no others, so nothing is known of them."
    return f"{said}: {judged:,} of {rows:,} rows of the judged period."


def judged_from(comparison: Comparison, reign: Reign | None) -> tuple[date, str]:
    """Where the judged rows begin, and a note where that is later than the holdout does."""
    start = comparison.spans.holdout_start
    if reign is None or reign.trained_through <= start:
        return start, ""
    note = f"The champion was trained on rows before {reign.trained_through}: only later rows are judged."
    return min(reign.trained_through, comparison.spans.matured), note


def _benchmark_scores(
    spec: ModelSpec, trained_on: LazyFrame, holdout: LazyFrame, store: ScoreStore
) -> BenchmarkScores | None:
    """What the untuned benchmark, fitted on such rows, answers for the holdout; None where TH208 is off.

    It is a function of the snapshot and the spec, so it is fitted once for both and only its scores are stored.
    """
    if spec.judgement.checks.benchmark.severity == "off":
        return None

    def compute(rows: LazyFrame) -> Array:
        fitted = benchmark.fit(trained_on.read(features.trained_columns(spec)), spec)
        return predict(fitted, spec, rows)

    key = ScoreKey(spec.name, f"benchmark-{spec.training_fingerprint()}", holdout.extract.sha256)
    try:
        return BenchmarkScores(scores=stored_scores(store, key, holdout, compute))
    except TrainingError as error:
        return BenchmarkScores(scores=None, problem=f"{str(error).rstrip('.')}.")


class _BothScores(NamedTuple):
    challenger: Array
    champion: Array | None

    def at(self, rows: NDArray[np.bool_]) -> _BothScores:
        """The same of some rows."""
        return _BothScores(self.challenger[rows], None if self.champion is None else self.champion[rows])


def _both_scores(
    comparison: Comparison, reign: Reign | None, champion: TrainedVersion | None, holdout: LazyFrame, scorer: Scorer
) -> _BothScores:
    """Both models' scores of every row of the holdout."""
    own = scorer.scores(comparison.challenger, holdout)
    if reign is None:
        return _BothScores(own, None)
    if champion is None:
        raise DataError(f"{comparison.spec.name}: no decision says how champion {reign.version} was trained")
    require_columns(champion.spec, reign.version, holdout)
    return _BothScores(own, scorer.scores(champion, holdout))


def _unobserved(
    spec: ModelSpec, scores: _BothScores, holdout: LazyFrame, rows: NDArray[np.bool_]
) -> UnobservedRows | None:
    """These rows of the holdout, which were not accepted; None where the spec does not say which were."""
    if spec.columns.accepted is None:
        return None
    return UnobservedRows(**scores.at(rows)._asdict(), weights=features.weights(holdout.at(rows), spec))
