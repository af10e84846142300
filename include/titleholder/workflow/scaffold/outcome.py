"""The outcome of a new model: which column says it, and what counts as 1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from titleholder.data.table_profile import ColumnProfile, TableProfile
from titleholder.data.table_reader import TableReader
from titleholder.errors import UsageError
from titleholder.spec.metrics import Task
from titleholder.workflow.scaffold.items import MOSTLY, Item, number
from titleholder.workflow.scaffold.names import aliases, words
from titleholder.workflow.scaffold.vocabulary import AMOUNT_WORDS, CLASS_WORDS, COUNT_WORDS, EVENT_VALUE

THRESHOLD = re.compile(r"(?P<column>.+?)\s*(?P<sign><=|>=|<|>)\s*(?P<limit>[-+]?\d+(\.\d+)?)")
"""An outcome that is 1 beyond a number."""
ALMOST_ALL = 0.99
"""The share of rows that must have an outcome's date where there was one, and none where there was not."""
BEYOND = {">": "over", ">=": "at_least", "<": "under", "<=": "at_most"}


@dataclass(frozen=True)
class Choices:
    """What whoever asks for the spec has decided; the rest is guessed."""

    task: Task | None = None
    target: str | None = None
    """A column, or a column beyond a number, such as `days_late > 30`."""
    event_time: str | None = None
    entity: str | None = None


class Outcome(NamedTuple):
    """The column of the outcome, its task, its place in the query, and how many rows have a 1."""

    column: ColumnProfile
    task: Task
    item: Item
    ones: int
    limit: str = ""
    """Where it is 1 beyond a number: the sign and the number."""

    def events(self, rows: int) -> int:
        """How many of so many rows decide what can be judged: those of the rarer class, or all."""
        known = rows - self.column.nulls
        return known if self.task == "regression" else min(self.ones, known - self.ones)

    def rarer(self, rows: int) -> str:
        """The SQL of the outcome, with 1 for the rarer class."""
        return self.item.sql if self.events(rows) == self.ones else f"1 - {self.item.sql}"


def find(
    table: TableProfile, choices: Choices, used: Sequence[ColumnProfile], names: dict[str, str], reader: TableReader
) -> Outcome:
    """The outcome, which a column of the table says."""
    beyond = THRESHOLD.fullmatch(choices.target or "") if choices.target not in names else None
    if choices.target:
        column, why = table.column(beyond["column"] if beyond else choices.target), "as given"
        if column in used:
            raise UsageError(f"--target {column.name}: it is already the entity, the event time or known_at")
    else:
        column, why = _likeliest_target(table, choices.task, used)
    task = choices.task or ("regression" if _is_amount(column) and not beyond else "classification")
    alias = names[column.name]
    if column.nulls:
        why += f"; {column.nulls:,} of {table.rows:,} rows have none and are left out"
    if beyond:
        item = Item("", _alias_beyond(beyond, names), why)
        return _beyond(column, beyond, task, item, table.rows - column.nulls, reader)
    if task == "regression":
        if not _is_amount(column) and column.kind != "number":
            raise UsageError(f"--target {column.name}: a regression needs a number, not {column.sql_type}")
        sql = number(column) if column.kind == "text" else column.quoted
        return Outcome(column, task, Item(sql, alias, why), table.rows - column.nulls)
    sql, note, ones = _binary(column)
    return Outcome(column, task, Item(sql, alias, why, note), ones)


def is_dated_by(task: Task, target: str, column: ColumnProfile, reader: TableReader) -> bool:
    """Whether a date is the outcome's: the rows with outcome 1 have it, and no others.

    Of a regression, whose `target` is null where there is no outcome yet, the rows with an outcome.
    """
    if not column.nulls:
        return False
    has = f"({target} is not null)::int" if task == "regression" else target
    with_date, without = (f"nullif({column.value} is {what}, false)" for what in ("not null", "null"))
    always = reader.purest(has, [with_date], 1) >= ALMOST_ALL
    return always and reader.purest(f"1 - {has}", [without], 1) >= ALMOST_ALL


def _beyond(
    column: ColumnProfile, found: re.Match[str], task: Task, item: Item, known: int, reader: TableReader
) -> Outcome:
    """An outcome that is 1 where a number lies beyond a limit."""
    if task == "regression" or not (column.kind == "number" or _is_amount(column)):
        fault = "this is a classification" if task == "regression" else f"{column.name} is {column.sql_type}, no number"
        raise UsageError(f"--target {found[0]}: {fault}")
    value = number(column) if column.kind == "text" else column.quoted
    limit = f"{found['sign']} {found['limit']}"
    sql = f"({value} {limit})::int"
    ones = round(reader.purest(sql, ["true"], 1) * known)
    return Outcome(column, task, item._replace(sql=sql, note=f"1 is {column.name} {limit}"), ones, limit)


def _alias_beyond(found: re.Match[str], names: dict[str, str]) -> str:
    """What a number beyond a limit is called: `hours_over_72`."""
    number = found["limit"].lstrip("+").replace("-", "minus_")
    *_, alias = aliases([*names.values(), f"{names[found['column']]}_{BEYOND[found['sign']]}_{number}"]).values()
    return alias


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
        f"--target: no column of {table.name} looks like an outcome. Name it with --target COLUMN, or with --target "
        f"'COLUMN > 30' where it is 1 beyond a number. Columns with two values: {binary}; with numbers: {amounts}"
    )


def _target_score(column: ColumnProfile, task: Task | None) -> int:
    named = words(column.name)
    if column.distinct == 2 or any(EVENT_VALUE.match(v) for v in column.values):
        return 0 if task == "regression" else 3 * bool(named & CLASS_WORDS)
    if task == "classification" or not _is_amount(column):
        return 0
    return 2 if named & AMOUNT_WORDS else int(bool(named & COUNT_WORDS))


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
            f"{_way_out(column)}"
        )
    listed = ", ".join(_literal(v) for v in events)
    ones, others = (
        ", ".join(f"{v} ({n:,} rows)" for v, n in column.values.items() if (v in events) == one)
        for one in (True, False)
    )
    note = f"1 is {ones}; 0 is every other value: {others}"
    return f"({column.quoted}::text in ({listed}))::int", note, sum(column.values[v] for v in events)


def _way_out(column: ColumnProfile) -> str:
    """What to do about an outcome of other values than 0 and 1: a text is no number, and a row may be open still."""
    view = "make a view with such a column and name the view"
    if column.kind == "number" or _is_amount(column):
        return f"Use --task regression, or a limit as in --target '{column.name} > 30', or {view}"
    one = _literal(next(iter(column.values), "..."))
    return (
        f"{view.capitalize()}: ({column.quoted} = {one})::int for the value that is to be 1, and null where the "
        "outcome is not known yet"
    )


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
