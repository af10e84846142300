"""A decision made again from what the ledger keeps of it: `titleholder reproduce`.

The nominated candidate is retrained from the stored snapshot, spec and seed, takes the registered model's place against
the champion of that time, and is judged and ruled on again. Better candidates that were unfit for use are judged again
as they are registered. No other candidate is retrained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow.entities import RunData
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict

from titleholder.data import enough_rows, snapshots
from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.scores import Array, ScoreStore
from titleholder.errors import DataError, UsageError
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision, restored_spec
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.settings import Settings, code_version
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import UNJUDGED
from titleholder.validation.evidence import UnfitCandidate
from titleholder.validation.verdict import Verdict
from titleholder.workflow import fitting, nomination, warm_start
from titleholder.workflow.differences import ComparedPart, Difference, Tally
from titleholder.workflow.fitting import FittedModels
from titleholder.workflow.known_classes import require_known, require_known_cluster
from titleholder.workflow.lanes import refuse_deleted
from titleholder.workflow.libraries import Library, changed_libraries
from titleholder.workflow.promotion import champion_after, rule
from titleholder.workflow.rivals import Line, line_before, on_record
from titleholder.workflow.scorer import Scorer, predict, spread
from titleholder.workflow.scoring import Comparison, compare
from titleholder.workflow.sealed_scores import from_scoring_runs
from titleholder.workflow.trained_versions import TrainedVersion, refit_of

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


class Reproduction(BaseModel):
    """How a decision compares with itself made again.

    `differences` lists what is not the same; `not_recorded` are paths of values that this version computes and the one
    that decided did not, or that people gave.
    """

    model_config = ConfigDict(frozen=True)

    decision: int
    model: str
    lane: str
    as_of: date
    kind: str
    version: int
    candidate: str
    parts: tuple[ComparedPart, ...]
    differences: tuple[Difference, ...]
    not_recorded: tuple[str, ...]
    code_then: str
    code_now: str
    libraries: tuple[Library, ...]

    @property
    def same(self) -> bool:
        """Whether everything that was compared is the same, within tolerance."""
        return not any(p.different for p in self.parts)


def reproduce(
    number: int,
    *,
    settings: Settings,
    allowed: Collection[str] = (),
    on_trial: Callable[[int, int], None] | None = None,
) -> Reproduction:
    """Train, judge and rule again on a decision of the ledger, and compare every number with what was recorded.

    A class outside of scikit-learn is imported, and a Dask scheduler asked by its address, only where a spec of the
    folder of models names it, or `allowed` does.

    Raises:
        UsageError: for a decision that the ledger does not have, a rollback, one of a lane that was deleted, or one
            that trains a class which may not be imported, or on a cluster that is not known.
        DataError: when the snapshot is gone or changed, or a model that is needed cannot be read.
    """
    row, before, stored = _read(number, settings.ledger_url)
    registry = Registry(settings.tracking_uri)
    made = _retrain(row, registry, allowed, on_trial)
    scorer = Scorer(
        registry, ScoreStore(settings.snapshots, read_only=True), made.pipelines, ledger_url=settings.ledger_url
    )
    champion = _champion(row, before)
    line = line_before(before, row.lane, row.as_of, row.judged.champion, row.windows.holdout_start, "")
    verdict = _judged(row, champion, line, scorer)
    tallies = [
        _windows(stored, row, made),
        *_training(made),
        *_stored_scores(row, champion, made, scorer),
        _model(row, made, scorer),
        *_unfit(row, champion, scorer),
        *_verdict(stored, row, before, verdict),
        _ruling(row, before, made.spec, verdict),
    ]
    return Reproduction(
        decision=row.id,
        model=row.model,
        lane=row.lane,
        as_of=row.as_of,
        kind=row.kind,
        version=row.challenger,
        candidate=made.candidate,
        parts=tuple(t.part for t in tallies),
        differences=tuple(d for t in tallies for d in t.differences),
        not_recorded=tuple(path for t in tallies for path in t.not_recorded),
        code_then=row.code_version,
        code_now=code_version(),
        libraries=tuple(changed_libraries(registry, row)),
    )


@dataclass(frozen=True)
class _Retrained:
    """The candidate trained again, with what it was trained from.

    That is the snapshot `extract`, which has rows on these days. `pipelines` are the new model, and its refit, by the
    ids of the runs whose models they take the place of; `run` is what the first training logged in MLflow.
    """

    spec: ModelSpec
    candidate: str
    models: FittedModels
    pipelines: Mapping[str, Pipeline]
    run: RunData
    days: set[date]
    extract: snapshots.Extract


def _retrain(
    row: Decision, registry: Registry, allowed: Collection[str], on_trial: Callable[[int, int], None] | None
) -> _Retrained:
    spec = restored_spec(row.id, row.spec)
    run = registry.models.training_run(row.model, row.challenger) or RunData()
    candidate = row.judged.candidate or run.tags.get(names.CANDIDATE, "")
    if candidate not in spec.training.candidates:
        raise DataError(f"decision {row.id}: its spec has no candidate {candidate!r} to train again")
    require_known(row.id, spec.training.candidates[candidate].estimator, spec.task, allowed)
    require_known_cluster(row.id, spec.training.engine, allowed)
    start = warm_start.start(spec, row.as_of, warm_start.of_run(run.tags))
    time, accepted = spec.columns.event_time, spec.columns.accepted
    extract = snapshots.opened(row.snapshot_uri, row.snapshot_sha256)
    models = fitting.fit(spec, candidate, extract, row.windows, start=start, on_trial=on_trial)
    days = enough_rows.days(extract.read([time, *([accepted] if accepted else [])]), spec)
    pipelines = {row.training_run_id: models.fitted.pipeline}
    if models.refit is not None:
        pipelines[refit_of(row.training_run_id)] = models.refit
    return _Retrained(spec, candidate, models, pipelines, run, days, extract)


def _read(number: int, url: str) -> tuple[Decision, list[Decision], dict[str, Any]]:
    """The decision, the rows of its lane that were there before it, and the decision's documents as JSON."""
    row = store.decision(url, number)
    if row.kind in UNJUDGED:
        raise UsageError(f"decision {number} is a {row.kind}: nothing was trained or judged, nothing can be reproduced")
    refuse_deleted(row.model, row.lane, url)
    rows = store.stored(url, row.model, row.lane)
    before = [Decision.from_row(r) for r in rows if r["sequence"] < row.sequence]
    (stored,) = [r for r in rows if r["id"] == number]
    return row, before, {name: json.loads(stored[name]) for name in ("spans", "verdict")}


def _windows(stored: Mapping[str, Any], row: Decision, made: _Retrained) -> Tally:
    tally = Tally("windows")
    spans = windows.with_rows(windows.intervals(made.spec, row.as_of), made.days)
    spans = spans.model_copy(update={"undeclared": row.windows.undeclared})  # of the warehouse at that time
    tally.compare(stored["spans"], spans.model_dump(mode="json"))
    return tally


def _training(made: _Retrained) -> Iterator[Tally]:
    """Against what the training run logged in MLflow, where parameters are texts."""
    tally = Tally("hyper-parameters")
    estimator = made.spec.training.candidates[made.candidate].estimator
    params = {**made.models.fitted.params, "estimator": estimator, "rows": len(made.models.rows), **made.models.engine}
    recorded = {name: _parsed(text) for name, text in made.run.params.items()}
    tally.compare(recorded, {name: _parsed(str(value)) for name, value in params.items()}, "training.params")
    yield tally
    tally = Tally("scores on the folds")
    logged = {name: value for name, value in made.run.metrics.items() if name.startswith("fold")}
    tally.compare(logged, made.models.fitted.recorded_scores, "training.metrics")
    yield tally


def _stored_scores(row: Decision, champion: TrainedVersion | None, made: _Retrained, scorer: Scorer) -> Iterator[Tally]:
    """Against the scores that were stored: the challenger's when it was trained, the champion's on the holdout."""
    tally, challenger = Tally("stored scores"), Comparison.behind(row).challenger
    rows = LazyFrame(made.extract, spread(made.models.rows))
    stored = scorer.recorded(challenger, rows)
    _compare_scores(tally, stored, scorer.predict(challenger, rows), "training.scores")
    yield tally
    if champion:
        tally = Tally("champion's scores")
        judged = made.extract.positions(made.spec.columns.event_time, start=row.windows.holdout_start)
        holdout = LazyFrame(made.extract, judged)
        believed = scorer.store.stored(champion.key(row.snapshot_sha256), holdout.positions)
        with _champion_readable(row):
            _compare_scores(tally, believed, scorer.predict(champion, holdout), "champion.scores")
        yield tally


def _compare_scores(tally: Tally, stored: Array | None, computed: Array, path: str) -> None:
    """Scores that are lost are a difference: without them nothing shows that the model answers as it did."""
    if stored is None:
        tally.compare("lost", "there", path)
    else:
        tally.compare_arrays(stored, computed, path)


def _parsed(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _model(row: Decision, made: _Retrained, scorer: Scorer) -> Tally:
    """The registered model against the one trained again, on every row of the snapshot."""
    tally, challenger = Tally("registered model"), Comparison.behind(row).challenger.registered
    every = LazyFrame(made.extract, np.arange(made.extract.rows))
    try:
        logged = row.nominee.model
        model = scorer.registry.models.read(logged.uri, logged.sha256, made.spec)
        registered, again = predict(model, made.spec, every), scorer.predict(challenger, every)
    except Exception as error:  # whatever a model or its libraries raise: it is lost, the rest can be compared
        tally.compare(f"cannot be loaded: {type(error).__name__}: {error}", None, "model")
    else:
        tally.compare_arrays(registered, again, "model.scores")
    return tally


def _champion(row: Decision, before: list[Decision]) -> TrainedVersion | None:
    reign = row.judged.champion
    crowned = reigns.decision_on(before, reign.version) if reign else None
    if reign is None or crowned is None:
        return None
    return TrainedVersion(reign.version, crowned.nominee, restored_spec(crowned.id, crowned.spec))


def _judged(row: Decision, champion: TrainedVersion | None, line: Line, scorer: Scorer) -> Verdict:
    with _champion_readable(row):
        scored = compare(Comparison.behind(row), row.judged.champion, champion, scorer)
        return from_scoring_runs(on_record(scored, line, scorer), line, scorer).judge()


def _unfit(row: Decision, champion: TrainedVersion | None, scorer: Scorer) -> Iterator[Tally]:
    """The other candidates that were judged, by the checks that they fail without a champion; none where none were."""
    own = UnfitCandidate(name=row.judged.candidate, version=row.challenger, failed=())
    family = (*row.judged.unfit, own, *row.judged.also_unfit)
    if len(family) == 1:
        return
    tally = Tally("unfit candidates")
    for n, candidate in enumerate(family):
        if candidate is own:
            continue
        nominee = next(nominee for nominee in row.nominees if nominee.name == candidate.name)
        known = {"version": candidate.version, "nominee": nominee, "unfit": family[:n], "also_unfit": ()}
        try:
            comparison = Comparison.behind(row).model_copy(update=known)
            scored = compare(comparison, row.judged.champion, champion, scorer)
            failed = list(nomination.failed(scored.without_champion(scored.judge())))
        except (MlflowException, DataError) as error:
            failed = [f"cannot be judged: {error}"]
        tally.compare(list(candidate.failed), failed, f"unfit.{candidate.name}")
    yield tally


@contextmanager
def _champion_readable(row: Decision) -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        raise DataError(f"decision {row.id}: the champion of that time cannot be read from MLflow: {error}") from error


def _verdict(stored: Mapping[str, Any], row: Decision, before: list[Decision], verdict: Verdict) -> Iterator[Tally]:
    """The champion of that time, from the rows before the decision, then everything that was found."""
    reign, tally = reigns.reign_before(before, row.lane, row.as_of), Tally("champion of that time")
    found = reign.model_dump(mode="json") if reign else None
    tally.compare(stored["verdict"].get("champion"), found, "verdict.champion")
    yield tally
    tally = Tally("verdict")
    recorded = {name: value for name, value in stored["verdict"].items() if name != "champion"}
    tally.compare(recorded, verdict.model_dump(mode="json", exclude={"champion"}))
    yield tally


def _ruling(row: Decision, before: list[Decision], spec: ModelSpec, verdict: Verdict) -> Tally:
    """The decision itself; what people answered cannot be reproduced, only that they were asked."""
    ruling, tally = rule(spec, verdict, row.as_of, row.trained_through, row.lane, before), Tally("decision")
    if ruling.kind == "ask":
        answers = (ruling.if_approved, ruling.if_refused)
        tally.compare("ask" if row.kind in answers else row.kind, "ask", "decision.kind")
        tally.not_recorded.append("decision.reason (people were asked)")
        return tally
    after = champion_after(ruling.kind, row.challenger, verdict)
    recorded = {"kind": row.kind, "reason": row.reason, "champion_after": row.champion_after}
    tally.compare(recorded, {"kind": ruling.kind, "reason": ruling.reason, "champion_after": after})
    return tally
