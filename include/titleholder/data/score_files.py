"""Scores as a CSV or Parquet file, which is there whole or not at all."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from titleholder.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

CSV, PARQUET = ".csv", ".parquet"
FORMULA = re.compile(r"[=+\-@\t\r\n]")
"""How a text begins that a spreadsheet takes for a formula."""
NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*([eE][+-]?[0-9]+)?")
"""A number with a sign is none."""


def require_suffix(path: Path) -> None:
    """Raises UsageError for a file that is to be neither CSV nor Parquet, or in no folder."""
    if path.suffix.lower() not in (CSV, PARQUET):
        raise UsageError(f"--output {path}: the name ends with {CSV} or {PARQUET}")
    if not path.parent.is_dir():
        raise UsageError(f"--output {path}: there is no folder {path.parent}")


def write(path: Path, frames: Iterator[pd.DataFrame]) -> int:
    """Write the frames one after the other; returns how many rows. What is there is replaced at the end.

    A link is replaced too, and what it leads to stays as it is. In a CSV file an apostrophe is put before a text that a
    spreadsheet would take for a formula.
    """
    put = _csv if path.suffix.lower() == CSV else _parquet
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as made:
        part = Path(made.name)  # a new file, never one that lies there or a link
    try:
        rows = put(part, frames)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return rows


def _csv(part: Path, frames: Iterator[pd.DataFrame]) -> int:
    rows = 0
    with part.open("w", encoding="utf-8", newline="") as file:
        for n, frame in enumerate(frames):
            frame.apply(_without_formulas).to_csv(file, index=False, header=n == 0)
            rows += len(frame)
    return rows


def _without_formulas(values: pd.Series) -> pd.Series:
    return values if values.dtype.kind in "biufM" else values.map(as_plain_text, na_action="ignore")


def as_plain_text(value: Any) -> Any:
    """A text with an apostrophe before it where a spreadsheet would take it for a formula; anything else as it is.

    >>> [as_plain_text(value) for value in ("=1+1", "-7.5", "a=b", -7.5)]
    ["'=1+1", '-7.5', 'a=b', -7.5]
    """
    if isinstance(value, str) and FORMULA.match(value) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def _parquet(part: Path, frames: Iterator[pd.DataFrame]) -> int:
    rows, writer = 0, None
    try:
        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False, schema=writer and writer.schema)
            writer = writer or pq.ParquetWriter(part, table.schema)
            writer.write_table(table)
            rows += len(frame)
    finally:
        if writer:
            writer.close()
    if writer is None:
        pq.write_table(pa.table({"score": pa.array([], pa.float64())}), part)
    return rows
