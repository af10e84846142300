"""A candidate of a run as the ledger keeps it: where its models are, and what their files were (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from titleholder.errors import DataError


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

    @property
    def models(self) -> list[LoggedModel]:
        """The model, and the twin where there is one."""
        return [self.model, *([self.twin] if self.twin else [])]


def judged_of(nominees: Sequence[Nominee], training_run_id: str) -> Nominee:
    """Which of a run's candidates was judged: the one of this training run. DataError where there is none."""
    for nominee in nominees:
        if nominee.run_id == training_run_id:
            return nominee
    raise DataError(f"no candidate of the decision was trained by run {training_run_id}")
