"""What the steps of `titleholder check` have found out so far, and what each says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from titleholder.errors import UsageError
from titleholder.spec import windows
from titleholder.spec.as_of_dates import AsOfDates, DayCount
from titleholder.spec.model import ModelSpec
from titleholder.workflow.preflight.report import Outcome

if TYPE_CHECKING:
    import pandas as pd

    from titleholder.data.snapshots import Extract


@dataclass
class Known:
    """What the steps have found out so far."""

    model: str
    as_of: date | None
    url: str = ""
    leak_day: date | None = None
    """The as-of date of the leak test, where it is not that of the other steps."""
    days: Mapping[date, DayCount] = field(default_factory=dict)
    found: AsOfDates | None = None
    """The as-of dates that leave enough."""
    taken: Extract | None = None
    """The rows of the as-of date, in a file that is gone once nothing refers to it."""
    frame: pd.DataFrame | None = None
    """Those of their columns that are no features."""
    faults: list[str] = field(default_factory=list)
    """Those of the spec."""
    done: set[str] = field(default_factory=set)
    """The steps that gave what others need."""
    waiting: dict[str, str] = field(default_factory=dict)
    """By each step that could not be tested, the first one that failed before it."""
    read: ModelSpec | None = None

    @property
    def spec(self) -> ModelSpec:
        """The model's spec, once it could be read."""
        if self.read is None:
            raise UsageError(f"{self.model}: no spec")
        return self.read

    @property
    def day(self) -> date:
        """The as-of date of the test, once it is known to leave enough rows."""
        if self.as_of is None:
            raise UsageError(f"{self.model}: no as_of")
        return self.as_of

    @property
    def spans(self) -> windows.Intervals:
        """The windows at that date."""
        return windows.intervals(self.spec, self.day)


class Said(NamedTuple):
    """An outcome with its sentence, and the exit code of a fault."""

    outcome: Outcome
    explanation: str
    exit_code: int = 1
