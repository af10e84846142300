"""An outcome that is a duration beyond a limit: it is decided once the limit has passed, ended or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from titleholder.data.table_profile import ColumnProfile
from titleholder.data.table_reader import TableReader
from titleholder.workflow.scaffold.items import number
from titleholder.workflow.scaffold.roles import Roles

SECONDS = {"minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800}
ALMOST_ALL = 0.99
"""The share of rows in which the column must be the time from the event to its end, rounded."""


class Duration(NamedTuple):
    """The limit of an outcome as so many units after the event, and the column of the time when it ended."""

    end: ColumnProfile
    sign: str
    limit: str
    unit: str

    @property
    def days(self) -> float:
        """The limit in days."""
        return float(self.limit) * SECONDS[self.unit] / SECONDS["days"]

    def outcome(self, roles: Roles) -> str:
        """The outcome in SQL, from the two times. What has not ended lasts longer."""
        lasts = str(self.sign in (">", ">=")).lower()
        passed = f"{roles.event_time.sql} + interval '{self.limit} {self.unit}'"
        return f"coalesce({self.end.moment} {self.sign} {passed}, {lasts})::int"


def find(roles: Roles, later: Iterable[str], reader: TableReader) -> Duration | None:
    """The duration that the outcome's column is, from the event to one of the dates after it; None if it is none."""
    sign, _, limit = roles.limit.partition(" ")
    if not limit or float(limit) <= 0:
        return None
    c, names = roles.outcome, set(later)
    value = number(c) if c.kind == "text" else c.quoted
    for end in (column for column in roles.later if column.name in names):
        gaps = f"(({value} is null) = ({end.value} is null))::int"
        if reader.purest(gaps, ["true"], 1) < ALMOST_ALL:
            continue
        lasted = f"extract(epoch from {end.moment}::timestamp - {roles.event_time.sql}::timestamp)::float8"
        shares = {
            unit: reader.purest(f"(abs({lasted} / {n} - {value}) <= 1 + 0.01 * {value})::int", ["true"], 1)
            for unit, n in SECONDS.items()
        }
        unit = max(shares, key=lambda name: shares[name])
        if shares[unit] >= ALMOST_ALL:
            return Duration(end, sign, limit, unit)
    return None


def decided(roles: Roles, duration: Duration | None) -> Roles:
    """The roles with the outcome as the two times decide it; rows without an end have one too."""
    if duration is None:
        return roles
    note = (
        f"1 is {roles.outcome.name} {roles.limit}, which is the {duration.unit} from {roles.event.name} to "
        f"{duration.end.name}: it is decided {duration.limit} {duration.unit} after the event"
    )
    target = roles.target._replace(sql=duration.outcome(roles), note=note, why="as given, from the two times")
    return replace(roles, target=target, conditions=())
