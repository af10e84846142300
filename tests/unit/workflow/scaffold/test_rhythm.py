"""The rhythm of a table: how often one shop has a row, which an application has once."""

from __future__ import annotations

import pytest

from titleholder.data.table_profile import ColumnProfile, Kind, TableProfile
from titleholder.data.table_reader import TableReader
from titleholder.workflow.scaffold.items import Item
from titleholder.workflow.scaffold.rhythm import Rhythm, find, time_features

ROWS = 25_000


class Answers(TableReader):
    """What the warehouse would say: quartiles of the days from one time to the next, pairs of time and column."""

    def __init__(self, apart: tuple[float, float], pairs: dict[str, int]) -> None:
        self._apart, self._pairs = apart, pairs

    def days_apart(self, column: ColumnProfile) -> tuple[float, float]:
        return self._apart

    def distinct(self, *columns: ColumnProfile) -> int:
        return self._pairs[columns[-1].name]


def column(name: str, kind: Kind, distinct: int) -> ColumnProfile:
    return ColumnProfile(name=name, quoted=name, sql_type=kind, kind=kind, distinct=distinct, unique=distinct == ROWS)


def rhythm(event: ColumnProfile, apart: tuple[float, float], *others: tuple[ColumnProfile, int]) -> Rhythm | None:
    table = TableProfile(name="t", is_view=False, rows=ROWS, total=ROWS, columns=(event, *(c for c, _ in others)))
    return find(table, event, Answers(apart, {c.name: n for c, n in others}))


DAY = column("sold_on", "date", 1_000)
WEEKDAY, SHOP = column("weekday", "number", 7), column("shop", "text", 25)


def test_a_shop_has_a_row_each_day() -> None:
    assert rhythm(DAY, (1.0, 1.0), (WEEKDAY, 1_000), (SHOP, ROWS)) == Rhythm(1.0, "shop")


def test_a_series_has_no_entities() -> None:
    assert rhythm(column("hour", "date", ROWS), (1 / 24, 1 / 24), (SHOP, ROWS)) == Rhythm(1 / 24, None)


@pytest.mark.parametrize(
    ("event", "apart", "other"),
    [
        (DAY, (1.0, 1.0), column("amount", "number", 9_000)),  # applications: an amount and a day differ in every row
        (DAY, (1.0, 1.0), column("customer", "text", ROWS)),
        (DAY, (0.5, 3.0), SHOP),  # at uneven times
        (column("bought_at", "date", ROWS), (0.001, 0.004), SHOP),
        (column("day", "date", 1), (0.0, 0.0), SHOP),  # one day has no next
    ],
)
def test_events_that_do_not_repeat_have_none(
    event: ColumnProfile, apart: tuple[float, float], other: ColumnProfile
) -> None:
    assert rhythm(event, apart, (other, ROWS)) is None


@pytest.mark.parametrize(
    ("found", "columns", "added"),
    [
        (Rhythm(1 / 24, "place"), ["temp"], ["hour_of_day", "day_of_week"]),
        (Rhythm(1 / 24, None), ["hour", "temp"], ["day_of_week"]),
        (Rhythm(1.0, "shop"), ["price"], ["day_of_week"]),
        (Rhythm(1.0, "shop"), ["weekday"], []),
        (Rhythm(7.0, "shop"), ["price"], []),
        (None, ["price"], []),
    ],
)
def test_the_time_itself_is_a_feature_where_rows_come_by_the_clock(
    found: Rhythm | None, columns: list[str], added: list[str]
) -> None:
    items = time_features(found, DAY, [Item(name, name) for name in columns])
    assert [item.alias for item in items] == added
    assert all("from sold_on)::int" in item.sql for item in items)


def test_a_column_that_has_the_name_of_a_feature_of_the_time_is_not_made_twice() -> None:
    daily, event = Rhythm(1.0, None), column("day", "date", 700)
    assert [item.alias for item in time_features(daily, event, [Item("a", "a")])] == ["day_of_week"]
    assert time_features(daily, event, [Item("d", "day_of_week")]) == ()
