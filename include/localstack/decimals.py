"""The decimal mark of a CSV file's numbers: given by --decimal, or asked for where a point and a comma both fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from titleholder.data.decimals import Mark, all_written
from titleholder.data.table_profile import CODE
from titleholder.errors import UsageError


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
    example: str = ""
    """The first in which the mark or groups of thousands are seen."""

    def add(self, column: pa.Array) -> None:
        """Look at the next values, as text."""
        values = column.filter(pc.not_equal(pc.utf8_trim_whitespace(column), ""))
        if not len(values):
            return
        self.filled = True
        self.comma = self.comma and all_written(values, ",")
        self.point = self.point and all_written(values, ".")
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


def numbers(schema: pa.Schema, surveys: dict[str, Survey], mark: Mark) -> frozenset[str]:
    """The columns of texts each of whose values is a number with this decimal mark, with groups of thousands or not."""
    return frozenset(f.name for f in schema if pa.types.is_string(f.type) and surveys[f.name].fits(mark))
