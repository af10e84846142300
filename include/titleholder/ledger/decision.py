"""A decision: one row of the ledger (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from titleholder.errors import DataError, one_line
from titleholder.ledger.nominee import Nominee, judged_of
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals
from titleholder.validation.cohort_record import CohortRecord
from titleholder.validation.sequential import Look
from titleholder.validation.verdict import Verdict

Kind = Literal["promote", "keep", "reject", "recall", "rollback", "decline", "retire", "withdraw"]
DOCUMENTS = ("spec", "nominees", "verdict", "spans", "approval")
"""Columns that hold a JSON text. PostgreSQL keeps it as it was written, and the hash covers that text."""
T = TypeVar("T")


class Answer(BaseModel):
    """What people said when they were asked to approve a challenger.

    >>> Answer(asked=("ann", "bob"), answer="approve", by="ann").answer
    'approve'
    """

    model_config = ConfigDict(frozen=True)

    asked: tuple[str, ...]
    answer: Literal["approve", "reject", "none"]
    by: str = ""
    at: datetime | None = None
    comment: str = ""


class Entry(BaseModel):
    """What a decision says, before it has a place in its lane.

    After a recall the champion is the former version that the verdict names; everything else is about the challenger.
    A rollback has neither challenger, verdict nor snapshot: nothing was judged. Its `trained_through` and `spec` are
    those of the version that reigns again. A declined rollback changes nothing: its `approval` has the answer, its
    `trained_through` and `spec` are those of the version that was to come back. A withdrawal (`titleholder retire`)
    leaves no champion; its `trained_through` and `spec` are those of the version that was champion.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    lane: str
    as_of: date
    kind: Kind
    challenger_version: int | None
    champion_before: int | None
    champion_after: int | None
    trained_through: date | None
    training_run_id: str
    """The MLflow run that trained the challenger (after a rollback, the champion): stored scores go by it."""
    nominees: tuple[Nominee, ...]
    """The candidates of its run, the best first, with the SHA-256 of their files; empty where nothing was judged."""
    run_key: str
    snapshot_uri: str
    snapshot_sha256: str
    spec: dict[str, Any]
    spec_fingerprint: str
    judgement_fingerprint: str
    reign_fingerprint: str
    """Of the champion it was judged against and that one's looks; tells whether it must be re-judged."""
    verdict: Verdict | None
    spans: Intervals | None
    code_version: str
    seed: int
    mlflow_run_id: str
    airflow_run: str
    actor: str
    reason: str
    asked_because: str = ""
    approval: Answer | None = None
    caused_by: int | None = None
    """The decision because of which this month was re-judged; None for one that a run or a person asked for."""

    @property
    def changed(self) -> bool:
        """Whether it made another version champion."""
        return self.champion_after != self.champion_before

    @property
    def refitted(self) -> bool:
        """Whether the challenger was judged by its twin: the registered model was fitted on the judged rows too."""
        return self.spec.get("windows", {}).get("refit") is not None

    @property
    def matured(self) -> date | None:
        """The end of the rows it was judged on; None for a rollback."""
        return self.spans.matured if self.spans else None

    @property
    def look(self) -> Look | None:
        """What it added to the evidence of the reign."""
        return self.verdict.look if self.verdict else None

    @property
    def fit(self) -> bool:
        """Whether its challenger may come back: it was promoted, or failed no blocking check by itself.

        The kind alone does not say so after a recall. A challenger that is not plausible (TH503) comes back only where
        a person promoted it.
        """
        failed = self.verdict.failed() if self.verdict else ()
        return self.kind == "promote" or not any(result.subject == "challenger" for result in failed)

    @property
    def rule(self) -> str:
        """The rule by which the challenger was judged; empty for a rollback."""
        return self.verdict.rule if self.verdict else ""

    @property
    def cohorts(self) -> tuple[CohortRecord, ...]:
        """What it added to the record."""
        return self.verdict.cohorts if self.verdict else ()

    @property
    def ranking(self) -> tuple[int, ...]:
        """All versions by what the record expected of them, the best first."""
        return self.verdict.outlook.ranking if self.verdict and self.verdict.outlook else ()


class Decision(Entry):
    """A row of the ledger."""

    id: int
    sequence: int
    created_at: datetime
    written_by: str
    """The role of the database that wrote it, which no writer can choose."""
    seal: str
    """The hash of the newest seal of its lane when it was written, see `ledger.seals`; empty where there was none."""
    previous_hash: str
    hash: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """A decision from its row in the database. DataError where this version cannot read it."""
        try:
            documents = {name: json.loads(row[name]) if row.get(name) else None for name in DOCUMENTS}
            return cls.model_validate({**row, **documents})
        except (ValueError, RecursionError) as error:
            raise DataError(f"decision {row.get('id')} cannot be read by this version: {error}") from error

    @property
    def judged(self) -> Verdict:
        """The verdict; DataError for a rollback, which has none."""
        return self._present(self.verdict)

    @property
    def windows(self) -> Intervals:
        """The intervals of its snapshot; DataError for a rollback, which has none."""
        return self._present(self.spans)

    @property
    def challenger(self) -> int:
        """The version that was judged; DataError for a rollback, where none was."""
        return self._present(self.challenger_version)

    @property
    def nominee(self) -> Nominee:
        """The candidate that was judged; DataError for a rollback, where none was."""
        return judged_of(self.nominees, self.training_run_id)

    def _present(self, value: T | None) -> T:
        if value is None:
            raise DataError(f"decision {self.id} is a {self.kind}: nothing was judged, there is no challenger")
        return value


def restored_spec(decision: int, spec: dict[str, Any] | None) -> ModelSpec:
    """The spec of a decision's row. DataError, naming the decision, where it is none that this version reads."""
    try:
        return ModelSpec.restore(spec or {})
    except ValidationError as error:
        raise DataError(
            f"the spec of decision {decision} cannot be read by this version: {one_line(error)[:1000]}"
        ) from error


def written_form(entries: Sequence[Entry]) -> str:
    """Entries of one lane as JSON: each an object with the columns by name, in which documents are objects too."""
    plain = [entry.model_dump(mode="json") for entry in entries]
    return json.dumps(plain, sort_keys=True, allow_nan=False)
