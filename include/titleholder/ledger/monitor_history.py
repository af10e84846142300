"""What a page asks the ledger about a monitor's looks: the newest one whole, earlier ones narrow.

A report is data that another process wrote: one that is too large or has not this version's form is left out, and what
is known of its look besides is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Row, text

from titleholder.ledger.database import engine, reachable
from titleholder.validation.monitoring.report import MonitorReport

LARGEST = 4 * 1024 * 1024
"""Bytes of a report that are read: a thousand features have a fraction of it."""
_WHOLE = f"CASE WHEN octet_length(report::text) <= {LARGEST} THEN report END"
# The row is chosen before its report is measured: PostgreSQL would read every report of the lane otherwise.
_NEWEST = text(f"""
SELECT id, as_of, version, decision, state, alarms, asks_retrain, ask_reason, created_at, spec, {_WHOLE} AS report,
       report ->> 'unavailable' IS NOT NULL AS without_outcomes
FROM titleholder.monitor_reports WHERE id = (
    SELECT id FROM titleholder.monitor_reports WHERE model = :model AND lane = :lane
    ORDER BY as_of DESC, id DESC LIMIT 1
)
""")  # noqa: S608
_SERIES = text(f"""
SELECT as_of, report #> '{{drift,looks}}' AS looks,
       jsonb_path_query_array(report, '$.drift.features[*].name') AS names,
       jsonb_path_query_array(report, '$.drift.features[*].psi.estimate') AS psi
FROM (
    SELECT id, as_of, {_WHOLE} AS report FROM titleholder.monitor_reports
    WHERE model = :model AND lane = :lane AND decision = :decision ORDER BY id DESC LIMIT :most
) AS newest ORDER BY id
""")  # noqa: S608


class NewestLook(NamedTuple):
    """The newest look at a lane; `report` is None where it cannot be shown. `spec` is its section `monitor`."""

    id: int
    as_of: date
    version: int
    decision: int
    state: str
    alarms: list[str]
    asks_retrain: bool
    ask_reason: str
    created_at: datetime
    spec: dict[str, Any]
    report: MonitorReport | None
    without_outcomes: bool = False
    """Whether outcomes that are final could not be read."""


class DriftLook(NamedTuple):
    """The population stability index of each feature, and of the score, in an earlier look of a reign."""

    as_of: date
    psi: dict[str, float]


def newest(url: str, model: str, lane: str) -> NewestLook | None:
    """The look of the newest as-of date; None before the first one."""
    for row in _ask(url, _NEWEST, model=model, lane=lane):
        return NewestLook._make(row)._replace(report=_report(row.report))
    return None


def series(url: str, model: str, lane: str, decision: int, most: int) -> list[DriftLook]:
    """The newest looks with enough rows at the reign that a decision began, the oldest first."""
    found: list[DriftLook] = []
    before = None
    for row in _ask(url, _SERIES, model=model, lane=lane, decision=decision, most=most):
        if row.looks is not None and row.looks != before and (psi := _named(row.names, row.psi)):
            found.append(DriftLook(row.as_of, psi))
        before = row.looks if row.looks is not None else before
    return found


def _report(found: Any) -> MonitorReport | None:
    try:
        return MonitorReport.model_validate(found)
    except (ValidationError, RecursionError):
        return None


def _named(names: Any, values: Any) -> dict[str, float]:
    """Finite numbers by name; empty where these lists do not belong together."""
    if len(names) != len(values):
        return {}
    pairs = zip(names, values, strict=True)
    return {
        name: float(value)
        for name, value in pairs
        if isinstance(name, str) and isinstance(value, int | float) and abs(value) < math.inf
    }


def _ask(url: str, question: Any, **named: Any) -> Sequence[Row[Any]]:
    with reachable(), engine(url, short=True).connect() as connection:
        return connection.execute(question, named).all()
