"""A decision made again from what the ledger keeps of it: `titleholder reproduce`.

The nominated candidate is trained anew from the stored snapshot, spec and seed, takes the registered model's place
against the champion of that time, and is judged and ruled on anew. The other candidates are not trained again.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow.entities import RunData
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict, ValidationError

from titleholder.data import features, snapshots
from titleholder.errors import DataError, UsageError
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision
from titleholder.registry.models import Registry
from titleholder.settings import Settings, code_version
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline, search
from titleholder.training.search import Fitted
from titleholder.validation.metrics import Array
from titleholder.validation.verdict import Verdict
from titleholder.workflow.differences import Difference, Part, Tally
from titleholder.workflow.promotion import rule
from titleholder.workflow.scoring import SCORES_TAG, Contest, prepare, recorded_scores

if TYPE_CHECKING:
    import pandas as pd


class Library(BaseModel):
    """A library (or Python) that is not what it was when the model was trained."""

    model_config = ConfigDict(frozen=True)

    name: str
    then: str
    now: str


class Comparison(BaseModel):
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
    parts: tuple[Part, ...]
    differences: tuple[Difference, ...]
    not_recorded: tuple[str, ...]
    code_then: str
    code_now: str
    libraries: tuple[Library, ...]

    @property
    def same(self) -> bool:
        """Whether everything that was compared is the same, within tolerance."""
        return not any(p.different for p in self.parts)


def reproduce(number: int, *, settings: Settings, on_trial: Callable[[int, int], None] | None = None) -> Comparison:
    """Train, judge and rule again on a decision of the ledger, and compare every number with what was recorded.

    Raises:
        UsageError: for a decision that the ledger does not have, or a rollback.
        DataError: when the snapshot is gone or changed, or a model that is needed cannot be read.
    """
    row, before, stored = _read(number, settings.ledger_url)
    registry = Registry(settings.tracking_uri)
    spec = ModelSpec.restore(row.spec)
    run = registry.origin(row.model, row.challenger) or RunData()
    candidate = row.judged.candidate or run.tags.get("titleholder.candidate", "")
    if candidate not in spec.training.candidates:
        raise DataError(f"decision {number}: its spec has no candidate {candidate!r} to train again")
    whole = snapshots.frame(row.snapshot_uri, row.snapshot_sha256)
    rows = snapshots.part(whole, row.windows, spec.columns.event_time, "training")
    fitted = search.fit(rows, spec, candidate, on_trial)
    verdict = _judged(row, before, spec, registry, fitted)
    tallies = [
        _windows(stored, row, spec),
        *_training(fitted, spec, spec.training.candidates[candidate].estimator, rows, run),
        _model(row, spec, whole, fitted, registry),
        *_verdict(stored, row, before, verdict),
        _ruling(row, before, spec, verdict),
    ]
    return Comparison(
        decision=row.id,
        model=row.model,
        lane=row.lane,
        as_of=row.as_of,
        kind=row.kind,
        version=row.challenger,
        candidate=candidate,
        parts=tuple(t.part for t in tallies),
        differences=tuple(d for t in tallies for d in t.differences),
        not_recorded=tuple(path for t in tallies for path in t.not_recorded),
        code_then=row.code_version,
        code_now=code_version(),
        libraries=tuple(_changed(registry, row)),
    )


def _read(number: int, url: str) -> tuple[Decision, list[Decision], dict[str, Any]]:
    """The decision, the rows of its lane that were there before it, and the decision as the database has it."""
    try:
        row = store.decision(url, number)
        if row.kind == "rollback":
            raise UsageError(
                f"decision {number} is a rollback: nothing was trained or judged, nothing can be reproduced"
            )
        before = [r for r in store.read(url, row.model, row.lane) if r.sequence < row.sequence]
    except ValidationError as error:
        raise DataError(f"decision {number} cannot be read; `titleholder audit` says more: {error}") from error
    (stored,) = [r for r in store.stored(url, row.model, row.lane) if r["id"] == number]
    return row, before, stored


def _windows(stored: Mapping[str, Any], row: Decision, spec: ModelSpec) -> Tally:
    tally = Tally("windows")
    tally.compare(stored["spans"], windows.intervals(spec, row.as_of).model_dump(mode="json"))
    return tally


def _training(fitted: Fitted, spec: ModelSpec, estimator: str, rows: pd.DataFrame, run: RunData) -> Iterator[Tally]:
    """Against what the training run logged in MLflow, where parameters are texts."""
    metric = spec.judgement.metric
    tally = Tally("hyper-parameters")
    params = {**fitted.params, "estimator": estimator, "rows": len(rows)}
    recorded = {name: _parsed(run.params[name]) for name in run.params}
    tally.compare(recorded, {name: _parsed(str(value)) for name, value in params.items()}, "training.params")
    yield tally
    tally = Tally("scores on the folds")
    folds = {f"fold_{i}_{metric}": s for i, s in enumerate(fitted.fold_scores, start=1)}
    logged = {name: value for name, value in run.metrics.items() if name.startswith("fold")}
    tally.compare(logged, {f"folds_{metric}": fitted.score, **folds}, "training.metrics")
    yield tally
    yield _recorded(recorded_scores(fitted.pipeline, rows, spec), run.tags.get(SCORES_TAG))


def _recorded(scores: Array, text: str | None) -> Tally:
    tally, path = Tally("recorded scores"), "training.scores"
    if text is None:
        tally.not_recorded.append(path)
        return tally
    try:
        recorded = np.array(json.loads(text), dtype=np.float64)
    except (ValueError, TypeError):
        tally.compare(text, scores.tolist(), path)
    else:
        tally.compare_arrays(recorded, scores, path)
    return tally


def _parsed(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _model(row: Decision, spec: ModelSpec, whole: pd.DataFrame, fitted: Fitted, registry: Registry) -> Tally:
    """The registered model against the one trained again, on every row of the snapshot."""
    tally, X = Tally("registered model"), features.design_matrix(whole, spec)
    try:
        registered = pipeline.score(registry.load(row.model, row.challenger), X, spec)
    except Exception as error:  # whatever a model or its libraries raise: it is lost, the rest can be compared
        tally.compare(f"cannot be loaded: {type(error).__name__}: {error}", None, "model")
    else:
        tally.compare_arrays(registered, pipeline.score(fitted.pipeline, X, spec), "model.scores")
    return tally


def _judged(row: Decision, before: list[Decision], spec: ModelSpec, registry: Registry, fitted: Fitted) -> Verdict:
    contest = Contest.again(row).model_copy(update={"spec": spec})
    try:
        return prepare(contest, row.judged.champion, before, registry, fitted.pipeline).judge()
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
        tally.compare("ask" if row.kind in ("promote", "keep") else row.kind, "ask", "decision.kind")
        tally.not_recorded.append("decision.reason (people were asked)")
        return tally
    after = row.challenger if ruling.kind == "promote" else row.champion_before
    recorded = {"kind": row.kind, "reason": row.reason, "champion_after": row.champion_after}
    tally.compare(recorded, {"kind": ruling.kind, "reason": ruling.reason, "champion_after": after})
    return tally


def _changed(registry: Registry, row: Decision) -> Iterator[Library]:
    """Libraries that are not what the registered model says it was trained with."""
    try:
        then = registry.libraries(row.model, row.challenger)
    except (MlflowException, OSError, KeyError) as error:
        yield Library(name="(all)", then=f"not known: {error}", now="")
        return
    for name, known in then.items():
        if known != (now := _installed(name)):
            yield Library(name=name, then=known, now=now)


def _installed(name: str) -> str:
    try:
        return platform.python_version() if name == "python" else importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
