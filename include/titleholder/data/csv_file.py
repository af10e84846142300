"""A CSV file, and how it is written: encoding, delimiter, decimal mark. What cannot be read says what to do."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.csv

from titleholder.data.decimals import Mark
from titleholder.errors import DataError, UsageError

BLOCK = 16 << 20
"""Bytes that are read at a time, and by which types are guessed."""
INVALID = "invalid UTF8 data"
DELIMITERS = ",;\t|"


class Written(NamedTuple):
    """How a CSV file is written, by the options of a command; what is empty was not given."""

    encoding: str = ""
    delimiter: str = ""
    decimal: str = ""

    def refuse_for(self, name: str) -> None:
        """Raise a UsageError where any was given, for a file of another kind."""
        if any(self):
            raise UsageError(f"{name}: --encoding, --delimiter and --decimal are for CSV files")


AS_USUAL = Written()


@dataclass(frozen=True)
class CsvFile:
    """A CSV file (`.gz` too) with a header, and how it is written."""

    path: Path
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: Mark | None = None
    """The decimal mark of its numbers; None where it was not given."""

    @classmethod
    def of(cls, path: Path, written: Written = AS_USUAL) -> Self:
        """A file as these options say; by default UTF-8 with commas, or with tabs where its name has `.tsv`.

        Raises:
            UsageError: an option has a value that it cannot have.
        """
        usual = "\t" if ".tsv" in [suffix.lower() for suffix in path.suffixes] else ","
        if len(mark := written.delimiter.replace("\\t", "\t") or usual) != 1:
            raise UsageError(f"--delimiter {written.delimiter!r}: one character, such as ';' or '\\t'")
        return cls(path, written.encoding or "utf-8", mark, _decimal(written, mark))

    def open(self, types: Mapping[str, pa.DataType], only: Collection[str] = ()) -> Any:
        """A reader of the file with these types; the other columns' are guessed from the first block.

        Raises:
            UsageError: the file cannot be read, or its encoding is not known.
            DataError: its header is not in its encoding.
            pa.ArrowInvalid: the first block cannot be read as CSV, see `unreadable`.
        """
        try:
            reader = pa.csv.open_csv(
                self.path,
                pa.csv.ReadOptions(encoding=self.encoding, block_size=BLOCK),
                pa.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                pa.csv.ConvertOptions(
                    column_types=dict(types), include_columns=list(only), decimal_point=self.decimal or "."
                ),
            )
            _ = reader.schema.names  # the header is decoded here
        except UnicodeDecodeError:
            raise DataError(f"{self.path.name}: its header {self.not_text}") from None
        except LookupError:
            raise UsageError(f"--encoding {self.encoding!r} is not known; use utf-8, latin-1, cp1252, utf-16") from None
        except OSError as error:
            raise UsageError(f"{self.path.name} cannot be read: {error}") from None
        return reader

    def refuse_names(self, names: Sequence[str], needed: Collection[str]) -> None:
        """Raise a UsageError for one column whose name has another delimiter, and for a `needed` one that is twice."""
        if len(names) == 1 and (mark := self._other(names[0])):
            raise UsageError(f"{self.path.name} has one column, {names[0]!r}: use --delimiter {mark!r}")
        if twice := sorted({name for name in names if names.count(name) > 1 and name in needed}):
            raise UsageError(f"{self.path.name}: its header has {', '.join(map(repr, twice))} twice; rename one")

    def unreadable(self, error: Exception) -> UsageError | DataError:
        """The error for what pyarrow raises, with what to do where the header tells it."""
        if isinstance(error, UnicodeDecodeError) or INVALID in str(error):
            return DataError(f"{self.path.name} {self.not_text}")
        return UsageError(f"{self.path.name} cannot be read as CSV: {error}{self._hint()}")

    @property
    def not_text(self) -> str:
        """What is said of bytes that are no text in the file's encoding."""
        return f"is not {self.encoding.upper()}. Say how the file is written, such as --encoding latin-1"

    def _hint(self) -> str:
        opener = gzip.open if self.path.suffix.lower() == ".gz" else open
        with opener(self.path, "rb") as file:
            header = file.readline(1 << 16)
        if header.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return ". The file is UTF-16: use --encoding utf-16"
        mark = self._other(header.decode(errors="replace"))
        return f". Its header has {mark!r} between the names: use --delimiter {mark!r}" if mark else ""

    def _other(self, header: str) -> str:
        """The delimiter that a header without this file's own seems to have; empty where it has none."""
        mark = max(DELIMITERS, key=header.count)
        return mark if mark in header and self.delimiter not in header else ""


def _decimal(written: Written, delimiter: str) -> Mark | None:
    given = written.decimal
    if given not in ("", ",", "."):
        raise UsageError(f"--decimal {given!r}: ',' or '.'")
    if given == delimiter and not written.delimiter:
        raise UsageError(f"--decimal {given!r}: it is the delimiter as well; say which with --delimiter, such as ';'")
    return None if not given else "," if given == "," else "."
