"""Categories that no training row had."""

from __future__ import annotations

import pandas as pd

from titleholder.data.unseen import LISTED, UnseenCategories


def test_they_are_counted_over_batches_and_gaps_are_none() -> None:
    tally = UnseenCategories({"vip": ("False", "True"), "ward": ("ICU",)})
    tally.add(pd.DataFrame({"vip": ["True", "t", None], "ward": ["ICU", "ICU", None]}))
    tally.add(pd.DataFrame({"vip": ["f", "t"], "ward": ["Stroke", "ICU"]}))
    assert [(one.feature, one.rows, one.of, one.example) for one in tally.found()] == [
        ("vip", 3, 5, "t"),
        ("ward", 1, 5, "Stroke"),
    ]


def test_of_many_known_categories_a_few_are_named() -> None:
    tally = UnseenCategories({"ward": tuple(f"w{n}" for n in range(LISTED + 3))})
    tally.add(pd.DataFrame({"ward": ["x"]}))
    (one,) = tally.found()
    assert str(one).endswith(f"'w{LISTED - 1}' and 3 more")


def test_without_categories_there_are_none() -> None:
    tally = UnseenCategories({})
    tally.add(pd.DataFrame({"income": [1.0]}))
    assert tally.found() == ()


def test_a_feature_without_any_value_is_named_if_there_are_rows() -> None:
    tally = UnseenCategories({"ward": ("ICU",)})
    tally.add(pd.DataFrame({"income": [None], "debt": [None], "ward": [None]}, dtype=object))
    assert tally.empty() == ("income", "debt", "ward")
    tally.add(pd.DataFrame({"income": [1.0], "debt": [None], "ward": ["x"]}, dtype=object))
    assert tally.empty() == ("debt",)
    assert [*tally.sentences()] == ["debt: none of 2 rows has a value", str(tally.found()[0])]
    assert UnseenCategories({}).empty() == ()
