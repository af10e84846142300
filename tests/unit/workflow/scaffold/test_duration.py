"""An outcome that is a duration beyond a limit, without a database: the answers about values are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from titleholder.data.table_profile import ColumnProfile
from titleholder.data.table_reader import TableReader
from titleholder.workflow.scaffold import calendar, duration
from titleholder.workflow.scaffold.calendar import History
from titleholder.workflow.scaffold.items import Item
from titleholder.workflow.scaffold.roles import Roles

ORDERED, DELIVERED, REFUNDED = (
    ColumnProfile(name=name, quoted=name, sql_type="timestamptz", kind="date")
    for name in ("ordered_at", "delivered_at", "refunded_at")
)
HOURS = ColumnProfile(name="hours", quoted="hours", sql_type="double precision", kind="number", nulls=9)


class Answers(TableReader):
    """Says in which share of the rows the column is so many seconds from the event to an end, and has its gaps."""

    def __init__(self, end: str, seconds: int, *, same_gaps: bool = True) -> None:
        self.lasted, self.gaps = f"{end}::timestamp - ordered_at::timestamp)::float8 / {seconds} -", same_gaps

    def purest(self, target: str, groups: Sequence[str], at_least: int) -> float:
        if "is null" in target:
            return 1.0 if self.gaps else 0.9
        return 0.995 if self.lasted in target else 0.3


def roles(limit: str) -> Roles:
    items = [Item(name, name) for name in ("parcel_id", "ordered_at", "hours_over_72", "distance")]
    return Roles(
        task="classification", entity=items[0], event_time=items[1], known_at=None,
        target=items[2]._replace(sql=f"(hours {limit})::int"), numeric=(items[3],), categorical=(), protected=(),
        left_out=(), conditions=("hours is not null",), events=90, event=ORDERED, known=None, outcome=HOURS,
        later=(REFUNDED, DELIVERED), limit=limit,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "sql"),
    [
        ("> 72", "coalesce(delivered_at > ordered_at + interval '72 hours', true)::int"),
        (">= 72", "coalesce(delivered_at >= ordered_at + interval '72 hours', true)::int"),
        ("< 2.5", "coalesce(delivered_at < ordered_at + interval '2.5 hours', false)::int"),
        ("<= 72", "coalesce(delivered_at <= ordered_at + interval '72 hours', false)::int"),
    ],
)
def test_the_outcome_is_decided_by_the_two_times_once_the_limit_has_passed(limit: str, sql: str) -> None:
    """Rows without hours, which last longest, were left out, and came once they had ended: by selection of the outcome."""
    found = duration.find(roles(limit), ["delivered_at", "refunded_at"], Answers("delivered_at", 3_600))
    assert found is not None
    assert (found.end, found.unit, found.days) == (DELIVERED, "hours", float(limit.split()[1]) / 24)
    decided = duration.decided(roles(limit), found)
    assert decided.target.sql == sql
    assert decided.target.alias == "hours_over_72"
    assert decided.conditions == (), "a row without an end has an outcome"


@pytest.mark.parametrize(
    ("answers", "limit", "later"),
    [
        (Answers("delivered_at", 3_600, same_gaps=False), "> 72", ["delivered_at"]),
        (Answers("delivered_at", 3_601), "> 72", ["delivered_at"]),
        (Answers("delivered_at", 3_600), "> 72", ["refunded_at"]),
        (Answers("delivered_at", 3_600), "> -3", ["delivered_at"]),
        (Answers("delivered_at", 3_600), "", ["delivered_at"]),
    ],
    ids=["other gaps", "no unit", "another date", "a negative limit", "no limit"],
)
def test_what_is_no_such_duration_stays_as_it_is(answers: Answers, limit: str, later: list[str]) -> None:
    given = replace(roles(limit or "> 1"), limit=limit)
    found = duration.find(given, later, answers)
    assert found is None
    assert duration.decided(given, found) is given


@pytest.mark.parametrize(("unit", "maturity"), [("hours", "3 days"), ("days", "72 days"), ("weeks", "504 days")])
def test_the_label_maturity_is_the_limit(unit: str, maturity: str) -> None:
    days = duration.Duration(DELIVERED, ">", "72", unit).days
    history = History(date(2020, 1, 1), date(2026, 1, 1), 90_000, 9_000)
    assert calendar.plan(history, days, "@daily", date(2026, 1, 1)).label_maturity == maturity
