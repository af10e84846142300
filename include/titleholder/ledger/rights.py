"""What each role may do with the ledger. `migrate` grants it, and an audit compares what was granted."""

from __future__ import annotations

from typing import NamedTuple

SCHEMA = "titleholder"
TABLES = ("decisions", "lane_records", "reports", "score_runs", "scores", "monitor_reports", "seals")
VIEWS = ("decision_history", "champion_history", "current_champion", "current_scores")
VERSION = "alembic_version"
"""Says which migrations were made: whoever uses the ledger first looks whether it is of this code's version."""
_READING = {
    "USAGE": (f"SCHEMA {SCHEMA}",),
    "SELECT": tuple(f"{SCHEMA}.{name}" for name in (*TABLES, *VIEWS, VERSION)),
}
_APPENDING = {
    "EXECUTE": (
        f"FUNCTION {SCHEMA}.append(integer,json)",
        f"FUNCTION {SCHEMA}.record_lane(text,text,text,text,text)",
        f"FUNCTION {SCHEMA}.record_report(text,text,bigint,text,text,text)",
        f"FUNCTION {SCHEMA}.begin_score_run(json)",
        f"FUNCTION {SCHEMA}.record_monitor_report(json)",
    ),
    "INSERT": (f"{SCHEMA}.scores",),
}


class Roles(NamedTuple):
    """The roles that use the ledger: one that appends rows, and one that only reads.

    >>> Roles().appending
    'ledger'
    """

    appending: str = "ledger"
    reading: str = "ledger_reader"


def rights(roles: Roles) -> dict[str, dict[str, tuple[str, ...]]]:
    """By role and right, what it is granted on; there is no other right than these and the owner's."""
    return {roles.appending: _READING | _APPENDING, roles.reading: _READING}
