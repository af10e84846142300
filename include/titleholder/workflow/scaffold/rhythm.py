"""How often one entity (a shop, a place) has a row in a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from titleholder.data.table_profile import ColumnProfile, TableProfile
from titleholder.data.table_reader import TableReader
from titleholder.workflow.scaffold.items import Item
from titleholder.workflow.scaffold.names import words

COMPLETE = 0.5
"""The share of all pairs of entity and time that must have a row: a shop has days off, an application comes once."""
EVEN = 1.25
"""The ratio of the gaps' quartiles up to which times are evenly spaced, such as months or working days."""


class Rhythm(NamedTuple):
    """The days from one row of an entity to its next, and the column that tells entities apart (None: there is one)."""

    days: float
    entity: str | None


def find(table: TableProfile, event: ColumnProfile, reader: TableReader) -> Rhythm | None:
    """The rhythm of a table whose entities have a row at each of many evenly spaced times; None for any other table."""
    low, high = reader.days_apart(event)
    if not 0 < low <= high <= EVEN * low:
        return None
    if event.unique:
        return Rhythm(low, None)
    candidates = (c for c in table.columns if c.kind in ("text", "number") and c != event and not c.nulls)
    for c in candidates:
        pairs = c.distinct * event.distinct
        if c.distinct > 1 and COMPLETE * pairs <= table.total and reader.distinct(event, c) == table.rows:
            return Rhythm(low, c.name)
    return None


PARTS = (("hour_of_day", "hour", 0.9, {"hour"}), ("day_of_week", "isodow", 6.0, {"weekday", "dow", "dayofweek"}))
"""Features of the time alone: name, field of `extract`, the longest rhythm in days, and words of a column like it."""


def time_features(rhythm: Rhythm | None, event: ColumnProfile, features: Iterable[Item]) -> tuple[Item, ...]:
    """The hour and the day of the week of entities that have a row each hour or day, unless columns have them."""
    if rhythm is None:
        return ()
    given = {item.alias for item in features}
    named = {word for alias in given for word in words(alias)}
    return tuple(
        Item(f"extract({part} from {event.moment})::int", name, note="of the event's time")
        for name, part, longest, like in PARTS
        if rhythm.days <= longest and name not in given and not named & like
    )
