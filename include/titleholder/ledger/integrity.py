"""The hash that chains a row to the one before, and whether a lane's rows still are what was written (pure).

Rows are taken as `store.stored` gives them: their hashes cover the very texts of their JSON documents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from titleholder.errors import DataError
from titleholder.ledger.decision import Decision
from titleholder.ledger.reigns import RETURNS
from titleholder.spec.types import LIVE

Row = Mapping[str, Any]


def digest(row: Mapping[str, Any]) -> str:
    """SHA-256 of a row as the table has it, all columns but its id and its own hash.

    It covers the previous row's hash, which makes the rows a chain, and the JSON documents as the very texts that are
    stored: no number has to be written again in the same way. The database writes the same with `titleholder.digest`.
    """
    covered = "".join(_field(name, row[name]) for name in sorted(row) if name not in ("id", "hash"))
    return hashlib.sha256(covered.encode()).hexdigest()


def _field(name: str, value: Any) -> str:
    text = _text(value)
    return f"{name}\n" if text is None else f"{name}={len(text)}:{text}\n"


def _text(value: Any) -> str | None:
    match value:
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case int():
            return str(value)
        case str() | None:
            return value
    raise TypeError(f"no column of the ledger holds a {type(value).__name__}")


class Fault(NamedTuple):
    """What is wrong with one row, in sentences.

    >>> row = {"sequence": 1, "kind": "keep", "champion_before": 3, "champion_after": 4, "challenger_version": 4}
    >>> [fault.explanation for fault in wrong_champions([row], "backtest")]
    ['It is a keep from version 3, which cannot end with version 4.']
    """

    row: Row
    explanation: str


def broken_links(rows: Sequence[Row]) -> Iterator[Fault]:
    """The rows of one lane, in their order, that do not fit into its chain, and which of their parts does not."""
    before: Row | None = None
    for row in rows:
        wrong = [*_misnumbered(row, before), *_unchained(row, before), *_changed(row)] or _unreadable(row)
        if wrong:
            yield Fault(row, " ".join(wrong))
        before = row


def _misnumbered(row: Row, before: Row | None) -> list[str]:
    last = before["sequence"] if before else 0
    gap = range(last + 1, row["sequence"])
    if len(gap) == 1:
        return [f"Its sequence number is {row['sequence']}: the row with {gap[0]} is gone."]
    return [f"Its sequence number is {row['sequence']}: the rows with {gap[0]} to {gap[-1]} are gone."] if gap else []


def _unchained(row: Row, before: Row | None) -> list[str]:
    expected = before["hash"] if before else ""
    if row["previous_hash"] == expected:
        return []
    neighbour = f"decision {before['id']} before it has the hash" if before else "it is the first row, expected"
    return [f"Its previous_hash is {_short(row['previous_hash'])}, but {neighbour} {_short(expected)}."]


def _changed(row: Row) -> list[str]:
    try:
        found = digest(row)
    except (ValueError, TypeError, OverflowError) as error:
        return [f"Its hash cannot be computed: {error}."]
    if found == row["hash"]:
        return []
    return [f"Its content was changed: it hashes to {_short(found)}, but its hash is {_short(row['hash'])}."]


def _unreadable(row: Row) -> list[str]:
    try:
        Decision.from_row(row)
    except DataError as error:
        return [f"Its hashes hold, but this version cannot read it: {' '.join(str(error).split())}."]
    return []


def _short(sha256: str) -> str:
    return f"{sha256[:12]}…" if sha256 else "empty"


def wrong_champions(rows: Sequence[Row], lane: str) -> Iterator[Fault]:
    """The rows whose champions do not follow from their kind; in the live lane, nor from the row before."""
    for n, (before, row) in enumerate(zip([None, *rows], rows, strict=False)):
        started, ended, kind = row["champion_before"], row["champion_after"], row["kind"]
        if lane == LIVE and row["sequence"] == (before["sequence"] if before else 0) + 1:
            left = before["champion_after"] if before else None
            if started != left:
                yield Fault(row, f"It has {_name(started)} as champion before, but the row before left {_name(left)}.")
        recalled = _recalled(row) if kind == "recall" else None
        expected = {"promote": row["challenger_version"], "recall": recalled, "rollback": ended, "withdraw": None}.get(
            kind, started
        )
        if ended != expected or (kind in RETURNS and ended in (None, started)):
            yield Fault(row, f"It is a {kind} from {_name(started)}, which cannot end with {_name(ended)}.")
        elif kind == "recall" and not _earlier(rows[:n], row):
            yield Fault(
                row, f"It is a recall of {_name(ended)}, which was the challenger of no earlier as-of date of the lane."
            )
        elif kind == "rollback" and ended not in {r["champion_after"] for r in rows[:n]}:
            yield Fault(row, f"It is a rollback to {_name(ended)}, which never was champion before.")


def _recalled(row: Row) -> int | None:
    """The version that a row's verdict recalls; None where it has none."""
    try:
        return int(json.loads(row["verdict"])["recall"]["version"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _earlier(before: Sequence[Row], recall: Row) -> bool:
    """Whether a recalled version is the challenger of an earlier month that was written before the recall."""
    own = (r for r in before if r["challenger_version"] == recall["champion_after"])
    return any(r["as_of"] < recall["as_of"] for r in own)


def _name(version: int | None) -> str:
    return "no champion" if version is None else f"version {version}"


def decision_on(rows: Sequence[Row], version: int) -> Row | None:
    """The newest row in which this version was the challenger, as in `reigns.decision_on`."""
    return next((r for r in reversed(rows) if r["challenger_version"] == version), None)
