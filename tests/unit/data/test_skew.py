"""Features at scoring time against those of the same rows in an extract, and rows found by their keys."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from titleholder.data.row_keys import RowIndex, RowKeys
from titleholder.data.skew import ColumnSkew, SkewTally, lacking
from titleholder.spec.source import Columns

DAY = pd.Timestamp("2024-01-01", tz="UTC")
COLUMNS = Columns(entity="id", event_time="at", target="bad", numeric=("income", "debt"), categorical=("kind",))


def rows(**columns: Any) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"id": np.arange(n), "at": [DAY] * n, **columns})


def compared(*pairs: tuple[pd.DataFrame, pd.DataFrame]) -> dict[str, ColumnSkew]:
    tally = SkewTally(COLUMNS)
    for pair in pairs:
        tally.add(*pair)
    return {column.column: column for column in tally.columns}


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ([1.5, np.nan], [1.5, np.nan]),
        (np.array([0.1, 1234.567], dtype=np.float32), [0.1, 1234.567]),
        ([1, 2], [1.0, 2.0]),
        ([None, None], [np.nan, np.nan]),
        ([True, False], [1.0, 0.0]),
    ],
)
def test_another_format_is_no_difference(then: Any, now: Any) -> None:
    found = compared((rows(income=then), rows(income=now)))["income"]
    assert (found.rows, found.differing, found.largest, found.example) == (2, 0, None, None)


@pytest.mark.parametrize(
    ("then", "now"),
    [(["a", None], ["a", np.nan]), ([7.0, 8.0], [7, 8]), (["7", "8"], [7, 8]), ([7.0, np.nan], ["7", None])],
)
def test_categories_are_compared_as_the_model_gets_them(then: Any, now: Any) -> None:
    assert compared((rows(kind=then), rows(kind=now)))["kind"].differing == 0


def test_a_category_with_fractions_does_not_change_with_the_other_rows_of_its_batch() -> None:
    found = compared((rows(kind=[1.5, 2.0]), rows(kind=[3.0, 2.0])))["kind"]
    assert found.differing == 1, "2 is 2, whether or not another row has a fraction"


def test_the_example_is_the_row_with_the_largest_difference_of_all_batches() -> None:
    one = rows(income=[10.0, 20.0]), rows(income=[10.0, 21.0])
    two = rows(income=[5.0, np.nan, 7.0]), rows(income=[500.0, 6.0, 7.0])
    found = compared(one, two)["income"]
    assert (found.rows, found.differing, found.share, found.largest) == (5, 3, 0.6, 495.0)
    assert found.example is not None
    assert found.example.model_dump() == {
        "entity": "0", "event_time": str(DAY), "at_scoring": "5", "in_training": "500",
    }  # fmt: skip


def test_a_gap_where_there_was_a_value_differs_and_has_no_size() -> None:
    found = compared((rows(income=[np.nan, 1.0]), rows(income=[3.0, 1.0])))["income"]
    assert (found.differing, found.largest) == (1, None)
    assert found.example is not None
    assert (found.example.at_scoring, found.example.in_training) == ("", "3")


def test_columns_are_the_worst_first_and_those_that_no_input_had_are_lacking() -> None:
    then = rows(income=[1.0, 2.0], kind=["a", "b"])
    tally = SkewTally(COLUMNS)
    tally.add(then, then.assign(kind=["a", "c"], debt=1.0))
    assert [column.column for column in tally.columns] == ["kind", "income"]
    assert lacking(COLUMNS, tally.columns) == ("debt",)


def keys(entities: Any, moments: Any) -> RowKeys:
    return RowKeys.of(
        pd.DataFrame({"id": entities, "at": pd.to_datetime(moments, utc=True, format="ISO8601")}), "id", "at"
    )


def test_a_row_is_found_by_entity_and_event_time_whatever_types_they_arrive_as() -> None:
    index = RowIndex([keys([1, 2], ["2024-01-01", "2024-01-02"]), keys([3], ["2024-01-03"])])
    wanted = keys([3.0, 1.0, 2.0, 9.0], ["2024-01-03", "2024-01-01", "2024-01-01", "2024-01-01"])
    assert index.find(wanted).tolist() == [2, 0, -1, -1], "entity 2 had another event time, 9 is not there"
    texts = keys(["1", "é"], ["2024-01-01", "2024-01-01"])
    assert index.find(texts).tolist() == [0, -1]


def test_an_index_without_rows_finds_nothing() -> None:
    assert RowIndex([]).find(keys(["a"], ["2024-01-01"])).tolist() == [-1]


def test_keys_are_compared_row_by_row_to_the_microsecond() -> None:
    one = keys(["a", "b", "c"], ["2024-01-01", "2024-01-01 00:00:00.000001", "2024-01-01"])
    other = keys(["a", "b", "d"], ["2024-01-01"] * 3)
    assert one.equal(other).tolist() == [True, False, False]
    assert one.at(np.array([2, 0])).entities.to_pylist() == ["c", "a"]


def test_ten_thousand_keys_are_found_as_a_dictionary_finds_them() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {"id": rng.integers(0, 3000, 10_000), "at": DAY + pd.to_timedelta(rng.integers(0, 5, 10_000), unit="D")}
    )
    frame = frame.drop_duplicates().reset_index(drop=True)
    known = {(row.id, row.at): n for n, row in enumerate(frame.itertuples())}
    wanted = pd.DataFrame(
        {"id": rng.integers(0, 4000, 5000), "at": DAY + pd.to_timedelta(rng.integers(0, 5, 5000), unit="D")}
    )
    found = RowIndex([RowKeys.of(frame, "id", "at")]).find(RowKeys.of(wanted, "id", "at"))
    assert found.tolist() == [known.get((row.id, row.at), -1) for row in wanted.itertuples()]


def test_money_is_compared_as_a_number() -> None:
    then, now = rows(income=[Decimal("1.50")]).astype({"income": float}), rows(income=[1.5])
    assert compared((then, now))["income"].differing == 0
