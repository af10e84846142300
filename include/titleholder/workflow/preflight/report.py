"""What `titleholder check` found, step by step."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

Outcome = Literal["ok", "warning", "fault", "not tested"]
NOT_TESTED = 4
"""The exit code where nothing is wrong and something could not be tested."""


class Finding(BaseModel):
    """What one step says: a sentence, and the exit code where it is a fault."""

    model_config = ConfigDict(frozen=True)

    step: str
    outcome: Outcome
    explanation: str
    exit_code: int = 0


class Preflight(BaseModel):
    """The findings of all steps, in their order.

    >>> Preflight(model="loans", as_of=None, findings=(
    ...     Finding(step="leaks", outcome="not tested", explanation="No table is declared."),
    ... )).exit_code
    4
    """

    model_config = ConfigDict(frozen=True)

    model: str
    as_of: date | None
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """The code of the first fault; without one 4 if something is not tested, else 0."""
        faults = [f.exit_code for f in self.findings if f.outcome == "fault"]
        untested = NOT_TESTED if any(f.outcome == "not tested" for f in self.findings) else 0
        return next(iter(faults), untested)
