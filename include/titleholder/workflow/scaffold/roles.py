"""A guess at what each column of a table means, with the reason for each guess and what to check about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from titleholder.data.table_profile import AMOUNT, NUMBER, ColumnProfile, TableProfile, TableReader
from titleholder.errors import UsageError
from titleholder.spec.metrics import Task
from titleholder.training.pipeline import MAX_CATEGORIES
from titleholder.workflow.scaffold.names import aliases, words


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


EVENT_WORDS = _set(
    "applied application approval approved booked departed departure event granted happened issue issued "
    "occurred opened order ordered origination originated purchase purchased requested signup start started "
    "submitted transaction"
)
TIME_WORDS = _set("at date datetime day dt hour month on time timestamp week")
RECORD_WORDS = _set("etl extracted ingested inserted known load loaded recorded reported synced")
UPDATE_WORDS = _set("changed modified updated")
END_WORDS = _set(
    "arrival arrived cancelled charged chargeoff chg chgoff churned closed completed default defaulted ended finished "
    "paid repaid resolved returned settled"
)
CLASS_WORDS = _set(
    "bad canceled cancelled chargeoff charged churn churned claim claimed clicked converted default defaulted "
    "delayed fraud label late lost outcome result returned status target won y"
)
AMOUNT_WORDS = _set("cnt consumption count demand label outcome quantity sales target units y")
AFTER_WORDS = END_WORDS | _set(
    "actual arr elapsed outstanding payments pymnt rec recovered recoveries recovery refund settlement"
)
COMMON_WORDS = _set(
    "account amount amt code count customer date day flag flight id is loan month name no number of order rate shop "
    "status store the time total week year"
)
PROTECTED_WORDS = _set("ethnicity gender nationality race religion sex")
EVENT_VALUE = re.compile(
    r"(?!no\b|not\b|non)(.*\b(charged? ?off|chgoff|default(ed)?|bad|late|delayed|churn(ed)?|fraud|cancell?ed|lost)\b"
    r"|(yes|true|y|t|1)$)",
    re.IGNORECASE,
)
"""Texts that name the event of a classification."""
PURE = 0.95
"""So large a share of the rarer outcome in a group of rows is suspicious too."""
SUSPICIOUS: dict[Task, float] = {"classification": 0.9, "regression": 0.95}
"""A column whose correlation with the outcome is at least this was probably written after it."""
MOSTLY = 0.95
"""The share of texts that must be numbers for the column to be read as numbers."""


@dataclass(frozen=True)
class Choices:
    """What whoever asks for the spec has decided; the rest is guessed."""

    task: Task | None = None
    target: str | None = None
    event_time: str | None = None
    entity: str | None = None


class Item(NamedTuple):
    """A column of the query: its SQL, its name in the spec, why it has its role, and what to check."""

    sql: str
    alias: str
    why: str = ""
    note: str = ""


class Outcome(NamedTuple):
    """The column of the outcome, its task, its place in the query, and how many rows have a 1."""

    column: ColumnProfile
    task: Task
    item: Item
    ones: int

    def events(self, rows: int) -> int:
        """How many of so many rows decide what can be judged: those of the rarer class, or all."""
        known = rows - self.column.nulls
        return known if self.task == "regression" else min(self.ones, known - self.ones)

    def rarer(self, rows: int) -> str:
        """The SQL of the outcome, with 1 for the rarer class."""
        return self.item.sql if self.events(rows) == self.ones else f"1 - {self.item.sql}"


class LeftOut(NamedTuple):
    """A column of the table that the query does not return."""

    name: str
    why: str


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
    later: tuple[ColumnProfile, ...]
    """Other dates, the outcome's perhaps."""


def guess(table: TableProfile, choices: Choices, reader: TableReader) -> Roles:
    """The roles of a table's columns.

    Raises:
        UsageError: where a choice does not fit the table, or a role that every model needs cannot be guessed.
    """
    names = aliases(c.name for c in table.columns)
    event, why_event = _event_time(table, choices)
    known, known_item = _known_at(table, event, names)
    entity, entity_item = _entity(table, choices, event, reader, names)
    used = [c for c in (event, known, entity) if c is not None]
    outcome = _target(table, choices, used, names)
    rest = [c for c in table.columns if c not in (*used, outcome.column)]
    features = _Features(table, outcome, reader, names)
    for column in rest:
        features.add(column)
    if not (features.numeric or features.categorical):
        raise UsageError(f"{table.name}: no column is left to be a feature: {_listed(features.left_out)}")
    conditions = (f"{outcome.column.value} is not null",) if outcome.column.nulls else ()
    return Roles(
        task=outcome.task,
        entity=entity_item,
        event_time=Item(event.moment, names[event.name], why_event),
        known_at=known_item,
        target=outcome.item,
        numeric=tuple(features.numeric),
        categorical=tuple(features.categorical),
        protected=tuple(features.protected),
        left_out=tuple(features.left_out),
        conditions=conditions,
        events=outcome.events(table.rows),
        event=event,
        known=known,
        later=tuple(c for c in rest if c.is_date),
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
    return best, f"the likeliest of {', '.join([best.name, *others])}" if others else "the only date"


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


def _entity(
    table: TableProfile, choices: Choices, event: ColumnProfile, reader: TableReader, names: dict[str, str]
) -> tuple[ColumnProfile | None, Item]:
    """What tells rows apart: a unique column, the time with or without another column, or else a hash of the row."""
    if choices.entity:
        column = table.column(choices.entity)
        note = "" if column.unique else "Its values are not unique, and the contract will refuse it."
        return column, Item(column.quoted, names[column.name], "as given", note)
    unique = [c for c in table.columns if c.unique and not c.is_date and c.kind != "boolean" and not c.nulls]
    if unique:
        best = max(
            unique, key=lambda c: (bool(words(c.name) & {"id", "key", "number", "no", "nr"}), c.sql_type != "numeric")
        )
        return best, Item(best.quoted, names[best.name], "it differs in every row")
    alias = next(a for a in ("row_id", "event_key", "titleholder_key") if a not in names.values())
    moment = f"{event.quoted}::text"
    if event.unique:
        return None, Item(moment, alias, f"no column but {event.name} differs in every row, so the time is the id")
    for other in (
        c for c in table.columns if c.kind in ("text", "number") and c != event and c.distinct > 1 and not c.nulls
    ):
        if reader.distinct(event, other) == table.rows:
            why = f"{event.name} and {other.name} together differ in every row"
            return None, Item(f"{moment} || ' ' || {other.quoted}", alias, why)
    note = "Give the table a key: two equal rows have one hash, and a row that is overwritten gets another."
    return None, Item("md5(source::text)", alias, "a hash of the row, because no column differs in every row", note)


def _target(table: TableProfile, choices: Choices, used: Sequence[ColumnProfile], names: dict[str, str]) -> Outcome:
    """The outcome, which a column of the table says."""
    if choices.target:
        column, why = table.column(choices.target), "as given"
        if column in used:
            raise UsageError(f"--target {column.name}: it is already the entity, the event time or known_at")
    else:
        column, why = _likeliest_target(table, choices.task, used)
    task = choices.task or ("regression" if _is_amount(column) else "classification")
    alias = names[column.name]
    if column.nulls:
        why += f"; {column.nulls:,} of {table.rows:,} rows have none and are left out"
    if task == "regression":
        if not _is_amount(column) and column.kind != "number":
            raise UsageError(f"--target {column.name}: a regression needs a number, not {column.sql_type}")
        sql = _number(column) if column.kind == "text" else column.quoted
        return Outcome(column, task, Item(sql, alias, why), table.rows - column.nulls)
    sql, note, ones = _binary(column)
    return Outcome(column, task, Item(sql, alias, why, note), ones)


def _likeliest_target(
    table: TableProfile, task: Task | None, used: Sequence[ColumnProfile]
) -> tuple[ColumnProfile, str]:
    found = [c for c in table.columns if c not in used and not c.is_date and c.kind != "other" and c.distinct > 1]
    scored = [(score, c) for c in found if (score := _target_score(c, task)) > 0]
    if scored:
        best = max(scored, key=lambda pair: pair[0])[0]
        likeliest = [c for score, c in scored if score == best]
        others = [c.name for _, c in scored if c != likeliest[-1]]
        return likeliest[-1], f"by its name; not {', '.join(others)}?" if others else "by its name"
    binary = ", ".join(c.name for c in found if c.distinct == 2) or "none"
    amounts = ", ".join(c.name for c in found if _is_amount(c)) or "none"
    raise UsageError(
        f"--target: no column of {table.name} looks like an outcome. Name it. Columns with two values: {binary}; "
        f"with numbers: {amounts}"
    )


def _target_score(column: ColumnProfile, task: Task | None) -> int:
    named = words(column.name)
    if column.distinct == 2 or any(EVENT_VALUE.match(v) for v in column.values):
        return 0 if task == "regression" else 2 * bool(named & CLASS_WORDS)
    return 0 if task == "classification" or not _is_amount(column) else bool(named & AMOUNT_WORDS)


def _is_amount(column: ColumnProfile) -> bool:
    """Whether it holds numbers, more than two."""
    known = sum(column.values.values()) or column.distinct
    written = column.kind == "text" and max(column.numbers, column.amounts) >= MOSTLY * known
    return column.distinct > 2 and (column.kind == "number" or written)


def _binary(column: ColumnProfile) -> tuple[str, str, int]:
    """The outcome as 0 and 1, what was taken for 1, and how often it occurs."""
    values = list(column.values)
    if column.kind == "boolean":
        return f"{column.quoted}::int", "", column.values.get("true", 0)
    if column.kind == "number" and values and {float(v) for v in values} <= {0.0, 1.0}:
        return column.quoted, "", sum(n for v, n in column.values.items() if float(v))
    events = [v for v in values if EVENT_VALUE.match(v)]
    if not events and len(values) == 2:
        events = values[-1:]
    if not events or len(events) == len(values):
        shown = ", ".join(values[:8]) or f"{column.distinct:,} of them"
        raise UsageError(
            f"--target {column.name}: a classification needs an outcome of 0 and 1, and it has other values ({shown}). "
            "Use --task regression, or make a view with such a column and name the view"
        )
    listed = ", ".join(_literal(v) for v in events)
    counts = ", ".join(f"{v} ({n:,})" for v, n in column.values.items())
    note = f"1 is {', '.join(events)}; 0 is every other value of {counts}"
    return f"({column.quoted}::text in ({listed}))::int", note, sum(column.values[v] for v in events)


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _number(column: ColumnProfile) -> str:
    """A text as a number, null where it is none."""
    if column.amounts > column.numbers:
        digits = f"regexp_replace({column.quoted}, '[^-+0-9.]', '', 'g')"
        return f"case when {column.quoted} ~ '{AMOUNT}'\n        then {digits}::double precision end"
    return f"case when {column.quoted} ~ '{NUMBER}' then {column.quoted}::double precision end"


class _Features:
    """The columns that are left: features, protected ones, and those that are left out."""

    def __init__(self, table: TableProfile, outcome: Outcome, reader: TableReader, names: dict[str, str]) -> None:
        self._rows, self._outcome, self._reader, self._names = table.rows, outcome, reader, names
        self.numeric: list[Item] = []
        self.categorical: list[Item] = []
        self.protected: list[Item] = []
        self.left_out: list[LeftOut] = []

    def add(self, c: ColumnProfile) -> None:
        """Give a column its place."""
        if why := next(self._reasons(c), ""):
            self.left_out.append(LeftOut(c.name, why))
            return
        alias, number = self._names[c.name], self._as_number(c)
        if words(c.name) & PROTECTED_WORDS and c.distinct <= MAX_CATEGORIES:
            self.protected.append(Item(c.quoted, alias))
        elif number is None:
            self.categorical.append(Item(c.value, alias))
        else:
            self.numeric.append(Item(number, alias, note=self._not_numbers(c)))

    def _as_number(self, c: ColumnProfile) -> str | None:
        """The SQL of a column as a number; None for one that is none."""
        if c.kind in ("number", "boolean"):
            return c.quoted if c.kind == "number" else f"{c.quoted}::int"
        return _number(c) if c.kind == "text" and max(c.numbers, c.amounts) >= MOSTLY * (self._rows - c.nulls) else None

    def _not_numbers(self, c: ColumnProfile) -> str:
        known = self._rows - c.nulls
        none = known - max(c.numbers, c.amounts)
        wrong = f", {none:,} of {known:,} are no number and become null" if none else ""
        return f"{c.name} is text in the table{wrong}" if c.kind == "text" else ""

    def _reasons(self, c: ColumnProfile) -> Iterator[str]:
        """Why a column is no feature."""
        if c.kind == "other":
            yield f"its type is {c.sql_type}"
        if c.distinct <= 1:
            yield "the same value in every row" if c.distinct and not c.nulls else "one value or none"
        if c.is_date:
            yield "a date; a length of time up to the event can be a feature"
        text = self._as_number(c) is None
        if c.unique and (text or c.sql_type in ("integer", "bigint", "smallint")):
            yield "different in every row"
        if words(c.name) & {"id", "uuid", "guid"}:
            yield "an identifier"
        if text and c.distinct > MAX_CATEGORIES:
            yield f"{c.distinct:,} different texts"
        yield from self._too_close(c)
        if late := sorted(words(c.name) & (AFTER_WORDS | words(self._outcome.column.name) - COMMON_WORDS)):
            yield f"`{late[0]}` in its name: was it known at the event?"

    def _too_close(self, c: ColumnProfile) -> Iterator[str]:
        """A column that all but contains the outcome, by its values or by its gaps."""
        number, target = self._as_number(c), self._outcome.item.sql
        asked = ({"it": number} if number else {}) | ({"its gaps": f"({c.value} is null)::int"} if c.nulls else {})
        for what, r in self._reader.correlations(target, asked).items():
            if r >= SUSPICIOUS[self._outcome.task]:
                verb = "correlate" if what == "its gaps" else "correlates"
                yield f"{what} {verb} {r:.2f} with the outcome: was it known at the event?"
        if self._outcome.task == "classification":
            groups = [f"{c.value} is null", f"sign({number})" if number else c.value]
            share = self._reader.purest(self._outcome.rarer(self._rows), groups, max(30, self._rows // 500))
            if share >= PURE:
                yield f"some of its values go with one outcome ({share:.0%}): was it known at the event?"
