"""The design matrix: numbers as float64, categories as text, gaps as NaN."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import a_spec, rows
from titleholder.data import features


def test_only_accepted_rows_have_an_outcome_where_the_spec_names_the_column() -> None:
    frame = rows(n=3).assign(accepted=[True, False, True])
    assert features.accepted(frame, a_spec(columns__accepted="accepted")).tolist() == [True, False, True]
    assert features.accepted(frame, a_spec()).tolist() == [True, True, True]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], [1.0, 2.0]),
        ([True, False], [1.0, 0.0]),
        (pd.Series([Decimal("1.50"), None]), [1.5, np.nan]),
        (pd.Series([None, None], dtype=object), [np.nan, np.nan]),
        (pd.array([1, None], dtype="Int64"), [1.0, np.nan]),
        (pd.array([True, None], dtype="boolean"), [1.0, np.nan]),
        (np.array([1, 2], dtype="float32"), [1.0, 2.0]),
    ],
)
def test_numbers_become_float64_with_gaps_as_nan(values: Any, expected: list[float]) -> None:
    X = features.design_matrix(rows(n=2).assign(income=values), a_spec())
    assert X["income"].dtype == np.float64
    np.testing.assert_array_equal(X["income"].to_numpy(), expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (pd.array(["a", None], dtype="str"), ["a", np.nan]),
        (pd.array(["a", None], dtype="string"), ["a", np.nan]),
        (pd.Series(["a", None], dtype=object), ["a", np.nan]),
        (pd.Series(["a", None], dtype="category"), ["a", np.nan]),
        ([7, 8], ["7", "8"]),
        (pd.array([7, None], dtype="Int64"), ["7", np.nan]),
        ([7.0, np.nan], ["7", np.nan]),  # what Arrow makes of whole numbers with gaps
        ([True, False], ["True", "False"]),
        (pd.Series([True, None], dtype=object), ["True", np.nan]),
        ([None, None], [np.nan, np.nan]),
        ([np.nan, np.nan], [np.nan, np.nan]),
    ],
)
def test_categories_become_text_with_gaps_as_nan(values: Any, expected: list[object]) -> None:
    X = features.design_matrix(rows(n=2).assign(purpose=values), a_spec())
    assert X["purpose"].dtype == object
    assert [type(v) for v in X["purpose"]] == [type(v) for v in expected]
    assert X["purpose"].dropna().tolist() == [v for v in expected if isinstance(v, str)]
