"""A decision: one row of the ledger, and the hash that chains it to the row before (pure)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from titleholder.errors import DataError
from titleholder.spec.windows import Intervals
from titleholder.validation.verdict import Verdict

Kind = Literal["promote", "keep", "reject", "rollback", "retire"]
LARGE = 1e16
T = TypeVar("T")
_UNHASHED = ("id", "hash")
_LATER = ("approval",)
"""Columns that came after the first ledgers were written: where they are NULL, the hash does not know them."""


class Answer(BaseModel):
    """What people said when they were asked to approve a challenger."""

    model_config = ConfigDict(frozen=True)

    asked: tuple[str, ...]
    answer: Literal["approve", "reject", "none"]
    by: str = ""
    at: datetime | None = None
    comment: str = ""


class Entry(BaseModel):
    """What a decision says, before it has a place in a line of succession.

    A rollback has neither challenger, verdict nor snapshot: nothing was judged. Its `trained_through` and `spec` are
    those of the version that reigns again.
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
    run_key: str
    snapshot_uri: str
    snapshot_sha256: str
    spec: dict[str, Any]
    spec_fingerprint: str
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


class Decision(Entry):
    """A row of the ledger."""

    id: int
    sequence: int
    created_at: datetime
    previous_hash: str
    hash: str

    @property
    def judged(self) -> Verdict:
        """The verdict; DataError for a rollback, which has none."""
        return self._there(self.verdict)

    @property
    def windows(self) -> Intervals:
        """The intervals of its snapshot; DataError for a rollback, which has none."""
        return self._there(self.spans)

    @property
    def challenger(self) -> int:
        """The version that was judged; DataError for a rollback, where none was."""
        return self._there(self.challenger_version)

    @property
    def changed(self) -> bool:
        """Whether it made another version champion."""
        return self.champion_after != self.champion_before

    def _there(self, value: T | None) -> T:
        if value is None:
            raise DataError(f"decision {self.id} is a {self.kind}: nothing was judged, there is no challenger")
        return value


def content(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row's hash covers, as JSON: every column but its id and its own hash.

    `row` is a row as the database gives it, or a decision's dump: both give the same.
    """
    covered = {k: v for k, v in row.items() if k not in _UNHASHED and not (k in _LATER and v is None)}
    return dict(_canonical(covered))


def digest(row: Mapping[str, Any]) -> str:
    """SHA-256 of a row's content; it covers the previous row's hash, which makes the rows a chain."""
    return hashlib.sha256(json.dumps(content(row), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """JSON that PostgreSQL's jsonb gives back unchanged: it knows no negative zero, and writes 1e20 out in full."""
    match value:
        case dict():
            return {k: _canonical(v) for k, v in value.items()}
        case list():
            return [_canonical(v) for v in value]
        case float():
            return int(value) if abs(value) >= LARGE else value + 0.0
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
    return value
