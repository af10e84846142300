"""A candidate of a run as the ledger keeps it: where its models are, and what their files were (pure)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class LoggedModel(BaseModel):
    """A model in MLflow: its address, `models:/<id>`, and the SHA-256 of each of its files by name.

    Whoever may write to MLflow can exchange the files, but not what is written here: nothing else is loaded.
    """

    model_config = ConfigDict(frozen=True)

    uri: str
    sha256: dict[str, str]


class Nominee(BaseModel):
    """A trained candidate: its training run, its model, and the twin that is judged in place of a refitted model."""

    model_config = ConfigDict(frozen=True)

    name: str
    run_id: str
    model: LoggedModel
    twin: LoggedModel | None = None
