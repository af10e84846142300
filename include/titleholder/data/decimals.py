"""Numbers that are written with a decimal comma or point, and with groups of thousands."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

Mark = Literal[",", "."]
GROUPS: dict[Mark, str] = {",": ".", ".": ","}
"""What may group the thousands beside each decimal mark."""
WRITTEN: dict[Mark, str] = {
    ",": r"^\s*[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?\s*$",
    ".": r"^\s*[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?\s*$",
}
"""How numbers are written with each decimal mark."""


def converted(column: pa.Array, mark: Mark, sign: str = "") -> pa.Array:
    """The numbers that these texts are with this decimal mark, without their sign; null where a text is empty.

    >>> converted(pa.array(["28.947,78 %", ""]), ",", "%").to_pylist()
    [28947.78, None]
    """
    plain = pc.replace_substring(without(column, sign), GROUPS[mark], "")
    digits = pc.replace_substring(plain, mark, ".")
    return pc.if_else(pc.equal(digits, ""), None, digits).cast(pa.float64())


def without(column: pa.Array, sign: str) -> pa.Array:
    """The texts without this sign, such as a percent sign, and the spaces around."""
    return pc.utf8_trim_whitespace(pc.replace_substring(column, sign, "") if sign else column)


def all_written(values: pa.Array, mark: Mark) -> bool:
    """Whether each of these texts is a number with this decimal mark."""
    return bool(pc.all(pc.match_substring_regex(values, WRITTEN[mark])).as_py())
