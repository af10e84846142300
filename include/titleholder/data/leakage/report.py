"""What a leak test found: a leak, nothing, or that something was not tested."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from titleholder.data.leakage.comparison import Leak
from titleholder.data.leakage.event_test import EventTestSummary
from titleholder.formatting import elapsed

Outcome = Literal["leak", "clean", "not tested"]
Kind = Literal[
    "leak", "rows come later", "recorded late", "overwritten", "later dates", "not tested", "compared", "assumed"
]
LABEL_REMEDY = (
    "It is the label. Where the wait for the outcome is longer than windows.label_maturity, raise that, or count only "
    "outcomes within label_maturity of the event. Where it is not, derive the label from dates <= :as_of."
)
ROWS_REMEDY = (
    "Whether these events are there depends on what became known later, such as their outcome, while all events are "
    "scored. Return every event that was known at :as_of, raise windows.label_maturity to the time by which they are "
    "there, or, where events are recorded so late, set windows.late_rows to their share."
)


class LeakFinding(NamedTuple):
    """A sentence of the result, and what it is about."""

    kind: Kind
    sentence: str


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
    have entity and time of the events, and whose rows become known after them and change their features; `overwritten`
    are those whose rows are overwritten in place, and change features. `later_dates` has a clause for each table that
    is declared as written once, and has rows with dates after they became known. `late_rows` are whole rows that come
    or go with a later `:as_of`, few by `windows.late_rows`. `target` is the column of the label.

    >>> LeakReport.model_construct(leaks=(), untested=("Nothing could be planted.",)).outcome
    'not tested'
    """

    model_config = ConfigDict(frozen=True)

    model: str
    as_of: date
    target: str = ""
    rows: int = 0
    hashes: dict[str, str] = {}
    tables: tuple[TableResult, ...] = ()
    events: EventTestSummary = EventTestSummary(cut_offs=0, rows=0, vanished=0, exchanged={})
    corrected: int = 0
    leaks: tuple[Leak, ...] = ()
    untested: tuple[str, ...] = ()
    late_rows: tuple[Leak, ...] = ()
    recorded_late: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()
    later_dates: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """A leak wherever one was found; clean only where all was tested or is acknowledged."""
        if self.leaks:
            return "leak"
        return "not tested" if self.untested else "clean"

    @property
    def findings(self) -> Iterator[LeakFinding]:
        """What people are shown: each leak, what to look at, what is not tested, was compared, and what is assumed."""
        for leak in self.leaks:
            remedy = LABEL_REMEDY if leak.column == self.target else ROWS_REMEDY if leak.share is not None else ""
            yield LeakFinding("leak", f"{_sentence(leak, self.as_of)} {remedy}".rstrip())
        for leak in self.late_rows:
            yield LeakFinding(
                "rows come later", f"{_sentence(leak, self.as_of)} That is not shown to be more than windows.late_rows."
            )
        for table in self.recorded_late:
            yield LeakFinding(
                "recorded late",
                f"the rows of {table} are the events themselves, and became known after them. Where what they say "
                "could be used sooner, declare from when: available_at.",
            )
        for table in self.overwritten:
            of_table = [leak for leak in self.leaks if leak.source == table and is_feature(leak, self.target)]
            columns = dict.fromkeys(leak.column for leak in of_table)
            yield LeakFinding(
                "overwritten",
                f"the rows of {table} are overwritten after the events, and what they said before is gone. Leave out "
                f"{', '.join(columns)}, use it only where known_at is before the event, or keep the versions of the "
                "rows in a table (known_at, until).",
            )
        for table in self.later_dates:
            yield LeakFinding("later dates", f"{table}.")
        for reason in self.untested:
            yield LeakFinding("not tested", f"{reason}.")
        if self.hashes:
            yield LeakFinding("compared", self._compared())
        if self.trusted:
            yield LeakFinding("assumed", f"{'; '.join(self.trusted)}.")

    def _compared(self) -> str:
        corrected = f" {self.corrected:,} labels were corrected after their maturity, as target_corrected declares."
        return (
            f"{self.rows:,} rows as of {self.as_of}, with {len(self.hashes)} states of the tables that differ in facts "
            f"known after it; {self.events.rows:,} events at {self.events.cut_offs} times, with other facts after "
            f"them; and a later as-of date.{corrected if self.corrected else ''}"
        )


def is_feature(leak: Leak, target: str) -> bool:
    """Whether what changes is neither the label nor whole rows."""
    return leak.column not in (target, "rows")


def _sentence(leak: Leak, as_of: date) -> str:
    return f"{leak.column}, from {leak.source}: {_description(leak, as_of)}."


def _description(leak: Leak, as_of: date) -> str:
    rows = f"{leak.rows:,} row{'s' if leak.rows > 1 else ''}, e.g. {leak.entity_column} {leak.entity}"
    if leak.test == "future":
        return f"{rows}: {leak.before} without the facts that became known after {as_of}, {leak.after} with other facts"
    if leak.test == "as_of" and leak.share is not None:
        late = f", {elapsed(leak.lag)} after the event" if leak.lag else ""
        return f"{rows}: {leak.before} as of {as_of}{late}, {leak.after} later; {leak.share:.1%} of the holdout's rows"
    if leak.test == "as_of":
        return f"{rows}: {leak.before} as of {as_of}, {leak.after} as of a later date"
    late = f"known more than {elapsed(leak.lag)} after the event" if leak.lag else "known after the event"
    return f"{rows}: {leak.before}, but {leak.after} when facts {late} change"
