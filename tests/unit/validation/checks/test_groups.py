"""Groups of rows, and the confidence that looking at many of them leaves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from titleholder.validation.checks.groups import adjusted_confidence, groups, listed


def named(values: pd.Series) -> dict[str, list[int]]:
    return {group.name: group.rows.tolist() for group in groups(pd.DataFrame({"c": values}), ["c"])}


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["b", "a", "b", None], dtype=object),
        pd.Series(["b", "a", "b", None], dtype="str"),
        pd.Series(["b", "a", "b", None], dtype="category"),
        pd.Series(["b", "a", "b", np.nan], index=[9, 9, 3, 1], dtype=object),
    ],
    ids=["object", "str", "category", "any index"],
)
def test_each_value_is_a_group_and_so_are_the_missing_ones(values: pd.Series) -> None:
    assert named(values) == {"c=(missing)": [3], "c=a": [1], "c=b": [0, 2]}


def test_whole_numbers_and_answers_read_as_people_write_them() -> None:
    assert set(named(pd.Series([1.0, 2.0, np.nan]))) == {"c=1", "c=2", "c=(missing)"}
    assert set(named(pd.Series([1, 2]))) == {"c=1", "c=2"}
    assert set(named(pd.Series([True, False]))) == {"c=True", "c=False"}


def test_columns_are_taken_once_in_their_order() -> None:
    frame = pd.DataFrame({"x": ["p", "q"], "y": ["r", "r"]})
    assert [group.name for group in groups(frame, ["y", "x", "y"])] == ["y=r", "x=p", "x=q"]


def test_no_rows_have_no_groups() -> None:
    assert groups(pd.DataFrame({"c": pd.Series([], dtype="str")}), ["c"]) == []


@pytest.mark.parametrize(("tests", "each"), [(0, 0.9), (1, 0.9), (2, 0.95), (100, 0.999)])
def test_confidence_is_adjusted_for_the_number_of_tests(tests: int, each: float) -> None:
    assert adjusted_confidence(0.9, tests) == pytest.approx(each)


@pytest.mark.parametrize(
    ("things", "said"),
    [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d", "e"], "a, b, c and 2 more")],
)
def test_of_a_long_list_the_first_are_named(things: list[str], said: str) -> None:
    assert listed(things) == said
