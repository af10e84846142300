"""Models in MLflow: logged, registered as versions, read back, and the alias `champion`. Creations can be repeated."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow.artifacts
import yaml
from mlflow.entities import LoggedModelOutput, RunData
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from titleholder.errors import DataError
from titleholder.registry import model_files, urls
from titleholder.registry.names import ALIAS, KEY, LANE
from titleholder.registry.server import ABSENT, Server, gone_already, total_size
from titleholder.spec.model import ModelSpec

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

NOTE = (
    "Made by Titleholder. All lanes of decisions share one row of version numbers: those of the lane live have the tag "
    f"`{LANE}` = `live`, all others are trials. The version in use has the alias `{ALIAS}`."
)
"""The description of a registered model, where people choose a version."""
LARGEST = 8 * 1024**3
"""Bytes of all files of a logged model; skops reads it whole into memory."""
KEPT = 8
"""So many models are kept in memory once they were read."""


class Models:
    """The models of one server. Methods raise ServiceError where it does not answer."""

    def __init__(self, server: Server) -> None:
        self._server, self._client = server, server.client
        self._read: dict[tuple[str, str], Pipeline] = {}  # by address and SHA-256: these never change

    def log(
        self, run_id: str, pipeline: Pipeline, spec: ModelSpec, estimator: str, name: str = "model"
    ) -> tuple[str, dict[str, str]]:
        """Log a pipeline; returns `models:/<id>` and the SHA-256 of each of its files by name.

        A model of this name that an earlier try of the same task has left is deleted: what its files are is not known.
        Those of a run that has a version stay, because a decision may name them.
        """
        with self._server.reachable(), tempfile.TemporaryDirectory(prefix="titleholder-model-") as folder:
            run = self._client.get_run(run_id)
            experiment = run.info.experiment_id
            found = self._client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
            left = [model for model in found if model.name == name]
            if left and not self._client.search_model_versions(f"run_id = '{run_id}'"):
                for model in left:
                    self._client.delete_logged_model(model.model_id)
            logged = self._client.create_logged_model(experiment, name, run_id, params=run.data.params)
            described = Model(
                artifact_path=logged.artifact_location,
                model_uuid=logged.model_id,
                run_id=run_id,
                model_id=logged.model_id,
                signature=model_files.signature(spec),
            )
            sha256 = model_files.write(Path(folder), pipeline, described, spec, estimator)
            self._client.log_model_artifacts(logged.model_id, folder)
            self._client.finalize_logged_model(logged.model_id, "READY")
            self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        return f"models:/{logged.model_id}", sha256

    def register(self, model: str, key: str, source: str, run_id: str, tags: Mapping[str, str], note: str) -> int:
        """The version of this model with this key, created if there is none yet; returns its number.

        `source` is the address of the logged model: a version that somebody made of another one is not it.
        """
        with self._server.reachable():
            self._registered_model(model)
            if (found := self.find(model, key, source)) is not None:
                return found
            self._client.create_model_version(
                model,
                source,
                run_id,
                tags={**tags, KEY: key},
                description=note,
                model_id=source.rpartition("/")[2],
                await_creation_for=0,
            )
            first, *twins = self._with_key(model, key, source)
            for twin in twins:  # the client repeated its POST
                self._client.delete_model_version(model, twin.version)
            return int(first.version)

    def find(self, model: str, key: str, source: str) -> int | None:
        """The version with this key of the logged model at this address, if there is one."""
        with self._server.reachable():
            found = self._with_key(model, key, source)
            return int(found[0].version) if found else None

    def _registered_model(self, model: str) -> None:
        try:
            self._client.create_registered_model(model, description=NOTE)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _with_key(self, model: str, key: str, source: str) -> list[ModelVersion]:
        found = self._client.search_model_versions(f"name = '{model}' and tags.`{KEY}` = '{key}'")
        return sorted((v for v in found if v.source == source), key=lambda v: int(v.version))

    def read(self, uri: str, sha256: Mapping[str, str], spec: ModelSpec) -> Pipeline:
        """The pipeline that is logged at this address, where its file is the one that was logged.

        Raises:
            DataError: where it is another one or gone, or holds types that are neither scikit-learn's nor the spec's.
        """
        key = (uri, sha256.get(model_files.MODEL, ""))
        found = self._read.pop(key, None)
        if found is None:
            with self._server.reachable():
                found = model_files.read(self._file(uri, model_files.MODEL), key[1], spec, uri)
        self._read[key] = found  # the newest is last, and the one that was asked for longest ago goes first
        if len(self._read) > KEPT:
            del self._read[next(iter(self._read))]
        return found

    def _file(self, uri: str, name: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="titleholder-model-") as folder:
            return self._download(uri, name, folder).read_bytes()

    def _download(self, uri: str, name: str, folder: str) -> Path:
        """A file of a model, or with an empty name all. DataError where it is gone, or too large to be a model."""
        number = uri.rpartition("/")[2]
        listed = partial(self._client.list_logged_model_artifacts, number)
        try:
            location = self._client.get_logged_model(number).artifact_location
            wanted = [file for file in listed(None) if name in ("", file.path)]
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise
            wanted = []
        if not wanted:
            raise DataError(f"{uri}/{name} is gone from MLflow. Restore it from a backup of its artifacts")
        size = total_size(lambda folder: wanted if folder is None else listed(folder))
        if size > LARGEST:
            raise DataError(f"{uri} has {size:,} bytes in MLflow, more than the {LARGEST:,} of any model. Restore it")
        return Path(mlflow.artifacts.download_artifacts(f"{location}/{name}", dst_path=folder))

    def files(self, uri: str) -> dict[str, str]:
        """The SHA-256 of each file of a logged model as it is now, by name. DataError as in `read`."""
        with self._server.reachable(), tempfile.TemporaryDirectory(prefix="titleholder-model-") as folder:
            return model_files.sha256_of_files(self._download(uri, "", folder))

    def holds(self, uri: str, sha256: Mapping[str, str]) -> bool:
        """Whether the files of a logged model are these, and no others; not where it is gone."""
        try:
            return self.files(uri) == sha256
        except DataError:
            return False

    def source(self, model: str, version: int) -> str:
        """The address of the logged model that consumers of a version are given."""
        with self._server.reachable():
            return str(self._client.get_model_version(model, str(version)).source)

    def training_run(self, model: str, version: int) -> RunData | None:
        """Params, metrics and tags of the run that trained a version; None where it names none."""
        with self._server.reachable():
            run_id = self._client.get_model_version(model, str(version)).run_id
            return self._client.get_run(run_id).data if run_id else None

    def libraries(self, model: str, version: int) -> dict[str, str]:
        """What a version was trained with, by its own record: Python, and each library to its version."""
        source = f"models:/{model}/{version}"
        with self._server.reachable():
            described = yaml.safe_load(mlflow.artifacts.load_text(f"{source}/MLmodel"))
            lines = mlflow.artifacts.load_text(f"{source}/requirements.txt").splitlines()
        python = described["flavors"]["python_function"]["python_version"]
        pinned = (line.split("==") for line in lines if "==" in line)
        return {"python": python, **{name.strip(): number.strip() for name, number in pinned}}

    def tagged(self, tag: str) -> list[ModelVersion]:
        """Every version, of whatever model, that carries a tag."""
        return self._found(f"tags.`{tag}` != ''")

    def _found(self, query: str) -> list[ModelVersion]:
        found: list[ModelVersion] = []
        token: str | None = ""
        with self._server.reachable():
            while token is not None:
                page = self._client.search_model_versions(query, page_token=token or None)
                found, token = [*found, *page], page.token or None
        return found

    def delete(self, model: str, versions: Collection[int], keep: Collection[int]) -> tuple[int, dict[int, str]]:
        """Delete these versions but for those to keep and those with an alias; returns how many, and the others' runs.

        Versions that do not exist, because an earlier try has deleted them, are left out.
        """
        chosen = {int(v.version): v for v in self._found(f"name = '{model}'") if int(v.version) in versions}
        if not chosen:
            return 0, {}
        with self._server.reachable():
            aliases = self._client.get_registered_model(model).aliases  # a search of versions leaves them out
            stay = {*keep, *map(int, aliases.values())}
            for number in chosen.keys() - stay:
                with gone_already():
                    self._client.delete_model_version(model, str(number))
        kept = {number: found.run_id or "" for number, found in chosen.items() if number in stay}
        return len(chosen) - len(kept), kept

    def tags(self, model: str, version: int) -> dict[str, str]:
        """A version's tags."""
        with self._server.reachable():
            return dict(self._client.get_model_version(model, str(version)).tags)

    def tags_in_lane(self, model: str, lane: str) -> dict[int, dict[str, str]]:
        """The tags of each version that was trained in a lane."""
        return {int(v.version): dict(v.tags) for v in self._found(f"name = '{model}' and tags.`{LANE}` = '{lane}'")}

    def set_tags(self, model: str, version: int, tags: Mapping[str, str], note: str = "") -> None:
        """Set tags of a version; a note is its description in the UI."""
        with self._server.reachable():
            for name, value in tags.items():
                self._client.set_model_version_tag(model, str(version), name, value)
            if note:
                self._client.update_model_version(model, str(version), note)

    def champion(self, model: str) -> int | None:
        """The version that the alias points at, if any."""
        with self._server.reachable():
            try:
                return int(self._client.get_model_version_by_alias(model, ALIAS).version)
            except MlflowException as error:
                if error.error_code in ABSENT:
                    return None
                raise

    def set_champion(self, model: str, version: int) -> None:
        """Point the alias at a version."""
        with self._server.reachable():
            self._client.set_registered_model_alias(model, ALIAS, str(version))

    def remove_champion(self, model: str) -> None:
        """Take the alias away."""
        with self._server.reachable():
            self._client.delete_registered_model_alias(model, ALIAS)

    def url(self, model: str, version: int) -> str:
        """Where a person sees a version."""
        return urls.version(self._server.uri, model, version)

    def of_model(self, model: str) -> list[ModelVersion]:
        """Every version of a model, without aliases."""
        return self._found(f"name = '{model}'")

    def aliased(self, model: str) -> set[int]:
        """The versions that any alias points at."""
        with self._server.reachable():
            try:
                return set(map(int, self._client.get_registered_model(model).aliases.values()))
            except MlflowException as error:
                if error.error_code in ABSENT:
                    return set()
                raise
