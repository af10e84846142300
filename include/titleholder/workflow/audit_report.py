"""What an audit finds, what to do about it, and the report of all of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

ADVICE = {
    "guard": "Restore it as the table's owner, and find out who had the rights to change it.",
    "chain": "Only a superuser can have done that: compare with a backup of the ledger's database.",
    "succession": "Only a superuser can have done that: compare with a backup of the ledger's database.",
    "witness": "Ledger or registry was changed without the other: compare both with their backups.",
    "alias": "`titleholder audit --repair` sets it to what the ledger has.",
    "report": "Restore the file from a backup of MLflow's artifacts. The ledger says what was decided.",
    "scores": "Only a superuser can have done that: compare with a backup of the ledger's database.",
    "monitor": "Only a superuser can have done that: compare with a backup of the ledger's database.",
    "seal": "Only a superuser can have done that: compare with a backup of the ledger's database.",
    "snapshot": "Without it the decision can be neither reproduced nor re-judged.",
    "model": "Restore its files or the libraries that it was trained with, or go back to another version: a rollback.",
}
"""What to do about a finding, by its check."""
DOUBTS = ("chain", "succession", "witness")
"""Findings that make the ledger itself doubtful: no alias follows it then."""


class AuditFinding(BaseModel):
    """Something that is not as it was written. `model`, `lane` and `decision` are None where it is about none."""

    model_config = ConfigDict(frozen=True)

    check: str
    model: str | None = None
    lane: str | None = None
    decision: int | None = None
    explanation: str


class Repair(BaseModel):
    """An alias that was set to what the ledger has, in a sentence."""

    model_config = ConfigDict(frozen=True)

    explanation: str


class AuditReport(BaseModel):
    """What an audit found, how much it looked at, and which aliases it set right."""

    model_config = ConfigDict(frozen=True)

    findings: tuple[AuditFinding, ...]
    models: tuple[str, ...]
    lanes: int
    rows: int
    witnesses: int
    snapshots: int
    reports: int
    champions: int
    score_runs: int
    scores_counted: int
    """Of how many scoring runs, the oldest, the scores were only counted."""
    monitor_reports: int = 0
    repaired: tuple[str, ...]
