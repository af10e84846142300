"""Libraries that are not what they were when a model was trained."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator

from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict

from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry


class Library(BaseModel):
    """A library (or Python) that is not what it was when the model was trained."""

    model_config = ConfigDict(frozen=True)

    name: str
    then: str
    now: str


def changed_libraries(registry: Registry, row: Decision) -> Iterator[Library]:
    """Libraries that are not what the registered model says it was trained with."""
    try:
        then = registry.models.libraries(row.model, row.challenger)
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
