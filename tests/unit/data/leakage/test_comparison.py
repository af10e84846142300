"""When two values of an extract differ."""

from __future__ import annotations

import pandas as pd
import pytest

from titleholder.data.leakage.comparison import differing


@pytest.mark.parametrize(
    ("before", "after", "differ"),
    [
        ("0.1", "0.1000000000000001", False),
        ("1e-300", "2e-300", True),
        ("0", "1e-15", True),
        ("a", "a", False),
        ("a", "b", True),
        (None, None, False),
        (None, "1", True),
        ("1", None, True),
        ("1", "a", True),
        (3, 3.0, False),
    ],
)
def test_values_differ_by_more_than_rounding(before: object, after: object, differ: bool) -> None:
    one, other = (pd.Series([value], index=["x"], dtype=object) for value in (before, after))
    assert differing(one, other).tolist() == [differ]
