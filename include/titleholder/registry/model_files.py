"""The files of a logged model: written with skops, and read back only where they are what was written.

MLflow's own loader does what the downloaded `MLmodel` says: it would unpickle where that says so. Here a model is read
from its skops file alone, whose SHA-256 the ledger knows, and only with types that this module or the spec names.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow.pyfunc
import yaml
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from titleholder.errors import DataError, TrainingError
from titleholder.registry import titleholder_pyfunc
from titleholder.spec.model import ModelSpec

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MODEL = "model.skops"
ENVIRONMENT, REQUIREMENTS, DESCRIPTION, CODE = "python_env.yaml", "requirements.txt", "MLmodel", "code"
PLAIN = frozenset({"numpy.dtype", "builtins.bytearray", "collections.OrderedDict"})
"""Types that hold values and do nothing, which skops asks about all the same."""
CALLS = frozenset({"functools.partial", "sklearn.utils.validation.check_array"})
"""How histogram-based trees keep the check of their categories: no other function can be called so."""
CLASSES_OF = ("sklearn", "scipy")
"""Libraries whose classes a fitted pipeline is made of."""


def write(folder: Path, pipeline: Pipeline, description: Model, spec: ModelSpec, estimator: str) -> dict[str, str]:
    """Write a pipeline and what a consumer needs to load it; returns the SHA-256 of each file, by its name.

    Raises:
        TrainingError: for a state that skops cannot write, or that it could not read back.
    """
    import skops.io  # with every estimator of scikit-learn: only what logs or reads a model waits for it
    from skops.io.exceptions import UnsupportedTypeException

    try:
        content = skops.io.dumps(pipeline)
        types = skops.io.get_untrusted_types(data=content)
    except (UnsupportedTypeException, TypeError, AttributeError) as error:
        raise TrainingError(f"{estimator} cannot be stored without pickle: {error}") from error
    if refused := _refused(types, _named(spec)):
        raise TrainingError(
            f"{estimator} cannot be stored: its state holds {', '.join(refused)}, which is no class of scikit-learn, "
            "scipy or its own package"
        )
    (folder / MODEL).write_bytes(content)
    (folder / REQUIREMENTS).write_text("\n".join(requirements(estimator, *types)), encoding="utf-8")
    environment = {"python": platform.python_version(), "dependencies": [f"-r {REQUIREMENTS}"]}
    (folder / ENVIRONMENT).write_text(yaml.safe_dump(environment), encoding="utf-8")
    mlflow.pyfunc.add_to_model(
        description,
        loader_module=titleholder_pyfunc.__name__.rpartition(".")[2],
        code=CODE,
        python_env=ENVIRONMENT,
    )
    (folder / CODE).mkdir()
    shutil.copy(titleholder_pyfunc.__file__, folder / CODE)
    description.add_flavor(
        "sklearn",
        pickled_model=MODEL,
        serialization_format="skops",
        sklearn_version=importlib.metadata.version("scikit-learn"),
        skops_trusted_types=types,
    )
    description.save(str(folder / DESCRIPTION))
    return sha256_of_files(folder)


def read(content: bytes, sha256: str, spec: ModelSpec, source: str) -> Pipeline:
    """The pipeline in a skops file. DataError where it is not the file that was written, or holds other types."""
    import skops.io

    if sha256_of(content) != sha256:
        raise DataError(f"{source}: {MODEL} is not what was logged. Nothing of it was loaded; restore the file.")
    types = skops.io.get_untrusted_types(data=content)
    if refused := _refused(types, _named(spec)):
        raise DataError(f"{source}: {MODEL} holds {', '.join(refused)}, which its spec does not name")
    pipeline: Pipeline = skops.io.loads(content, trusted=types)
    return pipeline


def sha256_of_files(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder, by its path in there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path.read_bytes()) for path in files}


def sha256_of(content: bytes) -> str:
    """The SHA-256 of a file's content, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def differing(found: Mapping[str, str], logged: Mapping[str, str]) -> list[str]:
    """The names of files that are not as they were logged, with those that are missing or were added.

    >>> differing({"MLmodel": "a1", "model.pkl": "b2"}, {"MLmodel": "a0", "model.skops": "c3"})
    ['MLmodel', 'model.pkl', 'model.skops']
    """
    return sorted(name for name in {*found, *logged} if found.get(name) != logged.get(name))


def _named(spec: ModelSpec) -> set[str]:
    """The packages of the classes that a spec names, but for the libraries that every model has."""
    packages = {_package(candidate.estimator) for candidate in spec.training.candidates.values()}
    return packages - {*CLASSES_OF, "numpy", *sys.stdlib_module_names}


def _refused(types: Iterable[str], packages: Collection[str]) -> list[str]:
    return [name for name in types if not _allowed(name, packages)]


def _allowed(name: str, packages: Collection[str]) -> bool:
    """Classes of these packages too, and no function of theirs: many call what they are given, or read a pickle."""
    if name in PLAIN or name in CALLS:
        return True
    module, _, attribute = name.rpartition(".")
    if _package(name) not in {*CLASSES_OF, *packages}:
        return False
    try:
        return isinstance(getattr(importlib.import_module(module), attribute), type)
    except (ImportError, AttributeError):
        return False


def _package(name: str) -> str:
    return name.partition(".")[0]


def signature(spec: ModelSpec) -> ModelSignature:
    """Numbers as double, categories as string; the answer is the probability of class 1, or the predicted value."""
    inputs: list[ColSpec | TensorSpec] = [ColSpec(kind, column) for column, kind in spec.columns.inputs.items()]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("double")]))


def requirements(*classes: str) -> list[str]:
    """What a consumer must install to load a model of these classes: exactly what it was trained with.

    A package that was not installed, such as a module in `include/`, has no version and is left out.
    """
    names = ["mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"]
    packages = {_package(path) for path in classes} - {"sklearn", *names, *sys.stdlib_module_names}
    known = _distributions() if packages else {}
    names += sorted(name for package in packages for name in known.get(package, []))
    return [f"{name}=={importlib.metadata.version(name)}" for name in dict.fromkeys(names)]


@lru_cache
def _distributions() -> Mapping[str, list[str]]:
    """The distributions of every package; it reads the list of files of each, which takes half a second."""
    return importlib.metadata.packages_distributions()
