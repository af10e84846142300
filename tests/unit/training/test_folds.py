"""Folds in the order of time, and their matrices, which all trials share."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from support.factories import a_spec, rows
from support.training_cases import HGB, LINEAR
from titleholder.errors import TrainingError
from titleholder.training import folds as folding
from titleholder.training import pipeline, search
from titleholder.training.folds import PreparedFolds, TrainingRows


def moments(values: list[int]) -> pd.Series:
    return pd.Series(pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(values, unit="D"))


@given(st.lists(st.integers(0, 60), min_size=5, max_size=80), st.integers(2, 6))
def test_folds_never_test_on_the_past_and_never_part_a_moment(days: list[int], folds: int) -> None:
    times = moments(days)
    try:
        made = list(folding.time_folds(times, folds))
    except TrainingError:
        assert len(set(days)) < len(days) or len(days) <= folds  # distinct moments always do
        return
    assert len(made) == folds
    for train, test in made:
        assert times.iloc[train].max() < times.iloc[test].min()
    for (train, test), (wider, _) in itertools.pairwise(made):
        assert sorted([*train, *test]) == sorted(wider)
    assert sorted([*made[-1][0], *made[-1][1]]) == list(range(len(days)))


def test_distinct_moments_are_cut_into_even_stretches_whatever_their_order() -> None:
    times = moments(list(np.random.default_rng(0).permutation(100)))
    made = list(folding.time_folds(times, 4))
    assert [(len(train), len(test)) for train, test in made] == [(20, 20), (40, 20), (60, 20), (80, 20)]


def test_rows_of_one_moment_stay_together() -> None:
    times = moments([0] * 10 + [1] * 10 + [2] * 30)
    (train, test), (wider, last) = folding.time_folds(times, 2)
    assert (list(train), list(test)) == (list(range(10)), list(range(10, 20)))
    assert (list(wider), list(last)) == (list(range(20)), list(range(20, 50)))


@pytest.mark.parametrize("days", [[0] * 50, [0] * 30 + [1] * 20, [0] * 10 + [1] * 40, [0, 1, 2]])
def test_more_folds_than_the_moments_allow_are_refused(days: list[int]) -> None:
    said = rf"training\.search\.folds: 4 folds need 5 stretches .* {len(set(days))} distinct event times .*; use fewer folds"
    with pytest.raises(TrainingError, match=said):
        list(folding.time_folds(moments(days), 4))


@pytest.mark.parametrize("candidate", [LINEAR, {"estimator": HGB}], ids=["linear", "tree"])
def test_a_fold_predicts_to_the_last_bit_what_the_whole_pipeline_does(candidate: dict[str, Any]) -> None:
    spec, frame = a_spec(training__candidates={"it": candidate}), rows()
    frame.loc[frame.index < len(frame) // 2, "debt"] = np.nan  # a column that is empty in the first fold
    training, cut = TrainingRows.of(frame, spec), list(folding.time_folds(frame["issued_at"], 2))
    declared = spec.training.candidates["it"]
    whole = [search.fit_pipeline(spec, declared, {}, training.at(train)) for train, _ in cut]
    expected = [pipeline.score(model, training.X.iloc[test], spec) for model, (_, test) in zip(whole, cut, strict=True)]
    prepared = PreparedFolds(spec, declared, training, cut)
    for _ in range(2):  # the second trial gets the matrices of the first
        for found, wanted in zip(prepared.predictions({}), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_rows_that_follow_each_other_are_not_copied_for_a_fold() -> None:
    training = TrainingRows.of(rows(), a_spec())
    first, mixed = training.at(np.arange(10, 40)), training.at(np.array([3, 1, 2, 4]))
    assert np.shares_memory(first.X["debt"].to_numpy(), training.X["debt"].to_numpy())
    assert np.shares_memory(first.y, training.y)
    np.testing.assert_array_equal(mixed.X["debt"], training.X["debt"].to_numpy()[[3, 1, 2, 4]])


def test_a_search_prepares_the_numbers_of_each_fold_once_and_all_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, original = [], StandardScaler.fit
    monkeypatch.setattr(
        StandardScaler, "fit", lambda self, X, *rest: (calls.append(len(X)), original(self, X, *rest))[1]
    )
    searched = {**LINEAR, "search": {"C": {"low": 0.01, "high": 10.0, "log": True}}}
    frame = rows()
    spec = a_spec(training__candidates={"it": searched}, training__search={"trials": 5, "folds": 2})
    search.fit(frame, spec, "it")
    assert calls == [*(len(train) for train, _ in folding.time_folds(frame["issued_at"], 2)), len(frame)]
