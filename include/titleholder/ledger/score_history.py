"""What pages ask the ledger about scoring runs: narrow queries with small answers, as in `queries`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, column, func, select, table

from titleholder.ledger.database import engine, reachable
from titleholder.spec.types import LIVE


class ScoreRunRecord(NamedTuple):
    """A scoring run; `airflow_run` is `<dag>/<run>`, empty where it was started elsewhere."""

    id: int
    as_of: date
    role: str
    version: int
    rows: int
    created_at: datetime
    actor: str
    airflow_run: str
    reason: str


class ScoredVersion(NamedTuple):
    """All runs of a version in a role: how many, their rows together, as-of dates, and when the last was written."""

    role: str
    version: int
    runs: int
    rows: int
    first: date
    last: date
    written: datetime


_RUNS = table(
    "score_runs", *map(column, ("model", "lane", *ScoreRunRecord._fields)), schema="titleholder"
)  # fmt: skip
_COLUMNS = [_RUNS.c[name] for name in ScoreRunRecord._fields]


def newest_by_model(url: str, models: Collection[str], lane: str = LIVE) -> dict[str, ScoreRunRecord]:
    """The champion's scoring run of the newest as-of date of each of these models; one without any is left out."""
    of = _RUNS.c
    wanted = (
        select(of.model, *_COLUMNS)
        .distinct(of.model)
        .where(of.model.in_(models), of.lane == lane, of.role == "champion")
        .order_by(of.model, of.as_of.desc(), of.id.desc())
    )
    return {row.model: ScoreRunRecord._make(row[1:]) for row in _ask(url, wanted)}


def newest(url: str, model: str, lane: str, most: int) -> list[ScoreRunRecord]:
    """The champion's scoring runs of the newest as-of dates of a lane, the newest first."""
    of = _RUNS.c
    wanted = (
        select(*_COLUMNS)
        .where(of.model == model, of.lane == lane, of.role == "champion")
        .order_by(of.as_of.desc(), of.id.desc())
        .limit(most)
    )
    return [ScoreRunRecord._make(row) for row in _ask(url, wanted)]


def by_version(url: str, model: str, lane: str) -> list[ScoredVersion]:
    """What each version of a lane has scored, the one that was used last first; champions before challengers."""
    of = _RUNS.c
    last, written = func.max(of.as_of), func.max(of.created_at)
    wanted = (
        select(of.role, of.version, func.count(), func.sum(of.rows), func.min(of.as_of), last, written)
        .where(of.model == model, of.lane == lane)
        .group_by(of.role, of.version)
        .order_by(of.role, last.desc(), of.version.desc())
    )
    return [ScoredVersion._make(row) for row in _ask(url, wanted)]


def _ask(url: str, question: Select[Any]) -> Sequence[Row[Any]]:
    with reachable(), engine(url, short=True).connect() as connection:
        return connection.execute(question).all()
