"""Models in MLflow: logged, registered as versions, read back, and the alias `champion`. Creations can be repeated."""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import mlflow
import mlflow.sklearn
import yaml
from mlflow.entities import RunData
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from titleholder.registry import urls
from titleholder.registry.names import ALIAS, KEY, LANE
from titleholder.registry.server import ABSENT, Server
from titleholder.spec.model import ModelSpec

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

NOTE = (
    "Made by Titleholder. All lanes of decisions share one row of version numbers: those of the lane live have the tag "
    f"`{LANE}` = `live`, all others are trials. The version in use has the alias `{ALIAS}`."
)
"""The description of a registered model, where people choose a version."""


class Models:
    """The models of one server. Methods raise ServiceError where it does not answer."""

    def __init__(self, server: Server) -> None:
        self._server, self._client = server, server.client
        self._read = lru_cache(maxsize=8)(_download_and_load)  # a version never changes

    def log(self, run_id: str, pipeline: Pipeline, spec: ModelSpec, estimator: str, name: str = "model") -> str:
        """Log a pipeline with signature, requirements and skops serialisation; returns `models:/<id>`.

        A model of this name that an earlier try of the same task has already logged is reused.
        """
        with self._server.reachable():
            run = self._client.get_run(run_id)
            logged = self._client.search_logged_models(
                [run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
            )
            if ready := [m for m in logged if str(m.status) == "READY" and m.name == name]:
                return f"models:/{ready[0].model_id}"
            import skops.io  # with every estimator of scikit-learn: only what logs a model waits for it

            types = skops.io.get_untrusted_types(data=skops.io.dumps(pipeline))
            with mlflow.start_run(run_id=run_id):
                info = mlflow.sklearn.log_model(
                    pipeline,
                    name=name,
                    serialization_format="skops",
                    skops_trusted_types=types,
                    signature=signature(spec),
                    pip_requirements=requirements(estimator, *types),
                    pyfunc_predict_fn="predict_proba" if spec.task == "classification" else "predict",
                )
            return f"models:/{info.model_id}"

    def register(self, model: str, key: str, source: str, run_id: str, tags: Mapping[str, str], note: str) -> int:
        """The model version with this key, created if there is none yet; returns its number."""
        with self._server.reachable():
            self._registered_model(model)
            if (found := self.find(model, key)) is not None:
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
            first, *twins = self._with_key(model, key)
            for twin in twins:  # the client repeated its POST
                self._client.delete_model_version(model, twin.version)
            return int(first.version)

    def find(self, model: str, key: str) -> int | None:
        """The version with this key, if there is one."""
        with self._server.reachable():
            found = self._with_key(model, key)
            return int(found[0].version) if found else None

    def _registered_model(self, model: str) -> None:
        try:
            self._client.create_registered_model(model, description=NOTE)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _with_key(self, model: str, key: str) -> list[ModelVersion]:
        found = self._client.search_model_versions(f"name = '{model}' and tags.`{KEY}` = '{key}'")
        return sorted(found, key=lambda v: int(v.version))

    def load(self, model: str, version: int) -> Pipeline:
        """The pipeline of a version, read back from the registry."""
        return self.read(f"models:/{model}/{version}")

    def read(self, uri: str) -> Pipeline:
        """The pipeline that is logged at this address, read back."""
        with self._server.reachable():
            return self._read(uri)

    def run_id(self, model: str, version: int) -> str:
        """The run that trained a version; empty where it names none."""
        with self._server.reachable():
            return self._client.get_model_version(model, str(version)).run_id or ""

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
                self._client.delete_model_version(model, str(number))
        kept = {number: found.run_id or "" for number, found in chosen.items() if number in stay}
        return len(chosen) - len(kept), kept

    def tags(self, model: str, version: int) -> dict[str, str]:
        """A version's tags."""
        with self._server.reachable():
            return dict(self._client.get_model_version(model, str(version)).tags)

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


def _download_and_load(source: str) -> Pipeline:
    """MLflow itself would leave the downloaded files behind in the temporary folder."""
    with tempfile.TemporaryDirectory(prefix="titleholder-model-") as folder:
        return mlflow.sklearn.load_model(source, dst_path=folder)


def signature(spec: ModelSpec) -> ModelSignature:
    """Numbers as double, categories as string; the answer is one probability per class, or one value."""
    inputs: list[ColSpec | TensorSpec] = [ColSpec(kind, column) for column, kind in spec.columns.inputs.items()]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("double")]))


def requirements(*classes: str) -> list[str]:
    """What a consumer must install to load a model of these classes: exactly what it was trained with.

    A package that was not installed, such as a module in `include/`, has no version and is left out.
    """
    names = ["mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"]
    packages = {path.partition(".")[0] for path in classes} - {"sklearn", *names, *sys.stdlib_module_names}
    known = _distributions() if packages else {}
    names += sorted(name for package in packages for name in known.get(package, []))
    return [f"{name}=={importlib.metadata.version(name)}" for name in dict.fromkeys(names)]


@lru_cache
def _distributions() -> Mapping[str, list[str]]:
    """The distributions of every package; it reads the list of files of each, which takes half a second."""
    return importlib.metadata.packages_distributions()
