"""What pages and forms ask the ledger: narrow questions to its views, with small answers.

It imports neither the judgement nor anything scientific, so that a web server and a DAG file can afford it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text

from titleholder.database import engine, reachable
from titleholder.words import LIVE


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


class Decided(NamedTuple):
    """A decision without its verdict; `failed` and `warned` are codes of checks, blocking ones and others.

    Bounds are those of the metric's and the gain's intervals, None where nothing was measured. `stands` is false where
    the same month was judged anew later. A rollback has neither challenger nor anything measured.
    """

    id: int
    model: str
    lane: str
    sequence: int
    as_of: date
    kind: str
    challenger_version: int | None
    champion_before: int | None
    champion_after: int | None
    created_at: datetime
    actor: str
    reason: str
    asked_because: str
    approved_by: str | None
    stands: bool
    matured: date | None
    judged_against: int | None
    metric: str | None
    challenger_metric: float | None
    challenger_lower: float | None
    challenger_upper: float | None
    champion_metric: float | None
    champion_lower: float | None
    champion_upper: float | None
    gain: float | None
    gain_lower: float | None
    gain_upper: float | None
    failed: list[str] | None
    warned: list[str] | None

    @property
    def changed(self) -> bool:
        """Whether it made another version champion."""
        return self.champion_after != self.champion_before


class Standing(NamedTuple):
    """Where a model stands in the lane live: whoever reigns, and its newest decision; None before there is any."""

    champion: Reigned | None
    last: Decided | None


class Lane(NamedTuple):
    """A line of succession: how many decisions it holds, and the newest as-of date."""

    lane: str
    decisions: int
    newest: date


_REIGNS = f"SELECT {', '.join(Reigned._fields)} FROM titleholder.champion_history"
_DECIDED = f"SELECT {', '.join(Decided._fields)} FROM titleholder.decision_history"
_LAST = f"""
SELECT found.* FROM unnest(CAST(:models AS text[])) AS wanted (model) CROSS JOIN LATERAL (
    {_DECIDED} AS rows WHERE rows.model = wanted.model AND lane = :lane ORDER BY sequence DESC LIMIT 1
) AS found
"""
_LANES = """
SELECT lane, count(*), max(as_of) FROM titleholder.decisions WHERE model = :model GROUP BY lane
ORDER BY lane <> 'live', max(created_at) DESC
"""


def standings(url: str, models: Collection[str]) -> dict[str, Standing]:
    """Where each of these models stands in the lane live."""
    asked = {"models": list(models), "lane": LIVE}
    reigning = f"{_REIGNS} WHERE model = ANY(:models) AND lane = :lane AND reigned_to IS NULL"
    champions = {row[0]: Reigned(*row[1:]) for row in _ask(url, reigning.replace("SELECT", "SELECT model,", 1), asked)}
    last = {row.model: Decided(*row) for row in _ask(url, _LAST, asked)}
    return {model: Standing(champions.get(model), last.get(model)) for model in models}


def reigns(url: str, model: str, lane: str = LIVE) -> list[Reigned]:
    """Who reigned when, the oldest first; a version that came back stands there twice."""
    wanted = f"{_REIGNS} WHERE model = :model AND lane = :lane ORDER BY reigned_from, decision"
    return [Reigned(*row) for row in _ask(url, wanted, {"model": model, "lane": lane})]


def decisions(url: str, model: str, lane: str = LIVE) -> list[Decided]:
    """Every decision of a lane in the order of writing, replaced ones too."""
    wanted = f"{_DECIDED} WHERE model = :model AND lane = :lane ORDER BY sequence"
    return [Decided(*row) for row in _ask(url, wanted, {"model": model, "lane": lane})]


def lanes(url: str, model: str) -> list[Lane]:
    """A model's lanes: live first, then the one written to last."""
    return [Lane(*row) for row in _ask(url, _LANES, {"model": model})]


def decision(url: str, number: int) -> Mapping[str, Any] | None:
    """A whole row of the ledger, verdict and all, as the database has it; None where there is none."""
    found = _ask(url, "SELECT * FROM titleholder.decisions WHERE id = :id", {"id": number})
    return dict(found[0]._mapping) if found else None


def _ask(url: str, question: str, values: Mapping[str, Any]) -> list[Row[Any]]:
    with reachable(), engine(url).connect() as connection:
        return list(connection.execute(text(question), values))
