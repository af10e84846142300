"""The chain of seals over the rows beside the decisions: scoring runs, monitor reports, records of reports and lanes.

The database seals a row when it is written, with a hash over the row and the seal before it in the lane. A decision
keeps the newest seal of its lane, so that its own hash covers them all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from titleholder.ledger.database import engine, reachable

NAMES = {
    "lane_records": "Lane record",
    "reports": "Record of a report",
    "score_runs": "Scoring run",
    "monitor_reports": "Monitor report",
}
"""The tables whose rows are sealed, and what one row of each is called."""
FEW = 100
"""Rows in memory at a time: a monitor's report of many features takes half a megabyte."""
_CONTENT = " ".join(
    f"WHEN '{of}' THEN (SELECT to_jsonb(r)::text FROM titleholder.{of} AS r WHERE r.id = s.number)"  # noqa: S608
    for of in NAMES
)
_SEALS = text(
    f"SELECT s.lane, s.of, s.number, s.previous_hash, s.hash, CASE s.of {_CONTENT} END AS content "  # noqa: S608
    "FROM titleholder.seals AS s WHERE s.model = :model ORDER BY s.id"
)
_UNSEALED = " UNION ALL ".join(
    f"SELECT r.lane, '{of}' AS of, r.id AS number FROM titleholder.{of} AS r WHERE r.model = :model AND NOT EXISTS ("  # noqa: S608
    f"SELECT FROM titleholder.seals AS s WHERE s.of = '{of}' AND s.number = r.id AND s.model = r.model "
    "AND s.lane = r.lane)"
    for of in NAMES
)


class Seal(NamedTuple):
    """A seal, and the row that it seals as JSON, in UTC; None where the row is gone."""

    lane: str
    of: str
    number: int
    previous_hash: str
    hash: str
    content: str | None


class SealFault(NamedTuple):
    """What is wrong with a seal or its row, in a sentence."""

    lane: str
    explanation: str
    decision: int | None = None


def faults(url: str, model: str, decisions: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[SealFault]:
    """What is wrong with a model's seals and the rows that they seal, given its decisions by lane."""
    with reachable(), engine(url).connect() as connection:
        return list(faults_seen_by(connection, model, decisions))


def faults_seen_by(
    connection: Connection, model: str, decisions: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[SealFault]:
    """The same of one transaction."""
    places: Places = {}
    yield from broken(
        map(Seal._make, connection.execute(_SEALS.execution_options(yield_per=FEW), {"model": model})), places
    )
    for lane, of, number in connection.execute(text(_UNSEALED), {"model": model}):
        yield SealFault(lane, f"{NAMES[of]} {number} has no seal: it was not written as all others are.")
    for lane, rows in decisions.items():
        yield from _unknown(lane, rows, places.get(lane, {}))


Places = dict[str, dict[str, int]]
"""By lane the hash of each seal, with its place in the lane from 1 on."""


def broken(seals: Iterable[Seal], places: Places) -> Iterator[SealFault]:
    """The seals, in the order of writing, that do not fit into their lane's chain or to their row (pure).

    `places` gets every seal that was looked at.

    >>> seal = Seal("live", "score_runs", 7, "", digest("", "score_runs", "{}"), "{}")
    >>> list(broken([seal], {}))
    []
    >>> next(broken([seal._replace(content='{"rows": 1}')], {})).explanation
    'Scoring run 7 was changed: it does not have the hash of its seal.'
    """
    newest: dict[str, str] = {}
    for seal in seals:
        name = f"{NAMES.get(seal.of, seal.of)} {seal.number}"
        if seal.previous_hash != newest.get(seal.lane, ""):
            yield SealFault(seal.lane, f"{name}: the seal before its own was changed or removed.")
        if seal.content is None:
            yield SealFault(seal.lane, f"{name} is gone; its seal is still there.")
        elif digest(seal.previous_hash, seal.of, seal.content) != seal.hash:
            yield SealFault(seal.lane, f"{name} was changed: it does not have the hash of its seal.")
        newest[seal.lane] = seal.hash
        of_lane = places.setdefault(seal.lane, {})
        of_lane[seal.hash] = len(of_lane) + 1


def digest(previous: str, of: str, content: str) -> str:
    """The hash of a seal; the database writes the same with its trigger `seal`."""
    return hashlib.sha256(f"{previous} {of} {content}".encode()).hexdigest()


def _unknown(lane: str, rows: Sequence[Mapping[str, Any]], places: Mapping[str, int]) -> Iterator[SealFault]:
    """The decisions whose newest seal is gone, or older than that of the decision before."""
    before = 0
    for row in rows:
        place = places.get(row["seal"]) if row["seal"] else 0
        if place is None:
            yield SealFault(lane, f"Decision {row['id']} knows a seal that is gone.", row["id"])
        elif place < before:
            yield SealFault(lane, f"Decision {row['id']} knows an older seal than the decision before.", row["id"])
        else:
            before = place
