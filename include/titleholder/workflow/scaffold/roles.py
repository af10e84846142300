"""A guess at what each column of a table means, with the reason for each guess and what to check about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from titleholder.data.table_profile import DATE_FORMATS, ColumnProfile, TableProfile
from titleholder.data.table_reader import TableReader
from titleholder.errors import UsageError
from titleholder.spec.metrics import Task
from titleholder.workflow.scaffold import outcome
from titleholder.workflow.scaffold.features import Features
from titleholder.workflow.scaffold.items import Item, LeftOut
from titleholder.workflow.scaffold.names import aliases, words
from titleholder.workflow.scaffold.outcome import Choices
from titleholder.workflow.scaffold.vocabulary import END_WORDS, EVENT_WORDS, RECORD_WORDS, TIME_WORDS, UPDATE_WORDS

CLUSTERS = 30
"""With fewer groups of rows, an interval that resamples whole groups says little."""


@dataclass(frozen=True)
class Roles:
    """The guessed role of every column."""

    task: Task
    entity: Item
    event_time: Item
    known_at: Item | None
    target: Item
    numeric: tuple[Item, ...]
    categorical: tuple[Item, ...]
    protected: tuple[Item, ...]
    left_out: tuple[LeftOut, ...]
    conditions: tuple[str, ...]
    """What else a row must fulfil, in SQL."""
    events: int
    """Of the rows that were looked at, how many decide what can be judged: those of the rarer class, or all."""
    event: ColumnProfile
    known: ColumnProfile | None
    outcome: ColumnProfile
    later: tuple[ColumnProfile, ...]
    """Other dates, the outcome's perhaps."""
    overwritten: tuple[LeftOut, ...] = ()
    """Features that look as if they were overwritten after the event, and why."""
    limit: str = ""
    """Where the outcome is 1 beyond a number: the sign and the number."""
    cluster: Item | None = None
    """What has a row at each of many times, such as a customer: its rows belong together."""


def guess(table: TableProfile, choices: Choices, reader: TableReader) -> Roles:
    """The roles of a table's columns.

    Raises:
        UsageError: where a choice does not fit the table, or a role that every model needs cannot be guessed.
    """
    names = aliases(c.name for c in table.columns)
    event, why_event = _event_time(table, choices)
    known, known_item = _known_at(table, event, names)
    entity, entity_item, repeated = _entity(table, choices, event, reader, names)
    used = [c for c in (event, known, entity) if c is not None]
    found = outcome.find(table, choices, used, names, reader)
    if known and found.task == "classification" and outcome.is_dated_by(found.task, found.item.sql, known, reader):
        used.remove(known)
        known = known_item = None
    rest = [c for c in table.columns if c not in (*used, found.column)]
    features = Features(table, found, reader, names)
    for column in rest:
        features.add(column)
    if not (features.numeric or features.categorical):
        raise UsageError(f"{table.name}: no column is left to be a feature: {_listed(features.left_out)}")
    conditions = (f"{found.column.value} is not null",) if found.column.nulls else ()
    return Roles(
        task=found.task,
        entity=entity_item,
        event_time=Item(event.moment, names[event.name], why_event, _day_or_month(event)),
        known_at=known_item,
        target=found.item,
        numeric=tuple(features.numeric),
        categorical=tuple(features.categorical),
        protected=tuple(features.protected),
        left_out=tuple(features.left_out),
        overwritten=tuple(features.overwritten),
        conditions=conditions,
        events=found.events(table.rows),
        event=event,
        known=known,
        outcome=found.column,
        limit=found.limit,
        cluster=_cluster(table, event, repeated, names),
        later=tuple(c for c in rest if c.is_date),
    )


def known_from(roles: Roles, column: ColumnProfile, alias: str) -> Roles:
    """The roles with a date of the outcome as `known_at`: a row with a number for an outcome is none before it."""
    why = f"the rows with {roles.outcome.name} have it, and no others"
    note = "A row is left out until then: make windows.label_maturity so long that few are."
    return replace(
        roles,
        known=column,
        known_at=Item(column.moment, alias, why, note),
        later=tuple(c for c in roles.later if c != column),
        left_out=tuple(one for one in roles.left_out if one.name != column.name),
    )


def _listed(left_out: Sequence[LeftOut]) -> str:
    return "; ".join(f"{name} ({why})" for name, why in left_out) or "there is no other"


def _event_time(table: TableProfile, choices: Choices) -> tuple[ColumnProfile, str]:
    """When the event happened: a date without gaps, whose name says so, the earliest of several."""
    if choices.event_time:
        column = table.column(choices.event_time)
        if not column.is_date:
            raise UsageError(
                f"--event-time {column.name}: it is {column.sql_type}, no date or timestamp, nor text that is always "
                f"written as one; {_dates(table)}"
            )
        return column, "as given"
    dates = [c for c in table.columns if c.is_date]
    found = [c for c in dates if not words(c.name) & (RECORD_WORDS | UPDATE_WORDS)] or dates
    if not found:
        raise UsageError(f"{table.name} has no date or timestamp: when did the event of a row happen? {_dates(table)}")
    best = max(found, key=lambda c: (c.nulls == 0, _event_score(c), -(c.first.timestamp() if c.first else 0.0)))
    others = [c.name for c in found if c != best]
    recorded = [c.name for c in dates if c not in found]
    only = f"the only date but {', '.join(recorded)}" if recorded else "the only date"
    return best, f"the likeliest of {', '.join([best.name, *others])}" if others else only


def _day_or_month(event: ColumnProfile) -> str:
    if not event.other_format:
        return ""
    other = DATE_FORMATS[event.other_format].format(c=event.value)
    return f"is the day or the month of {event.name} first? Every value can be read as {other} too."


def _dates(table: TableProfile) -> str:
    named = ", ".join(c.name for c in table.columns if c.is_date)
    return f"dates: {named}" if named else "make a view with a column of type timestamptz, and name the view"


def _event_score(column: ColumnProfile) -> int:
    found = words(column.name)
    return 3 * bool(found & EVENT_WORDS) + bool(found & TIME_WORDS) - 3 * bool(found & END_WORDS)


def _known_at(
    table: TableProfile, event: ColumnProfile, names: dict[str, str]
) -> tuple[ColumnProfile | None, Item | None]:
    """When a row became known: a date that says when it was recorded, else when it was updated."""
    dates = [c for c in table.columns if c.is_date and c != event]
    for wanted in (RECORD_WORDS, UPDATE_WORDS):
        for column in (c for c in dates if words(c.name) & wanted):
            note = f"{column.nulls:,} rows have none and are never returned. " if column.nulls else ""
            if wanted is UPDATE_WORDS:
                note += (
                    "Rows that were overwritten after as_of are missing from old months: what they were is not known."
                )
            return column, Item(column.moment, names[column.name], "by its name", note.strip())
    return None, None


def _cluster(
    table: TableProfile, event: ColumnProfile, repeated: ColumnProfile | None, names: dict[str, str]
) -> Item | None:
    """The column whose values come again at other times, where it has many: their rows are no independent ones."""
    if repeated is None or not CLUSTERS <= repeated.distinct <= table.rows / 2:
        return None
    why = f"it comes again at other times ({event.name}): its rows are not independent, and are resampled together"
    return Item(repeated.quoted, names[repeated.name], why)


def _entity(
    table: TableProfile, choices: Choices, event: ColumnProfile, reader: TableReader, names: dict[str, str]
) -> tuple[ColumnProfile | None, Item, ColumnProfile | None]:
    """What tells rows apart: a unique column, the time with or without another column, or else a hash of the row.

    Also the column itself, and the other column beside the time.
    """
    if choices.entity:
        column = table.column(choices.entity)
        note = "" if column.unique else "Its values are not unique, and the contract will refuse it."
        return column, Item(column.quoted, names[column.name], "as given", note), None
    unique = [c for c in table.columns if c.unique and not c.is_date and c.kind != "boolean" and not c.nulls]
    if unique:
        best = max(
            unique, key=lambda c: (bool(words(c.name) & {"id", "key", "number", "no", "nr"}), c.sql_type != "numeric")
        )
        return best, Item(best.quoted, names[best.name], "it differs in every row"), None
    alias = next(a for a in ("row_id", "event_key", "titleholder_key") if a not in names.values())
    moment = f"{event.quoted}::text"
    if event.unique:
        return (
            None,
            Item(moment, alias, f"no column but {event.name} differs in every row, so the time is the id"),
            None,
        )
    for other in (
        c for c in table.columns if c.kind in ("text", "number") and c != event and c.distinct > 1 and not c.nulls
    ):
        if reader.distinct(event, other) == table.rows:
            why = f"{event.name} and {other.name} together differ in every row"
            return None, Item(f"{moment} || ' ' || {other.quoted}", alias, why), other
    note = "Give the table a key: two equal rows have one hash, and a row that is overwritten gets another."
    return (
        None,
        Item("md5(source::text)", alias, "a hash of the row, because no column differs in every row", note),
        None,
    )
