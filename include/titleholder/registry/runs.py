"""Runs in MLflow: found by key or created, annotated, and with files attached. Every creation is safe to repeat.

A creation is preceded by a search for the project's own key, because MLflow's client repeats a POST whose answer was
lost, and a killed task is started again.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException, RestException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

from titleholder.errors import ServiceError
from titleholder.registry import urls
from titleholder.registry.names import CANDIDATE, CHALLENGER, DECISION, KEY, KIND, LANE, LARGEST_REPORT
from titleholder.registry.server import Server, gone_already, total_size

DATASET_ROWS = 1000
"""MLflow looks at so many rows for the schema of a dataset."""


def key_of(*parts: object) -> str:
    """The key of what these parts make, and nothing else does.

    >>> key_of("model", "live") == key_of("model", "live")
    True
    """
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


class Runs:
    """The runs of one server. Methods raise ServiceError where it does not answer."""

    def __init__(self, server: Server) -> None:
        self._server, self._client = server, server.client

    def open(
        self, model: str, key: str, name: str, tags: Mapping[str, str], *, parent: str | None = None, note: str = ""
    ) -> str:
        """The run with this key, created if there is none yet; returns its id. The note of a decided run stays."""
        noted = {MLFLOW_RUN_NOTE: note} if note else {}
        with self._server.reachable():
            experiment = self._experiment(model)
            if found := self._with_key(experiment, key):
                run_id = str(found[0].info.run_id)
                changed = {**tags, **({} if DECISION in found[0].data.tags else noted)}
                self._client.log_batch(run_id, tags=[RunTag(name, value) for name, value in changed.items()])
                return run_id
            all_tags = {**tags, **noted, KEY: key, MLFLOW_SOURCE_NAME: "titleholder"}
            if parent:
                all_tags[MLFLOW_PARENT_RUN_ID] = parent
            self._client.create_run(experiment, tags=all_tags, run_name=name)
            first, *twins = self._with_key(experiment, key)
            for twin in twins:  # the client repeated its POST
                self._client.delete_run(twin.info.run_id)
            return str(first.info.run_id)

    def _experiment(self, model: str) -> str:
        if found := self._client.get_experiment_by_name(model):
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(model))
        except MlflowException:
            if found := self._client.get_experiment_by_name(model):  # another run was faster
                return str(found.experiment_id)
            raise

    def _with_key(self, experiment: str, key: str) -> list[Run]:
        found = self._client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", order_by=["attribute.start_time ASC"])
        return list(found)

    @contextmanager
    def running(self, run_id: str) -> Iterator[None]:
        """The run is RUNNING inside; FAILED after an exception, else as it was left."""
        with self._server.reachable():
            self._client.update_run(run_id, status="RUNNING")
        try:
            yield
        except BaseException:
            with suppress(ServiceError), self._server.reachable():  # the first error is raised, not this one
                self._client.set_terminated(run_id, "FAILED")
            raise

    def finish(self, run_id: str) -> None:
        """Mark a run as done."""
        with self._server.reachable():
            self._client.set_terminated(run_id, "FINISHED")

    def under_way(self, model: str, lane: str, *, since: float) -> bool:
        """Whether a retrain of a lane has not ended that was created since (seconds since 1970)."""
        started = f"attributes.status = 'RUNNING' and attributes.start_time >= {since * 1000:.0f}"
        wanted = f"tags.`{LANE}` = '{lane}' and {started}"
        with self._server.reachable():
            experiment = self._experiment(model)
            found = _pages(lambda token: self._client.search_runs([experiment], wanted, page_token=token))
            return any(not _parent(run) and KIND not in run.data.tags for run in found)

    def all_failed(self, model: str, run_id: str, candidates: Collection[str]) -> bool:
        """Whether the newest run nested in a run has failed, for each of these candidates."""
        nested = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'"
        with self._server.reachable():
            found = self._client.search_runs([self._experiment(model)], nested, order_by=["attribute.start_time ASC"])
        ended = {run.data.tags.get(CANDIDATE): run.info.status for run in found}
        return all(ended.get(name) == "FAILED" for name in candidates)

    def fail(self, run_id: str) -> None:
        """Mark the run of a retrain as failed, unless it is deleted or has a challenger: that may wait for approval."""
        with self._server.reachable(), gone_already():
            run = self._client.get_run(run_id)
            if run.info.lifecycle_stage == "active" and CHALLENGER not in run.data.tags:
                self._client.set_terminated(run_id, "FAILED")

    def end_nested(self, model: str, run_id: str) -> None:
        """Mark the runs nested in a run that are still open as killed: nothing works on them any more."""
        with self._server.reachable():
            nested = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}' and attributes.status = 'RUNNING'"
            for left in self._client.search_runs([self._experiment(model)], nested):
                self._client.set_terminated(left.info.run_id, "KILLED")

    def delete(self, model: str, runs: Collection[str], keep: Collection[str]) -> int:
        """Delete these runs, those nested in them, and the models logged by all, but for those to keep.

        Returns how many runs. Those that do not exist, because an earlier try has deleted them, are left out.
        """
        with self._server.reachable():
            experiment = self._experiment(model)
            every = _pages(lambda token: self._client.search_runs([experiment], page_token=token))
            gone = {run.info.run_id for run in every if {run.info.run_id, _parent(run)} & set(runs)} - set(keep)
            for logged in _pages(lambda token: self._client.search_logged_models([experiment], page_token=token)):
                if logged.source_run_id in gone:
                    with gone_already():
                        self._client.delete_logged_model(logged.model_id)
            for run_id in gone:
                with gone_already():
                    self._client.delete_run(run_id)
        return len(gone)

    def tags(self, run_id: str) -> dict[str, str]:
        """A run's tags."""
        with self._server.reachable():
            return dict(self._client.get_run(run_id).data.tags)

    def takes(self, run_id: str, params: Mapping[str, Any]) -> bool:
        """Whether a run can have these parameters: MLflow lets none change that was logged before."""
        with self._server.reachable():
            known = self._client.get_run(run_id).data.params
        return all(str(params[k])[:MAX_PARAM_VAL_LENGTH] == known[k] for k in known.keys() & params.keys())

    def annotate(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        curves: Mapping[str, Sequence[float]] | None = None,
        tags: Mapping[str, str] | None = None,
        note: str = "",
    ) -> None:
        """Log params, metrics and tags in one call; a note is the run's description in the UI.

        A curve is a metric with a value for each step, from 1 on, which the UI draws.
        """
        now = int(time.time() * 1000)
        every = {**(tags or {}), **({MLFLOW_RUN_NOTE: note} if note else {})}
        with self._server.reachable():
            self._client.log_batch(
                run_id,
                metrics=[
                    *(Metric(k, v, now, 0) for k, v in (metrics or {}).items()),
                    *(Metric(k, v, now, n) for k, each in (curves or {}).items() for n, v in enumerate(each, start=1)),
                ],
                params=[Param(k, str(v)) for k, v in (params or {}).items()],
                tags=[RunTag(k, str(v)) for k, v in every.items()],
            )

    def attach(self, run_id: str, texts: Mapping[str, str]) -> None:
        """Log texts as artifacts of a run, by file name, in one upload."""
        with tempfile.TemporaryDirectory(prefix="titleholder-") as folder:
            for name, text in texts.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            with self._server.reachable():
                self._client.log_artifacts(run_id, folder)

    def sha256(self, run_id: str, files: Collection[str]) -> dict[str, str]:
        """The SHA-256 of those of these reports that exist; empty for one larger than `LARGEST_REPORT`."""
        found: dict[str, str] = {}
        with self._server.reachable(), tempfile.TemporaryDirectory(prefix="titleholder-") as folder:
            for known in self._client.list_artifacts(run_id):
                if known.path in files and not known.is_dir:
                    whole = (known.file_size or 0) <= LARGEST_REPORT
                    path = self._client.download_artifacts(run_id, known.path, folder) if whole else ""
                    found[known.path] = hashlib.sha256(Path(path).read_bytes()).hexdigest() if whole else ""
        return found

    def log_dataset(
        self, run_id: str, frame: pd.DataFrame, *, rows: int, name: str, uri: str, sha256: str, target: str
    ) -> None:
        """Log a snapshot of so many rows as the run's input, under its own digest (MLflow's covers 10,000 rows only).

        `frame` has its first rows.
        """
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # advice about schemas, which is not ours
            head = frame.head(DATASET_ROWS)
            dataset = from_pandas(head, source=uri, targets=target, name=name, digest=sha256[:32])
            described = dataset._to_mlflow_entity()
        tags = {MLFLOW_DATASET_CONTEXT: "training", "sha256": sha256, "rows": str(rows)}
        entity = DatasetInput(described, tags=[InputTag(k, v) for k, v in tags.items()])
        with self._server.reachable():
            try:
                self._client.log_inputs(run_id, [entity])
            except RestException as error:
                if "already exists" not in str(error):
                    raise
                self._client.log_inputs(run_id, [entity])  # another run added the same snapshot at that very moment

    def url(self, run_id: str) -> str:
        """Where a person sees a run."""
        return urls.run(self._server.uri, run_id)

    def artifact_url(self, run_id: str, path: str) -> str:
        """Where a person sees a file of a run."""
        with self._server.reachable():
            experiment = self._client.get_run(run_id).info.experiment_id
        return urls.artifact(self._server.uri, experiment, run_id, path)

    def of_model(self, model: str) -> list[RunRecord]:
        """Every run of a model's experiment that is not deleted; none where there is no such experiment."""
        with self._server.reachable():
            experiment = self._client.get_experiment_by_name(model)
            if experiment is None:
                return []
            found = _pages(lambda token: self._client.search_runs([experiment.experiment_id], page_token=token))
            return [_record(run) for run in found]

    def size(self, run_id: str) -> int:
        """The bytes of a run's files and of the models that it logged."""
        with self._server.reachable():
            experiment = self._client.get_run(run_id).info.experiment_id
            logged = self._client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
            lists = [partial(self._client.list_artifacts, run_id)]
            lists += [partial(self._client.list_logged_model_artifacts, model.model_id) for model in logged]
            return sum(map(total_size, lists))


class RunRecord(NamedTuple):
    """A run as it is listed: `parent` is the run around it, or empty; `changed_at` is in seconds since 1970."""

    run_id: str
    parent: str
    status: str
    changed_at: float
    tags: Mapping[str, str]
    params: Mapping[str, str]

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status not in ("FINISHED", "FAILED", "KILLED")


def _record(run: Run) -> RunRecord:
    changed = max(run.info.start_time or 0, run.info.end_time or 0) / 1000
    return RunRecord(run.info.run_id, _parent(run), run.info.status, changed, run.data.tags, run.data.params)


def _pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """Everything that a search finds, page by page."""
    page = search(None)
    yield from page
    while page.token:
        page = search(page.token)
        yield from page


def _parent(run: Run) -> str:
    """The run that a run is nested in; empty where it is in none."""
    return str(run.data.tags.get(MLFLOW_PARENT_RUN_ID, ""))
