"""Encodings: numbers and categories, gaps and surprises, for linear models and trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import a_spec, rows, with_candidate
from support.training_cases import HGB, LINEAR, TREE, fitted, model_of, scores
from titleholder.data import features
from titleholder.training import pipeline, search


def test_only_features_enter_in_the_order_of_the_signature() -> None:
    X = features.design_matrix(rows(), a_spec())
    assert list(X) == ["income", "debt", "purpose"]
    assert list(search.fit(rows(), a_spec(), "trees").pipeline.feature_names_in_) == ["income", "debt", "purpose"]


def test_a_number_that_no_row_has_yet_changes_no_score_when_it_comes() -> None:
    for candidate in (LINEAR, TREE):
        spec = with_candidate(**candidate)
        model = fitted(spec, rows().assign(income=np.nan)).pipeline
        fresh = rows(n=20, seed=4)
        without = scores(model, fresh.assign(income=np.nan), spec)
        np.testing.assert_allclose(scores(model, fresh, spec), without, atol=1e-9)


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with their purposes as whole numbers."""
    return frame.assign(purpose=frame["purpose"].map({"car": 1, "home": 2, "trip": 3}).astype("int64"))


@pytest.mark.parametrize("candidate", [LINEAR, TREE], ids=["linear", "tree"])
@pytest.mark.parametrize(
    "trained_on",
    [
        lambda f: f,
        numbered,
        lambda f: f.assign(income=np.nan),
        lambda f: f.assign(income=f["income"].where(f.index % 3 > 0)),
        lambda f: f.assign(purpose=None),
        lambda f: f.assign(purpose=f["purpose"].where(f.index % 3 > 0)),
        lambda f: f.assign(purpose=f["purpose"] + f.index.astype(str)),  # every category is rare
        lambda f: f.assign(income=1.0, purpose="car"),
    ],
    ids=["plain", "numbered", "no income", "gaps", "no purpose", "purpose gaps", "all rare", "constant"],
)
def test_each_encoding_trains_and_scores_through_gaps_and_surprises(candidate: dict[str, Any], trained_on: Any) -> None:
    spec = with_candidate(**candidate)
    model = fitted(spec, trained_on(rows())).pipeline
    fresh = rows(n=12, seed=9)
    for scored_on in (
        fresh,
        fresh.assign(purpose="never seen"),
        fresh.assign(purpose=None),
        fresh.assign(purpose=99),
        fresh.assign(income=None, debt=np.nan),
        fresh.head(1),
    ):
        p = scores(model, scored_on, spec)
        assert p.shape == (len(scored_on),)
        assert p.dtype == np.float64
        assert np.isfinite(p).all()
        assert ((p >= 0) & (p <= 1)).all()


@pytest.mark.parametrize("candidate", [LINEAR, TREE], ids=["linear", "tree"])
def test_a_category_that_decides_is_learnt(candidate: dict[str, Any]) -> None:
    frame = rows(n=400)
    frame["bad"] = (frame["purpose"] == "car").astype(int)
    for trained in (frame, numbered(frame)):
        spec = with_candidate(**candidate)
        p = scores(fitted(spec, trained).pipeline, trained, spec)
        assert p[frame["bad"] == 1].min() > p[frame["bad"] == 0].max()


@pytest.mark.parametrize("candidate", [LINEAR, TREE], ids=["linear", "tree"])
def test_a_gap_is_information_by_itself(candidate: dict[str, Any]) -> None:
    frame = rows(n=400)
    frame["bad"] = (frame.index % 3 == 0).astype(int)
    frame["income"] = frame["income"].where(frame["bad"] == 0)
    spec = with_candidate(**candidate)
    p = scores(fitted(spec, frame).pipeline, frame, spec)
    assert p[frame["bad"] == 1].min() > p[frame["bad"] == 0].max()


def test_whole_numbers_are_the_same_categories_with_and_without_gaps() -> None:
    spec = with_candidate(**LINEAR)
    model = fitted(spec, numbered(rows())).pipeline
    fresh = numbered(rows(n=10, seed=3))
    gaps = pd.concat([fresh.astype({"purpose": "float64"}), fresh.head(1).assign(purpose=np.nan)], ignore_index=True)
    np.testing.assert_array_equal(scores(model, fresh, spec), scores(model, gaps, spec)[:10])


def test_a_tree_sees_an_unseen_category_as_a_gap() -> None:
    spec = with_candidate(**TREE)
    prepare = fitted(spec, rows()).pipeline.named_steps["prepare"]
    fresh = rows(n=3).assign(purpose=["car", "never seen", None])
    codes = prepare.transform(features.design_matrix(fresh, spec))[:, 2]
    assert np.isnan(codes).tolist() == [False, True, True]


def test_more_categories_than_a_tree_has_bins_for() -> None:
    spec = with_candidate(**TREE)
    frame = rows(n=1200).assign(purpose=[f"p{i % 400}" for i in range(1200)])
    assert np.isfinite(scores(fitted(spec, frame).pipeline, frame, spec)).all()


def test_one_hot_columns_are_bounded_and_the_rarest_categories_share_one() -> None:
    spec = with_candidate(**LINEAR)
    frame = rows(spec, n=6300).assign(purpose=[f"p{i % 300}" for i in range(6300)])
    assert fitted(spec, frame).pipeline[:-1].transform(features.design_matrix(frame, spec)).shape[1] == 2 + 200


def test_trees_know_which_codes_are_categories_unless_one_hot() -> None:
    assert model_of(with_candidate(**TREE)).categorical_features == [2]
    assert model_of(with_candidate(**TREE, encoding="linear")).categorical_features == "from_dtype"
    params = {"categorical_features": None}
    assert model_of(with_candidate(estimator=HGB, params=params)).categorical_features is None
    frame, spec = rows(), with_candidate(**TREE, encoding="linear")
    assert np.isfinite(scores(fitted(spec, frame).pipeline, frame, spec)).all()


@pytest.mark.parametrize(
    ("numeric", "categorical"), [(["income", "debt"], []), ([], ["purpose", "region"])], ids=["numbers", "categories"]
)
@pytest.mark.parametrize("candidate", [LINEAR, TREE], ids=["linear", "tree"])
def test_one_kind_of_column_is_enough(candidate: dict[str, Any], numeric: list[str], categorical: list[str]) -> None:
    spec = a_spec(columns__numeric=numeric, columns__categorical=categorical, training__candidates={"it": candidate})
    assert np.isfinite(scores(fitted(spec, rows()).pipeline, rows(), spec)).all()


@pytest.mark.parametrize("candidate", [LINEAR, TREE], ids=["linear", "tree"])
def test_a_pipeline_knows_the_categories_of_its_training_rows(candidate: dict[str, Any]) -> None:
    spec = with_candidate(**candidate)
    trained_on = rows()
    trained_on = trained_on.assign(purpose=trained_on["purpose"].where(trained_on.index % 5 > 0))
    known = pipeline.known_categories(fitted(spec, trained_on).pipeline, spec)
    assert {name: {*own} for name, own in known.items()} == {"purpose": {*trained_on["purpose"].dropna()}}
    assert pipeline.known_categories(fitted(spec, rows()).pipeline, a_spec(columns__categorical=[])) == {}


@pytest.mark.parametrize("candidate", [LINEAR, TREE], ids=["linear", "tree"])
def test_no_rows_have_no_scores(candidate: dict[str, Any]) -> None:
    spec = with_candidate(**candidate)
    assert len(scores(fitted(spec, rows()).pipeline, rows().head(0), spec)) == 0


@pytest.mark.parametrize("candidate", [LINEAR, TREE], ids=["linear", "tree"])
@pytest.mark.parametrize("gaps", ["some", "none"])
def test_a_gap_is_the_same_gap_as_none_which_a_service_gets_from_json(candidate: dict[str, Any], gaps: str) -> None:
    spec = with_candidate(**candidate)
    trained_on = rows(n=400)
    if gaps == "some":
        trained_on = trained_on.assign(purpose=trained_on["purpose"].where(trained_on.index % 4 > 0))
    model = fitted(spec, trained_on).pipeline
    X = features.design_matrix(rows(n=12, seed=9), spec)
    as_nan, as_none = (X.assign(purpose=pd.Series([gap, *X["purpose"][1:]], dtype=object)) for gap in (np.nan, None))
    np.testing.assert_array_equal(model.predict_proba(as_none), model.predict_proba(as_nan))


@pytest.mark.parametrize(
    "candidate",
    [
        LINEAR,
        TREE,
        {**TREE, "encoding": "linear"},
        {"estimator": "xgboost.XGBClassifier", "params": {"n_estimators": 4}},
    ],
    ids=["linear", "tree", "one-hot tree", "xgboost"],
)
@pytest.mark.parametrize("change", ["shuffled", "gaps"])
def test_scores_with_one_changed_column_are_those_of_such_rows(candidate: dict[str, Any], change: str) -> None:
    spec = with_candidate(**candidate)
    frame = rows(n=400)
    frame.loc[::7, ["income", "purpose"]] = [np.nan, None]
    model = fitted(spec, frame).pipeline
    X = features.design_matrix(frame, spec)
    changed = X.sample(frac=1, random_state=1).set_axis(X.index) if change == "shuffled" else X.mask(X.notna())
    assert len(spec.columns.features) > 1
    found = dict(pipeline.score_each(model, X, changed, spec.columns.features, spec))
    assert [*found] == list(spec.columns.features)
    for name, answered in found.items():
        expected = pipeline.score(model, X.assign(**{name: changed[name]}), spec)
        assert (expected != pipeline.score(model, X, spec)).any()
        np.testing.assert_allclose(answered, expected, rtol=1e-12)
