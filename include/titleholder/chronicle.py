"""What pages and forms ask the ledger: narrow questions to its views, with small answers.

It imports neither the judgement nor anything scientific, so that a web server and a DAG file can afford it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import text

from titleholder.database import engine, reachable

_REIGNS = """
SELECT model, version, reigned_from, reigned_to, decision, kind, as_of, actor, approved_by, reason
FROM titleholder.champion_history WHERE model = ANY(:models) AND lane = :lane ORDER BY reigned_from, decision
"""


class Reigned(NamedTuple):
    """A version's time on the throne; `reigned_to` is None while it reigns."""

    version: int
    reigned_from: datetime
    reigned_to: datetime | None
    decision: int
    kind: str
    as_of: date
    actor: str
    approved_by: str | None
    reason: str


def reigns(url: str, model: str, lane: str = "live") -> list[Reigned]:
    """Who reigned when, the oldest first; a version that came back stands there twice."""
    return reigns_of(url, [model], lane)[model]


def reigns_of(url: str, models: Iterable[str], lane: str = "live") -> dict[str, list[Reigned]]:
    """The same of several models in one question; a model where nobody ever reigned has an empty list.

    Raises:
        ServiceError: after a few seconds, when the ledger does not answer or has no such view.
    """
    found: dict[str, list[Reigned]] = {model: [] for model in models}
    with reachable(), engine(url, hurried=True).connect() as connection:
        for model, *reign in connection.execute(text(_REIGNS), {"models": list(found), "lane": lane}):
            found[model].append(Reigned(*reign))
    return found
