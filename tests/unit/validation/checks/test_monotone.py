"""TH701, declared directions hold: fires, stays quiet, does not apply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from support.factories import a_spec, evidence
from titleholder.validation.checks.model_contract import declared_directions
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array

Predict = Callable[[pd.DataFrame], Array]


def declared(predict: Predict | None, n: int = 50, **parts: Any) -> Evidence:
    """A model held to rise with debt and to fall with income."""
    rule = {key: parts.pop(key) for key in ("rows", "points", "tolerance") if key in parts}
    tree = {
        "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
        "increasing": ["debt"],
        "decreasing": ["income"],
    }
    spec = a_spec(training__candidates={"trees": tree}, judgement__checks={"monotone": rule})
    return evidence(spec, y=np.zeros(n), predict=predict, **parts)


def column(name: str, of: Callable[[Array], Array] = lambda x: x) -> Predict:
    return lambda frame: of(frame[name].to_numpy(dtype=float))


def good(frame: pd.DataFrame) -> Array:
    return frame["debt"].to_numpy() - np.log(frame["income"].to_numpy())


@pytest.mark.parametrize(
    ("predict", "wrong"),
    [
        (column("debt", np.negative), "debt"),
        (column("income"), "income"),
        (column("debt", np.abs), "debt"),
    ],
    ids=["falls", "rises", "bends"],
)
def test_fires_when_a_score_goes_the_wrong_way(predict: Predict, wrong: str) -> None:
    found = declared_directions(declared(predict))
    assert (found.code, found.status, found.severity) == ("TH701", "fail", "block")
    assert {name: found.numbers[f"{name}:wrong"] for name in ("debt", "income")} == {"debt": 0, "income": 0, wrong: 50}
    assert f": {wrong} in 50, by up to {found.numbers[f'{wrong}:furthest']:.3g}." in found.explanation


def test_fires_when_few_rows_alone_go_wrong() -> None:
    def mostly(frame: pd.DataFrame) -> Array:
        return good(frame) * np.where(frame["loan_id"] < 3, -1, 1)

    found = declared_directions(declared(mostly))
    assert (found.status, found.numbers["debt:wrong"], found.numbers["income:wrong"]) == ("fail", 3, 3)


def test_stays_quiet_when_all_directions_hold() -> None:
    found = declared_directions(declared(good))
    assert found.status == "pass"
    assert found.explanation == (
        "Of 50 rows, scores move against a declared direction by more than 1e-09 along 20 points of its column: none for debt, income."
    )


def test_many_small_falls_add_up_to_a_large_one() -> None:
    found = declared_directions(declared(column("debt", lambda x: -stats.norm.cdf(x)), tolerance=0.5, points=200))
    assert found.numbers["debt:furthest"] > 0.9
    assert found.status == "fail"


def test_stays_quiet_within_the_tolerance() -> None:
    assert declared_directions(declared(column("debt", lambda x: -1e-4 * x))).status == "fail"
    assert declared_directions(declared(column("debt", lambda x: -1e-4 * x), tolerance=0.01)).status == "pass"


def test_predicts_once_for_each_column_at_observed_values_of_evenly_spread_rows() -> None:
    asked: list[pd.DataFrame] = []

    def predict(frame: pd.DataFrame) -> Array:
        asked.append(frame)
        return good(frame)

    given = declared(predict, n=101, rows=11, points=5)
    assert declared_directions(given).numbers["rows"] == 11
    assert [len(frame) for frame in asked] == [55, 55]
    assert asked[0]["loan_id"].unique().tolist() == list(range(0, 101, 10))
    assert set(asked[0]["debt"]) == set(np.quantile(given.frame["debt"], [0, 0.25, 0.5, 0.75, 1]))
    assert set(asked[0]["income"]) <= set(given.frame["income"])


def test_missing_values_are_no_points() -> None:
    given = declared(column("debt", np.negative))
    some = given.frame.assign(debt=np.where(np.arange(50) % 2, np.nan, given.frame["debt"]))
    assert declared_directions(given.model_copy(update={"frame": some})).numbers["debt:wrong"] == 50
    none = given.frame.assign(debt=np.nan)
    assert declared_directions(given.model_copy(update={"frame": none})).status == "pass"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (evidence(predict=good), "Candidate line declares no column increasing or decreasing."),
        (declared(good, candidate="gone"), "Candidate gone declares no column increasing or decreasing."),
        (declared(None), "The model cannot score other rows here."),
        (declared(good, n=0), "Nothing can be measured on the holdout."),
    ],
)
def test_does_not_apply(given: Evidence, why: str) -> None:
    found = declared_directions(given)
    assert (found.status, found.explanation) == ("not_applicable", why)
