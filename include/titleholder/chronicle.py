"""What pages and forms ask the ledger: narrow questions to its views, with small answers.

It imports neither the judgement nor anything scientific, so that a web server and a DAG file can afford it.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from titleholder.database import engine, reachable

_REIGNS = """
SELECT version, reigned_from, reigned_to, decision, kind, as_of, actor, approved_by, reason
FROM titleholder.champion_history WHERE model = :model AND lane = :lane ORDER BY reigned_from, decision
"""


class Reigned(NamedTuple):
    """A version's time on the throne; `reigned_to` is None while it reigns."""

    version: int
    reigned_from: datetime
    reigned_to: datetime | None
    decision: int
    kind: str
    as_of: datetime
    actor: str
    approved_by: str | None
    reason: str


def reigns(url: str, model: str, lane: str = "live") -> list[Reigned]:
    """Who reigned when, the oldest first; a version that came back stands there twice."""
    with reachable(), engine(url).connect() as connection:
        return [Reigned(*row) for row in connection.execute(text(_REIGNS), {"model": model, "lane": lane})]
