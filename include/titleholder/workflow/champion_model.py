"""The champion as its consumers use it: read from the registry only if its file is the one that the ledger knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from titleholder.data.scores import Array
from titleholder.errors import UsageError
from titleholder.ledger import reigns, store
from titleholder.registry.client import registry_at
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.scoring import ReasonsAsked
from titleholder.spec.types import LIVE
from titleholder.training import pipeline
from titleholder.training.reasons import Reasons
from titleholder.workflow.trained_versions import TrainedVersion, trained_versions

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline


class ChampionModel(NamedTuple):
    """A version, the spec under which it was trained, and its fitted pipeline.

    The version comes from the ledger, never from the alias in MLflow, and stays what it is when the champion changes.
    """

    version: int
    spec: ModelSpec
    pipeline: Pipeline

    @classmethod
    def live(cls, model: str, settings: Settings, version: int | None = None) -> Self:
        """The live champion, or a version that once was.

        Raises:
            UsageError: the model has no champion, or this version never was.
            DataError: the model in MLflow is not the one that was logged, or is gone.
        """
        return cls.of(_version(model, version, settings.ledger_url), settings)

    @classmethod
    def of(cls, trained: TrainedVersion, settings: Settings) -> Self:
        """The registered model of a version.

        Raises:
            DataError: the model in MLflow is not the one that was logged, or is gone.
        """
        # the registered model of a version is its nominee's `model`; a twin is kept for judging alone
        logged = trained.nominee.model
        read = registry_at(settings.tracking_uri).models.read(logged.uri, logged.sha256, trained.spec)
        return cls(trained.version, trained.spec, read)

    def scores(self, rows: pd.DataFrame) -> Array:
        """The probability of class 1, or the predicted value, of rows in the form of `features.design_matrix`;
        float64 of shape (rows,)."""
        return pipeline.score(self.pipeline, rows[self.spec.columns.features], self.spec)

    def known_categories(self) -> dict[str, tuple[str, ...]]:
        """The categories that the training rows of the version had, by feature."""
        return pipeline.known_categories(self.pipeline, self.spec)

    def reasons(self, asked: ReasonsAsked) -> Reasons:
        """What gives the reasons for its scores.

        Raises:
            UsageError: this version's scores have none.
        """
        try:
            return Reasons(self.pipeline, self.spec, asked)
        except UsageError as error:
            raise UsageError(f"version {self.version}: {error}") from None


def _version(model: str, wanted: int | None, url: str) -> TrainedVersion:
    rows = store.read_lane(url, model, LIVE)
    champions = [row.champion_after for row in rows if row.champion_after is not None]
    if not champions or (wanted is None and rows[-1].champion_after is None):
        known = ", ".join(store.models(url)) or "none"
        raise UsageError(f"{model} has no live champion; models with decisions: {known}")
    if wanted is not None and wanted not in champions:
        former = ", ".join(map(str, sorted(set(champions))))
        raise UsageError(f"{model}: version {wanted} never was champion; versions that were: {former}")
    row = reigns.decision_on(rows, champions[-1] if wanted is None else wanted)
    if row is None:
        raise UsageError(f"{model}: no decision says how version {wanted or champions[-1]} was trained")
    return trained_versions([row], url)[0]
