"""The decimal mark of a CSV file's numbers: given by --decimal, or asked for where a point and a comma both fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from titleholder.data.decimals import Mark, all_written, without
from titleholder.data.table_profile import CODE
from titleholder.errors import UsageError

SIGNS = "%€$£"
"""What may stand in front of each number of a column, or behind each."""


@dataclass
class Survey:
    """What the values of one column look like so far."""

    filled: bool = False
    comma: bool = True
    """Each fits a decimal comma."""
    point: bool = True
    """Each fits a decimal point."""
    code: bool = False
    """One is of digits that a number would not keep."""
    sign: str | None = None
    """The sign that each value has; empty where there is none, None before the first value."""
    example: str = ""
    """The first in which the mark or groups of thousands are seen."""

    def add(self, column: pa.Array) -> None:
        """Look at the next values, as text."""
        values = column.filter(pc.not_equal(pc.utf8_trim_whitespace(column), ""))
        if not len(values):
            return
        self.filled = True
        if self.sign is None:
            self.sign = _sign(values[0].as_py())
        numbers = without(values, self.sign) if _all_have(values, self.sign) else values
        self.comma = self.comma and all_written(numbers, ",")
        self.point = self.point and all_written(numbers, ".")
        self.code = self.code or bool(pc.any(pc.match_substring_regex(values, CODE)).as_py())
        if not self.example and (n := pc.index(pc.match_substring_regex(values, r"[.,]"), True).as_py()) >= 0:
            self.example = values[n].as_py()

    def fits(self, mark: Mark) -> bool:
        """Whether each value is a number with this decimal mark."""
        return self.filled and not self.code and (self.comma if mark == "," else self.point)


def survey(batches: Iterable[pa.RecordBatch]) -> dict[str, Survey]:
    """A survey of each column of texts."""
    found: dict[str, Survey] = {}
    for batch in batches:
        for name in batch.schema.names:
            found.setdefault(name, Survey()).add(batch[name])
    return found


def with_commas(file: str, schema: pa.Schema, surveys: dict[str, Survey]) -> list[str]:
    """The columns that came as text because they have decimal commas, where --decimal was not given.

    Raises:
        UsageError: another column came as a number, and would be a thousand times as much with decimal commas.
    """
    texts = [f.name for f in schema if pa.types.is_string(f.type)]
    sure = [name for name in texts if surveys[name].fits(",") and not surveys[name].point]
    if not sure:
        return []
    for name, other in surveys.items():
        if name not in texts and other.fits(",") and other.example:
            raise UsageError(
                f"{file}: {sure[0]!r} has decimal commas, such as {surveys[sure[0]].example!r}, and {name!r} has "
                f"{other.example!r}, where the point may group thousands. Say which is the decimal mark: "
                "--decimal ',' or --decimal '.'. Nothing was loaded"
            )
    return [name for name in texts if surveys[name].fits(",") and surveys[name].example]


def numbers(schema: pa.Schema, surveys: dict[str, Survey], mark: Mark) -> dict[str, str]:
    """The columns of texts each of whose values is a number with this decimal mark, with groups of thousands or not.

    Each with the sign that all of its values have, such as %, or none.
    """
    texts = {f.name: surveys[f.name] for f in schema if pa.types.is_string(f.type)}
    return {name: found.sign or "" for name, found in texts.items() if found.fits(mark)}


def _sign(value: str) -> str:
    """The sign with which a text begins or ends."""
    found = value.strip().lstrip("+-")
    return next((sign for sign in SIGNS if found.startswith(sign) or found.endswith(sign)), "")


def _all_have(values: pa.Array, sign: str) -> bool:
    """Whether each text has the sign once."""
    return not sign or bool(pc.all(pc.equal(pc.count_substring(values, sign), 1)).as_py())
