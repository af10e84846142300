"""The SHA-256s of reports that were written to MLflow: model cards and backtests. Append-only, like the decisions.

A report is known by its MLflow run and the name of its file. It may be drawn again, so it may have several records, and
is what was written where its SHA-256 is that of any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import text

from titleholder.ledger.database import engine, reachable

_ADD = "SELECT titleholder.record_report(:model, :lane, :decision, :run_id, :file, :sha256)"
_NAMED = "lane, decision, run_id, file, array_agg(DISTINCT sha256) FROM titleholder.reports"
_OF_DECISION = f"SELECT {_NAMED} WHERE decision = :decision GROUP BY 1, 2, 3, 4 ORDER BY max(id) DESC LIMIT 1"
_OF_MODEL = f"SELECT {_NAMED} WHERE model = :model GROUP BY 1, 2, 3, 4 ORDER BY min(id)"
_NEWEST_BACKTEST = f"""
SELECT {_NAMED} WHERE model = :model AND lane = :lane AND decision IS NULL AND file = :file
GROUP BY 1, 2, 3, 4 ORDER BY max(id) DESC LIMIT 1
"""


class Report(NamedTuple):
    """A report in MLflow, the decision that it is about (None: a backtest), and every SHA-256 that it may have."""

    lane: str
    decision: int | None
    run_id: str
    file: str
    sha256: frozenset[str]


def add(url: str, model: str, lane: str, run_id: str, sha256: Mapping[str, str], decision: int | None = None) -> None:
    """Record files of a run, each with its SHA-256. DataError for a decision that has not this model, lane and run."""
    about = {"model": model, "lane": lane, "decision": decision, "run_id": run_id}
    with reachable(), engine(url).begin() as connection:
        for file, digest in sha256.items():
            connection.execute(text(_ADD), about | {"file": file, "sha256": digest})


def of_model(url: str, model: str) -> list[Report]:
    """Every report of a model, in the order in which they were first recorded."""
    with reachable(), engine(url).connect() as connection:
        return [_report(row) for row in connection.execute(text(_OF_MODEL), {"model": model})]


def of_decision(url: str, decision: int) -> Report | None:
    """The card of a decision, for a page: a few seconds are given to the query. None where none was drawn yet."""
    return _first(url, _OF_DECISION, decision=decision)


def newest_backtest(url: str, model: str, lane: str, file: str) -> Report | None:
    """This file of the newest backtest of a lane, for a page, as above. None where there is none."""
    return _first(url, _NEWEST_BACKTEST, model=model, lane=lane, file=file)


def _first(url: str, query: str, **named: Any) -> Report | None:
    with reachable(), engine(url, short=True).connect() as connection:
        return next(map(_report, connection.execute(text(query), named)), None)


def _report(row: Any) -> Report:
    lane, decision, run_id, file, sha256 = row
    return Report(lane, decision, run_id, file, frozenset(sha256))
