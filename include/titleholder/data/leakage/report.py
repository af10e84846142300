"""What a leak test found: a leak, nothing, or that something was not tested."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from titleholder.data.leakage.comparison import Leak
from titleholder.data.leakage.event_test import EventTestSummary

Outcome = Literal["leak", "clean", "not tested"]


class TableResult(BaseModel):
    """How many later facts a table had, which were removed, and how many synthetic ones were inserted.

    `exchanged_facts` counts those whose values were exchanged by the test by event.
    """

    model_config = ConfigDict(frozen=True)

    table: str
    later_facts: int
    synthetic_facts: int
    exchanged_facts: int


class LeakReport(BaseModel):
    """The result of a leak test.

    `hashes` has one entry for each state of the tables: a hash of what the query extracts then. `untested` has a
    sentence for everything that could not be tested and that the spec does not acknowledge; `trusted` has what the spec
    declares and nothing can show. `corrected` counts labels
    that were corrected after their maturity, where the spec declares that they are. `recorded_late` are tables that
    have entity and time of the events, and whose rows become known after them and change their features.

    >>> LeakReport.model_construct(leaks=(), untested=("Nothing could be planted.",)).outcome
    'not tested'
    """

    model_config = ConfigDict(frozen=True)

    model: str
    as_of: date
    rows: int
    hashes: dict[str, str]
    tables: tuple[TableResult, ...]
    events: EventTestSummary
    corrected: int
    leaks: tuple[Leak, ...]
    untested: tuple[str, ...]
    recorded_late: tuple[str, ...]
    trusted: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """A leak wherever one was found; clean only where all was tested or is acknowledged."""
        if self.leaks:
            return "leak"
        return "not tested" if self.untested else "clean"
