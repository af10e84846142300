"""The reasons for a score: which features, in which order, in which direction."""

from __future__ import annotations

import numpy as np
import pytest

from support.factories import a_spec, rows
from titleholder.data import features
from titleholder.spec.scoring import ReasonsAsked
from titleholder.training import pipeline, search
from titleholder.training.contributions import Contributions
from titleholder.training.reasons import Reasons, ranked

NAMES = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("row", "most", "toward", "given"),
    [
        ([0.1, 0.4, -0.2, 0.3], 2, "high", ["b", "d"]),
        ([0.1, 0.4, -0.2, 0.3], 4, "high", ["b", "d", "a"]),
        ([0.1, 0.4, -0.2, 0.3], 4, "low", ["c"]),
        ([-0.1, -0.4, -0.2, -0.3], 4, "high", []),
        ([0.0, 1e-12, 0.0, 0.0], 4, "high", []),
        ([0.2, 0.5, 0.2 + 1e-12, 0.2], 3, "high", ["b", "a", "c"]),
        ([-0.2, 0.5, -0.2, -0.2], 2, "low", ["a", "c"]),
        ([0.1, 0.2, 0.3, 0.4], 20, "high", ["d", "c", "b", "a"]),
    ],
    ids=["largest", "fewer", "low", "none", "rounding", "tie", "tie low", "more than features"],
)
def test_they_are_the_features_that_moved_the_score_most(
    row: list[float], most: int, toward: str, given: list[str]
) -> None:
    assert ranked(np.array([row, row]), NAMES, ReasonsAsked(most, toward)).to_pylist() == [given, given]


def test_no_rows_have_no_reasons() -> None:
    assert ranked(np.empty((0, 4)), NAMES, ReasonsAsked(2, "high")).to_pylist() == []


def test_of_a_model_the_high_and_the_low_ones_are_different_features() -> None:
    spec = a_spec()
    model, X = search.fit(rows(), spec, "line").pipeline, features.design_matrix(rows(n=40, seed=3), spec)
    scores = pipeline.score(model, X, spec)
    values = Contributions(model, spec).of(X, scores)
    high, low = (Reasons(model, spec, ReasonsAsked(3, toward)).of(X, scores).to_pylist() for toward in ("high", "low"))
    for row, raised, lowered in zip(values, high, low, strict=True):
        assert set(raised) == {n for n, value in zip(spec.columns.features, row, strict=True) if value > 1e-9}
        assert not set(raised) & set(lowered)
    debts = X["debt"].to_numpy()
    assert high[int(debts.argmax())][0] == "debt"
    assert low[int(debts.argmin())][0] == "debt"
