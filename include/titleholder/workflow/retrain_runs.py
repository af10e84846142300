"""The MLflow runs of a retrain: one for its snapshot, and below it one for each candidate with what it made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from titleholder.data import snapshots
from titleholder.data.scores import ScoreStore
from titleholder.errors import ServiceError, TrainingError
from titleholder.ledger.nominee import LoggedModel, Nominee
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.registry.runs import DATASET_ROWS
from titleholder.spec import windows
from titleholder.training import memory
from titleholder.workflow import fitting, publication, warm_start
from titleholder.workflow.payloads import Donor, Snapshot
from titleholder.workflow.scorer import RELOADED_ROWS, store_training_scores
from titleholder.workflow.trained_versions import training_keys
from titleholder.workflow.training_record import TrainingRecord, run_key

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from titleholder.data.snapshots import Extract


def open_run(snapshot: Snapshot, taken: Extract, registry: Registry) -> str:
    """The id of the MLflow run of a retrain, with the dataset of its snapshot; its candidates' runs are below it."""
    spec, runs = snapshot.spec, registry.runs
    name = f"{spec.name} {snapshot.as_of}"
    remarks = " ".join(windows.remarks(spec, snapshot.spans))
    note = publication.run_note(spec.name, snapshot.as_of, snapshot.lane, snapshot.origin, remarks)
    run_id = runs.open(spec.name, snapshot.key, f"{name} {snapshot.lane}", _tags(snapshot), note=note)
    with runs.running(run_id):
        head = next(taken.batches(taken.columns, DATASET_ROWS))
        runs.log_dataset(
            run_id, head, rows=taken.rows, name=name, uri=taken.uri, sha256=taken.sha256, target=spec.columns.target
        )
        runs.annotate(run_id, params=_params(snapshot))
    return run_id


def open_candidate_run(snapshot: Snapshot, name: str, registry: Registry) -> str:
    """The id of the MLflow run of a candidate; a second try finds the one of the first."""
    note = publication.linked({publication.AIRFLOW: snapshot.origin.url})
    tags = _tags(snapshot, candidate=name)
    return registry.runs.open(snapshot.model, run_key(snapshot, name), name, tags, parent=snapshot.run_id, note=note)


@contextmanager
def training(snapshot: Snapshot, run_id: str, registry: Registry) -> Iterator[None]:
    """The run of a candidate is RUNNING inside, and FAILED after an exception.

    The run of the retrain fails with the last of its candidates. It is RUNNING again where one that is tried again
    succeeds, from the validation on.
    """
    try:
        with registry.runs.running(run_id):
            yield
    except BaseException:
        with suppress(ServiceError):  # the first error is raised, not this one
            if registry.runs.all_failed(snapshot.model, snapshot.run_id, snapshot.candidates):
                registry.runs.fail(snapshot.run_id)
        raise


@contextmanager
def failing(snapshot: Snapshot, registry: Registry) -> Iterator[None]:
    """After an exception the run of the retrain is FAILED, unless a challenger is registered in it."""
    try:
        yield
    except BaseException:
        with suppress(ServiceError):
            registry.runs.fail(snapshot.run_id)
        raise


def fit_and_store(
    snapshot: Snapshot,
    name: str,
    run_id: str,
    scores: ScoreStore,
    registry: Registry,
    decided: Nominee | None,
    *,
    on_trial: Callable[[int, int], None] | None,
    connections: fitting.Connections,
) -> TrainingRecord:
    """Fit a candidate on its snapshot, log its models, and store the scores that show later that these answer so.

    The record is stored last, in the file of these scores: without it a second try trains again. Models that were
    `decided` about are not logged again.

    Raises:
        TrainingError: when it cannot be fitted, or when its rows do not fit the memory that there is.
    """
    spec = snapshot.spec
    if short := memory.shortage(spec, name, snapshot.rows):
        raise TrainingError(short)
    start = warm_start.start(spec, snapshot.as_of, _donors(snapshot, name))
    with snapshots.opened(snapshot.uri, snapshot.sha256) as extract:
        models = fitting.fit(
            spec, name, extract, snapshot.spans, start=start, on_trial=on_trial, connections=connections
        )
        fitted, rows = models.fitted, models.rows
        nominee = decided or _logged(snapshot, name, run_id, models, registry)
        record = TrainingRecord(key=run_key(snapshot, name), nominee=nominee, score=fitted.score)
        key, *refit_keys = training_keys(spec, nominee.run_id, snapshot.sha256)
        if fitted.out_of_fold:
            scores.store_folds(key, rows[fitted.out_of_fold.rows], fitted.out_of_fold.scores)
        if models.refit is not None:
            store_training_scores(scores, refit_keys[0], models.refit, spec, extract, rows[:RELOADED_ROWS])
        store_training_scores(scores, key, fitted.pipeline, spec, extract, rows, record.model_dump_json())
    return record


def _logged(snapshot: Snapshot, name: str, run_id: str, models: fitting.FittedModels, registry: Registry) -> Nominee:
    """Log what was fitted and how; in a new run where an earlier try died after it had logged other parameters.

    The earlier run gives up its key, and keeps what it has: a version of its model may wait for approval.
    """
    spec, estimator, fitted = snapshot.spec, snapshot.spec.training.candidates[name].estimator, models.fitted
    params = {**fitted.params, "estimator": estimator, "rows": len(models.rows), **models.engine}
    if not registry.runs.takes(run_id, params):
        registry.runs.annotate(run_id, tags={names.KEY: f"{run_key(snapshot, name)}:{run_id}"})
        run_id = open_candidate_run(snapshot, name, registry)
    registry.runs.annotate(
        run_id,
        params=params,
        metrics=fitted.recorded_scores,
        curves=fitted.recorded_trials,
        tags=warm_start.recorded(_donors(snapshot, name)),
    )

    def logged(pipeline: Pipeline, called: str = "model") -> LoggedModel:
        uri, sha256 = registry.models.log(run_id, pipeline, spec, estimator, called)
        return LoggedModel(uri=uri, sha256=sha256)

    if models.refit is None:
        return Nominee(name=name, run_id=run_id, model=logged(fitted.pipeline))
    twin = logged(fitted.pipeline, "twin")
    return Nominee(name=name, run_id=run_id, model=logged(models.refit), twin=twin)


def _donors(snapshot: Snapshot, name: str) -> list[Donor]:
    """The earlier versions from whose parameters this candidate's search starts."""
    return [donor for donor in snapshot.donors if donor.candidate == name]


def _tags(snapshot: Snapshot, **more: str) -> dict[str, str]:
    origin = snapshot.origin
    return names.tags(
        model=snapshot.model,
        as_of=snapshot.as_of,
        lane=snapshot.lane,
        code_version=origin.code_version,
        actor=origin.actor,
        asked_because=origin.reason,
        airflow_run=origin.airflow_run,
        airflow_url=origin.url,
        **more,
    )


def _params(snapshot: Snapshot) -> dict[str, Any]:
    spec = snapshot.spec
    return {
        "as_of": snapshot.as_of,
        "lane": snapshot.lane,
        "snapshot_sha256": snapshot.sha256,
        "rows": snapshot.rows,
        "seed": spec.training.seed,
        **snapshot.spans.model_dump(exclude_none=True, exclude={"undeclared"}),
        "search_metric": spec.search_metric,
    }
