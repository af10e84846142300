"""The features of a new model, and what is left out: without information, or written after the event.

Features that look as if they were overwritten after the event are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from titleholder.data.table_profile import FEW, ColumnProfile, TableProfile
from titleholder.data.table_reader import TableReader
from titleholder.spec.leakage_rules import SingleFeature
from titleholder.spec.metrics import Task
from titleholder.training.pipeline import MAX_CATEGORIES
from titleholder.workflow.scaffold.items import Item, LeftOut, number, written_as_numbers
from titleholder.workflow.scaffold.names import snake_case, words
from titleholder.workflow.scaffold.outcome import Outcome
from titleholder.workflow.scaffold.vocabulary import (
    AFTER_WORDS,
    CALENDAR_WORDS,
    COMMON_WORDS,
    OVERWRITTEN_WORDS,
    PROTECTED_WORDS,
)

PURE = 0.95
"""So large a share of the rarer outcome in a group of rows is suspicious too."""
SUSPICIOUS: dict[Task, float] = {"classification": 0.9, "regression": 0.95}
"""A column whose correlation with the outcome is at least this was probably written after it."""
WHOLE = ("integer", "bigint", "smallint")


class Features:
    """The columns that are left: features, protected ones, and those that are left out."""

    def __init__(self, table: TableProfile, outcome: Outcome, reader: TableReader, names: dict[str, str]) -> None:
        self._rows, self._outcome, self._reader, self._names = table.rows, outcome, reader, names
        self._group = max(30, table.rows // 500)
        self.numeric: list[Item] = []
        self.categorical: list[Item] = []
        self.protected: list[Item] = []
        self.left_out: list[LeftOut] = []
        self.overwritten: list[LeftOut] = []
        """Features that look as if they were overwritten after the event, and why."""

    def add(self, c: ColumnProfile) -> None:
        """Give a column its place."""
        if why := next(self._reasons(c), ""):
            self.left_out.append(LeftOut(c.name, why))
            return
        alias, number, doubt = self._names[c.name], self._as_number(c), next(self._looks_overwritten(c), "")
        if doubt:
            self.overwritten.append(LeftOut(c.name, doubt))
            doubt = f"CHECK {c.name}: {doubt}. Was it overwritten after the event? Then leave it out."
        if words(c.name) & PROTECTED_WORDS and c.distinct <= MAX_CATEGORIES:
            self.protected.append(Item(c.quoted, alias, note=doubt))
        elif _of_the_calendar(c):
            note = (
                f"{c.name} numbers parts of the calendar, so it is categorical: no hour or month is more than another"
            )
            self.categorical.append(Item(f"{c.quoted}::text", alias, note=" ".join(filter(None, (doubt, note)))))
        elif number is None:
            self.categorical.append(Item(c.value, alias, note=doubt))
        else:
            self.numeric.append(Item(number, alias, note=" ".join(filter(None, (doubt, self._not_numbers(c))))))

    def _as_number(self, c: ColumnProfile) -> str | None:
        """The SQL of a column as a number; None for one that is none."""
        if c.kind in ("number", "boolean"):
            return c.quoted if c.kind == "number" else f"{c.quoted}::int"
        return number(c) if written_as_numbers(c, self._rows) else None

    def _not_numbers(self, c: ColumnProfile) -> str:
        known = self._rows - c.nulls
        none = known - max(c.numbers, c.amounts)
        wrong = f", {none:,} of {known:,} are no number and become null" if none else ""
        if c.amounts > c.numbers and c.grouped and not c.pointed:
            asked = "Is the comma its decimal mark? Then replace it by a point."
            return f"CHECK {c.name}: `1,234` is read as 1234{wrong}. {asked}"
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
        if c.unique and (text or c.sql_type in WHOLE):
            yield "different in every row"
        if words(c.name) & {"id", "uuid", "guid"}:
            yield "an identifier"
        if text and c.distinct > MAX_CATEGORIES:
            yield f"{c.distinct:,} different texts"
        yield from self._too_close(c)
        if late := sorted(words(c.name) & (AFTER_WORDS | words(self._outcome.column.name) - COMMON_WORDS)):
            yield f"`{late[0]}` in its name: was it known at the event?"

    def _looks_overwritten(self, c: ColumnProfile) -> Iterator[str]:
        """Why a feature looks as if it was overwritten after the event: its name, or how well it tells the outcome."""
        named = words(c.name)
        if late := sorted(named & OVERWRITTEN_WORDS) or ["status"] * ("status" in named and named <= COMMON_WORDS):
            yield f"`{late[0]}` in its name"
        number, target, binary = self._as_number(c), self._outcome.item.sql, self._outcome.task == "classification"
        strength = self._reader.strength(
            target, number or c.value, self._group, number=number is not None, binary=binary
        )
        usual, metric = (SingleFeature().roc_auc, "ROC AUC") if binary else (SingleFeature().r2, "R²")
        if strength >= usual:
            yield f"alone it tells the outcome ({metric} {strength:.2f})"

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
            share = self._reader.purest(self._outcome.rarer(self._rows), groups, self._group)
            if share >= PURE:
                yield f"some of its values go with one outcome ({share:.0%}): was it known at the event?"


def _of_the_calendar(c: ColumnProfile) -> bool:
    """Whether a column of few whole numbers from 0 or 1 on says the weekday, month, quarter or hour by its name."""
    name = snake_case(c.name)
    if c.sql_type not in WHOLE or not c.values:
        return False
    named = name.rpartition("_")[2] in CALENDAR_WORDS or name.endswith("day_of_week")
    return named and all(0 <= int(value) <= FEW for value in c.values)
