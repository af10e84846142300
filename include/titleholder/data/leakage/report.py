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
    sentence for everything that could not be tested and that the spec does not acknowledge. `corrected` counts labels
    that were corrected after their maturity, where the spec declares that they are.

    >>> LeakReport.model_construct(leaks=(), untested=("Nothing could be planted.",)).outcome
    'not tested'
    """

    model_config = ConfigDict(frozen=True)

    model: str
    as_of: date
    event_time: str
    rows: int
    hashes: dict[str, str]
    tables: tuple[TableResult, ...]
    events: EventTestSummary
    corrected: int
    leaks: tuple[Leak, ...]
    untested: tuple[str, ...]

    @property
    def recorded_late(self) -> tuple[str, ...]:
        """Tables whose rows are the events themselves and became known after them: even the event's time changes."""
        own = (leak.source for leak in self.leaks if leak.test == "event" and leak.column == self.event_time)
        return tuple(t.table for t in self.tables if t.table in set(own))

    @property
    def outcome(self) -> Outcome:
        """A leak wherever one was found; clean only where all was tested or is acknowledged."""
        if self.leaks:
            return "leak"
        return "not tested" if self.untested else "clean"
