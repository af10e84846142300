"""MLflow: runs, logged models, versions and the alias. Every creation is safe to repeat.

A creation is preceded by a search for the project's own key, because MLflow's client repeats a POST whose answer was
lost, and a killed task is started again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import mlflow.sklearn
import pandas as pd
import skops.io
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunData, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME

from titleholder.errors import ServiceError
from titleholder.registry import urls
from titleholder.spec.model import ModelSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

KEY = "titleholder.key"
DECISION = "titleholder.decision"
ALIAS = "champion"


def key_of(*parts: object) -> str:
    """The key of what these parts make, and nothing else does."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


class Registry:
    """One MLflow server. Its methods raise ServiceError when the server does not answer."""

    def __init__(self, tracking_uri: str) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self.uri = tracking_uri
        mlflow.set_tracking_uri(tracking_uri)
        self.client = MlflowClient(tracking_uri)
        self._read = lru_cache(maxsize=8)(mlflow.sklearn.load_model)  # a version never changes

    # runs

    def open_run(
        self, model: str, key: str, name: str, tags: Mapping[str, str], *, parent: str | None = None, note: str = ""
    ) -> str:
        """The run with this key, created if there is none yet; returns its id. The note of a decided run stays."""
        noted = {MLFLOW_RUN_NOTE: note} if note else {}
        with self._reachable():
            experiment = self._experiment(model)
            if found := self._runs_with(experiment, key):
                run_id = str(found[0].info.run_id)
                for tag, value in {**tags, **({} if DECISION in found[0].data.tags else noted)}.items():
                    self.client.set_tag(run_id, tag, value)
                return run_id
            all_tags = {**tags, **noted, KEY: key, MLFLOW_SOURCE_NAME: "titleholder"}
            if parent:
                all_tags[MLFLOW_PARENT_RUN_ID] = parent
            self.client.create_run(experiment, tags=all_tags, run_name=name)
            first, *twins = self._runs_with(experiment, key)
            for twin in twins:  # the client repeated its POST
                self.client.delete_run(twin.info.run_id)
            return str(first.info.run_id)

    def _experiment(self, model: str) -> str:
        if found := self.client.get_experiment_by_name(model):
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(model))
        except MlflowException:
            if found := self.client.get_experiment_by_name(model):  # another run was faster
                return str(found.experiment_id)
            raise

    def _runs_with(self, experiment: str, key: str) -> list[Run]:
        found = self.client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", order_by=["attribute.start_time ASC"])
        return list(found)

    @contextmanager
    def work_on(self, run_id: str) -> Iterator[None]:
        """The run is RUNNING inside; FAILED after an exception, else as it was left."""
        with self._reachable():
            self.client.update_run(run_id, status="RUNNING")
        try:
            yield
        except BaseException:
            with suppress(ServiceError), self._reachable():  # what went wrong is told, not that this went wrong too
                self.client.set_terminated(run_id, "FAILED")
            raise

    def finish(self, run_id: str) -> None:
        """Mark a run as done."""
        with self._reachable():
            self.client.set_terminated(run_id, "FINISHED")

    def tags(self, run_id: str) -> dict[str, str]:
        """A run's tags."""
        with self._reachable():
            return dict(self.client.get_run(run_id).data.tags)

    def annotate(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        note: str = "",
    ) -> None:
        """Log params and metrics, one call each, and tags; a note is the run's description in the UI."""
        now = int(time.time() * 1000)
        every = {**(tags or {}), **({MLFLOW_RUN_NOTE: note} if note else {})}
        with self._reachable():
            self.client.log_batch(
                run_id,
                metrics=[Metric(k, v, now, 0) for k, v in (metrics or {}).items()],
                params=[Param(k, str(v)) for k, v in (params or {}).items()],
                tags=[RunTag(k, str(v)) for k, v in every.items()],
            )

    def attach(
        self,
        run_id: str,
        *,
        figures: Mapping[str, Figure] | None = None,
        texts: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Log pictures, texts and other files as artifacts of a run, by file name, in one upload."""
        with tempfile.TemporaryDirectory(prefix="titleholder-") as folder:
            for name, figure in (figures or {}).items():
                figure.savefig(Path(folder) / name, dpi=110, bbox_inches="tight")
            for name, text in (texts or {}).items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            for name, content in (files or {}).items():
                (Path(folder) / name).write_bytes(content)
            with self._reachable():
                self.client.log_artifacts(run_id, folder)

    def attached(self, run_id: str, name: str, sha256: str) -> bytes | None:
        """An artifact of a run with this SHA-256; None where there is none, or another one."""
        with tempfile.TemporaryDirectory(prefix="titleholder-") as folder, self._reachable():
            if name not in [item.path for item in self.client.list_artifacts(run_id)]:
                return None
            content = Path(self.client.download_artifacts(run_id, name, folder)).read_bytes()
        return content if hashlib.sha256(content).hexdigest() == sha256 else None

    def log_dataset(self, run_id: str, frame: pd.DataFrame, *, name: str, uri: str, sha256: str, target: str) -> None:
        """Log the snapshot as the run's input, under its own digest (MLflow's own covers 10,000 rows only)."""
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # advice about schemas, which is not ours
            dataset = from_pandas(frame.head(1000), source=uri, targets=target, name=name, digest=sha256[:32])
            described = dataset._to_mlflow_entity()
        tags = {MLFLOW_DATASET_CONTEXT: "training", "sha256": sha256, "rows": str(len(frame))}
        entity = DatasetInput(described, tags=[InputTag(k, v) for k, v in tags.items()])
        with self._reachable():
            self.client.log_inputs(run_id, [entity])

    # models

    def log_model(self, run_id: str, pipeline: Pipeline, spec: ModelSpec, estimator: str) -> str:
        """Log a pipeline with signature, requirements and skops serialisation; returns `models:/<id>`.

        A model that an earlier try of the same task has already logged is reused.
        """
        with self._reachable():
            run = self.client.get_run(run_id)
            logged = self.client.search_logged_models(
                [run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
            )
            if ready := [m for m in logged if str(m.status) == "READY"]:
                return f"models:/{ready[0].model_id}"
            with mlflow.start_run(run_id=run_id):
                info = mlflow.sklearn.log_model(
                    pipeline,
                    name="model",
                    serialization_format="skops",
                    skops_trusted_types=skops.io.get_untrusted_types(data=skops.io.dumps(pipeline)),
                    signature=signature(spec),
                    pip_requirements=requirements(estimator),
                    pyfunc_predict_fn="predict_proba" if spec.task == "classification" else "predict",
                )
            return f"models:/{info.model_id}"

    def register(self, model: str, key: str, source: str, run_id: str, tags: Mapping[str, str], note: str) -> int:
        """The model version with this key, created if there is none yet; returns its number."""
        with self._reachable():
            self._registered_model(model)
            if found := self._versions_with(model, key):
                return int(found[0].version)
            self.client.create_model_version(
                model,
                source,
                run_id,
                tags={**tags, KEY: key},
                description=note,
                model_id=source.rpartition("/")[2],
                await_creation_for=0,
            )
            first, *twins = self._versions_with(model, key)
            for twin in twins:  # the client repeated its POST
                self.client.delete_model_version(model, twin.version)
            return int(first.version)

    def _registered_model(self, model: str) -> None:
        try:
            self.client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _versions_with(self, model: str, key: str) -> list[ModelVersion]:
        found = self.client.search_model_versions(f"name = '{model}' and tags.`{KEY}` = '{key}'")
        return sorted(found, key=lambda v: int(v.version))

    def load(self, model: str, version: int) -> Pipeline:
        """The pipeline of a version, read back from the registry."""
        with self._reachable():
            return self._read(f"models:/{model}/{version}")

    def origin(self, model: str, version: int) -> RunData | None:
        """Params, metrics and tags of the run that a version came from; None where it names none."""
        with self._reachable():
            run_id = self.client.get_model_version(model, str(version)).run_id
            return self.client.get_run(run_id).data if run_id else None

    def origin_tags(self, model: str, version: int) -> dict[str, str]:
        """Tags of the run that a version came from."""
        data = self.origin(model, version)
        return dict(data.tags) if data else {}

    def libraries(self, model: str, version: int) -> dict[str, str]:
        """What a version was trained with, as it says itself: Python, and each library to its version."""
        source = f"models:/{model}/{version}"
        with self._reachable():
            python = mlflow.models.get_model_info(source).flavors["python_function"]["python_version"]
            lines = mlflow.artifacts.load_text(f"{source}/requirements.txt").splitlines()
        pinned = (line.split("==") for line in lines if "==" in line)
        return {"python": python, **{name.strip(): number.strip() for name, number in pinned}}

    def tagged(self, tag: str) -> list[ModelVersion]:
        """Every version, of whatever model, that carries a tag."""
        found: list[ModelVersion] = []
        token: str | None = ""
        with self._reachable():
            while token is not None:
                page = self.client.search_model_versions(f"tags.`{tag}` != ''", page_token=token or None)
                found, token = [*found, *page], page.token or None
        return found

    def version_tags(self, model: str, version: int) -> dict[str, str]:
        """A version's tags."""
        with self._reachable():
            return dict(self.client.get_model_version(model, str(version)).tags)

    def tag_version(self, model: str, version: int, tags: Mapping[str, str], note: str = "") -> None:
        """Set tags of a version; a note is its description in the UI."""
        with self._reachable():
            for name, value in tags.items():
                self.client.set_model_version_tag(model, str(version), name, value)
            if note:
                self.client.update_model_version(model, str(version), note)

    def champion(self, model: str) -> int | None:
        """The version that the alias points at, if any."""
        with self._reachable():
            try:
                return int(self.client.get_model_version_by_alias(model, ALIAS).version)
            except MlflowException as error:
                if error.error_code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
                    return None
                raise

    def crown(self, model: str, version: int) -> None:
        """Point the alias at a version."""
        with self._reachable():
            self.client.set_registered_model_alias(model, ALIAS, str(version))

    # addresses for people

    def run_url(self, run_id: str) -> str:
        """Where a person sees a run."""
        return urls.run(self.uri, run_id)

    def artifact_url(self, run_id: str, path: str) -> str:
        """Where a person sees a file of a run."""
        with self._reachable():
            experiment = self.client.get_run(run_id).info.experiment_id
        return urls.artifact(self.uri, experiment, run_id, path)

    def version_url(self, model: str, version: int) -> str:
        """Where a person sees a version."""
        return urls.version(self.uri, model, version)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            if "API request" in str(error) or error.error_code == "TEMPORARILY_UNAVAILABLE":
                shown = urls.without_login(self.uri)
                said = str(error).replace(self.uri, shown)
                raise ServiceError(f"MLflow at {shown} does not answer: {said}. Locally: `make up`.") from error
            raise


def signature(spec: ModelSpec) -> ModelSignature:
    """Numbers as double, categories as string; the answer is one probability per class, or one value."""
    inputs: list[ColSpec | TensorSpec] = [ColSpec(kind, column) for column, kind in spec.columns.inputs.items()]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("double")]))


def requirements(estimator: str) -> list[str]:
    """What a consumer must install to load the model: exactly what it was trained with."""
    names = ["mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"]
    package = estimator.partition(".")[0]
    if package != "sklearn" and package not in sys.stdlib_module_names:  # the look-up reads every distribution's files
        names += [d for d in importlib.metadata.packages_distributions().get(package, []) if d not in names]
    return [f"{name}=={importlib.metadata.version(name)}" for name in dict.fromkeys(names)]
