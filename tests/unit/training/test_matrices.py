"""The matrices of a fold, against those of scikit-learn's ColumnTransformer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.factories import a_spec
from titleholder.spec.model import ModelSpec
from titleholder.training.matrices import FoldMatrices
from titleholder.training.pipeline import MAX_CATEGORIES, MINIMUM_FREQUENCY, Encoding, preparation

ENCODINGS: tuple[Encoding, ...] = ("linear", "tree")


def a_fold(
    seed: int, spec: ModelSpec, values: int, train: int = 400, test: int = 150, gaps: float = 0.1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Design matrices whose later rows have categories that the earlier ones lack, and gaps in both kinds of column."""
    rng = np.random.default_rng(seed)
    parts = []
    for n, most in ((train, values), (test, values + 3)):
        columns = {
            c: pd.Series(np.where(rng.random(n) < gaps, np.nan, rng.normal(size=n))) for c in spec.columns.numeric
        }
        for c in spec.columns.categorical:
            codes = (most * rng.random(n) ** 3).astype(int)  # some are frequent, many are rare
            texts = np.array([f"kind {code}" for code in range(most)], dtype=object)[codes]
            columns[c] = pd.Series(np.where(rng.random(n) < gaps, np.nan, texts), dtype=object)
        parts.append(pd.DataFrame(columns))
    return parts[0], parts[1]


def check(train: pd.DataFrame, test: pd.DataFrame, spec: ModelSpec, encoding: Encoding) -> None:
    """Both matrices have the numbers, and the layout in memory, that a fitted preparation gives."""
    steps, found = preparation(spec, encoding), FoldMatrices(train, test, spec, encoding)
    for expected, matrix in ((steps.fit_transform(train), found.train), (steps.transform(test), found.test)):
        np.testing.assert_array_equal(matrix, expected)
        assert (matrix.dtype, matrix.flags.c_contiguous, matrix.flags.f_contiguous) == (
            expected.dtype, expected.flags.c_contiguous, expected.flags.f_contiguous,
        )  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), values=st.integers(1, 40), gaps=st.sampled_from([0.0, 0.1, 1.0]))
def test_they_are_those_of_the_preparation(encoding: Encoding, seed: int, values: int, gaps: float) -> None:
    spec = a_spec()
    train, test = a_fold(seed, spec, values, gaps=gaps)
    check(train.assign(income=train["income"].fillna(0)), test, spec, encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "columns",
    [
        {"numeric": ["debt"], "categorical": []},
        {"numeric": ["debt", "income"], "categorical": []},
        {"numeric": [], "categorical": ["purpose"]},
        {"numeric": ["debt"], "categorical": ["purpose", "region"]},
    ],
    ids=["one number", "numbers", "one category", "a number and categories"],
)
def test_whatever_columns_there_are(encoding: Encoding, columns: dict[str, list[str]]) -> None:
    spec = a_spec(
        columns__numeric=columns["numeric"], columns__categorical=columns["categorical"], columns__segments=[]
    )
    check(*a_fold(3, spec, 8), spec, encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("values", [MAX_CATEGORIES - 3, MAX_CATEGORIES + 150])
def test_with_many_categories_the_rarest_share_a_column(encoding: Encoding, values: int) -> None:
    spec = a_spec()
    train, test = a_fold(1, spec, values, train=values * MINIMUM_FREQUENCY * 3)
    check(train, test, spec, encoding)


@pytest.mark.parametrize("occurs", [MINIMUM_FREQUENCY - 1, MINIMUM_FREQUENCY])
def test_a_category_has_a_column_of_its_own_from_the_minimum_frequency_on(occurs: int) -> None:
    spec = a_spec(columns__numeric=[], columns__segments=[])
    values = pd.DataFrame(
        {"purpose": pd.Series(["car"] * 50 + ["home"] * 50 + ["boat"] * occurs + ["hat"] * 3, dtype=object)}
    )
    check(values, values, spec, "linear")
    assert FoldMatrices(values, values, spec, "linear").train.shape[1] == (4 if occurs == MINIMUM_FREQUENCY else 3)
