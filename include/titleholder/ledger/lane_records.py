"""What people did with a lane as a whole: archived or deleted. Append-only, like the decisions, which stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection, text

from titleholder.ledger.database import engine, reachable

Kind = Literal["archive", "delete"]
_NEWEST = """
SELECT DISTINCT ON (lane) lane, kind, actor, reason, created_at FROM titleholder.lane_records
WHERE model = :model ORDER BY lane, id DESC
"""
_ADD = "SELECT titleholder.record_lane(:model, :lane, :kind, :actor, :reason)"


class LaneRecord(NamedTuple):
    """The newest record of a lane."""

    lane: str
    kind: Kind
    actor: str
    reason: str
    created_at: datetime

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"{self.kind}d on {self.created_at:%Y-%m-%d} by {self.actor}{why}"


def other_lanes(command: str, model: str, lane: str, known: Sequence[str], options: str = "") -> str:
    """That a lane has no decision, which lanes have, and the command, with these options, for the first of them.

    >>> other_lanes("champion", "small", "live", ["dev"])
    'small has no decision in lane live. Lanes with decisions: dev. `titleholder champion small --lane dev`'
    >>> other_lanes("score", "small", "dve", ["dev"], "--as-of 2026-03-01").partition("dev. ")[2]
    '`titleholder score small --as-of 2026-03-01 --lane dev`'
    """
    others = [name for name in known if name != lane]
    shown = f" `titleholder {command} {model}{options and f' {options}'} --lane {others[0]}`" if others else ""
    return f"{model} has no decision in lane {lane}. Lanes with decisions: {', '.join(others) or 'none'}.{shown}"


def add(url: str, model: str, lane: str, kind: Kind, actor: str, reason: str) -> None:
    """Write a record behind those there are."""
    named = {"model": model, "lane": lane, "kind": kind, "actor": actor, "reason": reason}
    with reachable(), engine(url).begin() as connection:
        connection.execute(text(_ADD), named)


def newest(url: str, model: str, *, short: bool = False) -> dict[str, LaneRecord]:
    """The newest record of each lane of a model that has any; with `short`, a few seconds are given to the query."""
    with reachable(), engine(url, short=short).connect() as connection:
        return _newest(connection, model)


def _newest(connection: Connection, model: str) -> dict[str, LaneRecord]:
    rows = connection.execute(text(_NEWEST), {"model": model})
    return {row.lane: LaneRecord(*row) for row in rows}
