"""Registered versions as they were trained: who made them, under which spec, and where their scores are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import pandas as pd

from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.scores import ScoreKey
from titleholder.errors import ColumnsError
from titleholder.ledger import store as ledger
from titleholder.ledger.decision import Decision, restored_spec
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.ledger.nominee import Nominee
from titleholder.spec.model import ModelSpec


def refit_of(run_id: str) -> str:
    """Under which the scores of a training run's refit are stored."""
    return f"{run_id}-refit"


def training_keys(spec: ModelSpec, run_id: str, sha256: str) -> list[ScoreKey]:
    """Under which the scores of a training run's model are stored, and those of its refit where there is one."""
    names = [run_id, *([refit_of(run_id)] if spec.windows.refit else [])]
    return [ScoreKey(spec.name, name, sha256) for name in names]


class TrainedVersion(NamedTuple):
    """A registered version, the MLflow run that trained it, and the spec under which it was trained.

    It stands for the model that is judged. With `windows.refit` that is the twin, which has not seen the holdout;
    `registered` is then another, which was fitted on the holdout too.

    >>> from titleholder.spec.source import Windows
    >>> loans = ModelSpec.model_construct(name="loans", windows=Windows.model_construct(refit="all_matured"))
    >>> judged = TrainedVersion(3, Nominee.model_construct(run_id="a1b2"), loans)
    >>> judged.key("c3d4"), judged.registered.key("c3d4").run_id
    (ScoreKey(model='loans', run_id='a1b2', sha256='c3d4'), 'a1b2-refit')
    """

    version: int
    nominee: Nominee
    spec: ModelSpec
    refitted: bool = False

    @property
    def registered(self) -> Self:
        """The model that the registry has under this version, which is the one in use while it is champion."""
        return self._replace(refitted=self.spec.windows.refit is not None)

    @property
    def name(self) -> str:
        """Under which its scores are stored: the training run, and whether it is that run's refit."""
        return refit_of(self.nominee.run_id) if self.refitted else self.nominee.run_id

    @property
    def is_twin(self) -> bool:
        """Whether the registry has another model under this version."""
        return self != self.registered

    @property
    def models(self) -> list[Self]:
        """The judged model, and the registered one where that is another."""
        return [self, *([self.registered] if self.is_twin else [])]

    def key(self, sha256: str) -> ScoreKey:
        """Under which its scores of a snapshot are stored."""
        return ScoreKey(self.spec.name, self.name, sha256)


def trained_versions(rows: Sequence[LaneEntry | Decision], url: str) -> list[TrainedVersion]:
    """The challengers of these decisions, as they were trained; what a row does not have is read in one query."""
    lacking = [row.id for row in rows if row.spec is None]
    known = {row.id: row for row in (ledger.decisions(url, lacking) if lacking else ())}
    whole = [known.get(row.id, row) for row in rows]
    specs = [restored_spec(row.id, row.spec) for row in whole]
    return [TrainedVersion(row.challenger_version or 0, row.nominee, s) for row, s in zip(whole, specs, strict=True)]


def require_columns(spec: ModelSpec, version: int, frame: pd.DataFrame | LazyFrame) -> None:
    """Refuse rows that lack what a version, trained under this spec, needs.

    Raises:
        ColumnsError: naming the columns.
    """
    if missing := missing_columns(spec, frame):
        raise ColumnsError(
            f"{spec.name}: version {version} needs columns that these rows do not have: {', '.join(missing)}. Keep "
            "them in the query (and in the spec, as segments) while that version is champion; an as-of date of a lane "
            "that was extracted before they came must be run again."
        )


def missing_columns(spec: ModelSpec, frame: pd.DataFrame | LazyFrame) -> list[str]:
    """Which of the columns that a version, trained under this spec, needs are not among these."""
    return [c for c in spec.columns.features if c not in frame]
