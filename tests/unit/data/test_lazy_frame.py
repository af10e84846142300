"""Rows of an extract that are read when they are asked for answer as a frame with these rows does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from support.factories import a_spec, rows, stored
from titleholder.data import features
from titleholder.data.lazy_frame import LazyFrame

SPEC = a_spec(columns__weight="amount", columns__accepted="accepted")
FRAME = rows(SPEC, n=130).assign(
    amount=np.linspace(1, 9, 130),
    accepted=np.arange(130) % 3 > 0,
    income=np.where(np.arange(130) % 7, 1.5, np.nan),
    purpose=pd.array(np.where(np.arange(130) % 5, 12, None), dtype="Int64"),
)


@pytest.fixture
def lazy() -> LazyFrame:
    return stored(FRAME, before=60)


@pytest.fixture
def whole(lazy: LazyFrame) -> pd.DataFrame:
    """All of them in memory; whole numbers with gaps are floats there."""
    return lazy.extract.read().iloc[60:].reset_index(drop=True)


def test_it_answers_as_the_frame_in_memory(lazy: LazyFrame, whole: pd.DataFrame) -> None:
    assert len(lazy) == len(whole) == 130
    assert "debt" in lazy
    assert "gone" not in lazy
    for column in whole:
        assert_series_equal(lazy[column], whole[column])
    some = np.array([0, 4, 129])
    assert_frame_equal(lazy.take(some).reset_index(drop=True), whole.take(some).reset_index(drop=True))
    assert_frame_equal(lazy.read(["debt", "income"]), whole[["debt", "income"]])


def test_what_models_get_is_the_same(lazy: LazyFrame, whole: pd.DataFrame) -> None:
    matrix = features.design_matrix(whole, SPEC)
    for name in matrix:
        assert_series_equal(features.feature(lazy, str(name), SPEC), matrix[name], check_names=False)
    for part in (features.target, features.weights, features.accepted):
        np.testing.assert_array_equal(part(lazy, SPEC), part(whole, SPEC))


def test_some_of_its_rows_keep_their_positions(lazy: LazyFrame, whole: pd.DataFrame) -> None:
    chosen = (whole["debt"] > 0).to_numpy()
    for some in (lazy.at(chosen), lazy.at(np.flatnonzero(chosen))):
        assert some.positions.tolist() == (60 + np.flatnonzero(chosen)).tolist()
        assert_series_equal(some["debt"], whole.loc[chosen, "debt"].reset_index(drop=True))
    assert len(lazy.at(np.zeros(130, dtype=bool))["debt"]) == 0


def test_batches_have_at_most_so_many_rows_indexed_by_position(lazy: LazyFrame, whole: pd.DataFrame) -> None:
    batches = list(lazy.batches(["purpose", "debt"], 50))
    assert [len(batch) for batch in batches] == [50, 50, 30]
    assert np.concatenate([batch.index for batch in batches]).tolist() == list(range(60, 190))
    assert_frame_equal(pd.concat(batches, ignore_index=True), whole[["purpose", "debt"]])
