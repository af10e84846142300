"""A decision as its lane sees it (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from titleholder.ledger.decision import Entry
from titleholder.ledger.nominee import Nominee, judged_of
from titleholder.validation.cohort_record import CohortRecord
from titleholder.validation.sequential import Look

WHOLE = ("spec", "nominees")
"""What is read only of rows that made another version champion: it says how the challenger was trained."""
DERIVED = frozenset({"matured", "look", "fit", "rule", "cohorts", "ranking", "approval", *WHOLE})
"""What a `LaneEntry` has that is no column as it is."""


class LaneEntry(BaseModel):
    """A decision as its lane sees it: what succession needs to know, without the verdict.

    `spec` and `nominees` are there only where another version became champion.
    """

    model_config = ConfigDict(frozen=True)

    id: int
    model: str
    lane: str
    sequence: int
    as_of: date
    kind: str
    challenger_version: int | None
    champion_before: int | None
    champion_after: int | None
    trained_through: date | None
    training_run_id: str
    judgement_fingerprint: str
    reign_fingerprint: str
    airflow_run: str
    asked_because: str
    created_at: datetime
    caused_by: int | None
    matured: date | None
    look: Look | None
    fit: bool
    rule: str
    cohorts: tuple[CohortRecord, ...]
    ranking: tuple[int, ...]
    approval: dict[str, Any] | None
    spec: dict[str, Any] | None
    nominees: tuple[Nominee, ...]

    @field_validator("rule", "cohorts", "ranking", "nominees", mode="before")
    @classmethod
    def _nothing_of_a_rollback(cls, value: Any, info: ValidationInfo) -> Any:
        return value or ("" if info.field_name == "rule" else ())

    @property
    def changed(self) -> bool:
        """Whether it made another version champion."""
        return self.champion_after != self.champion_before

    def refused_in(self, airflow_run: str) -> bool:
        """Whether a person said no in this Airflow run."""
        answer = self.approval["answer"] if self.approval else ""
        return answer == "reject" and bool(airflow_run) and self.airflow_run == airflow_run

    @property
    def nominee(self) -> Nominee:
        """The candidate that was judged, where `nominees` are there."""
        return judged_of(self.nominees, self.training_run_id)

    @classmethod
    def planned(cls, entry: Entry, rows: Sequence[LaneEntry]) -> LaneEntry:
        """An entry as it will stand behind these rows; its id is negative, its time that of no clock.

        It has its spec and nominees in any case: the ledger cannot be asked for them yet.
        """
        known = entry.model_dump(include=set(cls.model_fields) - DERIVED)
        return cls(
            **known,
            id=-len(rows) - 1,
            sequence=len(rows) + 1,
            created_at=datetime.min.replace(tzinfo=UTC),
            matured=entry.matured,
            look=entry.look,
            fit=entry.fit,
            rule=entry.rule,
            cohorts=entry.cohorts,
            ranking=entry.ranking,
            approval=entry.approval.model_dump(mode="json") if entry.approval else None,
            spec=entry.spec,
            nominees=entry.nominees,
        )
