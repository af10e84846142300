"""Building, searching and fitting a candidate: folds in the order of time, encodings, constraints, and repeatability."""

from __future__ import annotations

import itertools
import sys
import types
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from support.factories import a_regression, a_spec, rows, with_candidate
from titleholder.data import features
from titleholder.errors import SpecError, TrainingError
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline as training

HGB = "sklearn.ensemble.HistGradientBoostingClassifier"
LINEAR = {"estimator": "sklearn.linear_model.LogisticRegression"}
TREE = {"estimator": HGB, "params": {"max_iter": 4, "min_samples_leaf": 5}}

# time folds


def moments(values: list[int]) -> pd.Series:
    return pd.Series(pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(values, unit="D"))


@given(st.lists(st.integers(0, 60), min_size=5, max_size=80), st.integers(2, 6))
def test_folds_never_test_on_the_past_and_never_part_a_moment(days: list[int], folds: int) -> None:
    times = moments(days)
    try:
        made = list(training.time_folds(times, folds))
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
    made = list(training.time_folds(times, 4))
    assert [(len(train), len(test)) for train, test in made] == [(20, 20), (40, 20), (60, 20), (80, 20)]


def test_rows_of_one_moment_stay_together() -> None:
    times = moments([0] * 10 + [1] * 10 + [2] * 30)
    (train, test), (wider, last) = training.time_folds(times, 2)
    assert (list(train), list(test)) == (list(range(10)), list(range(10, 20)))
    assert (list(wider), list(last)) == (list(range(20)), list(range(20, 50)))


@pytest.mark.parametrize("days", [[0] * 50, [0] * 30 + [1] * 20, [0] * 10 + [1] * 40, [0, 1, 2]])
def test_more_folds_than_the_moments_allow_are_refused(days: list[int]) -> None:
    said = rf"training\.search\.folds: 4 folds need 5 stretches .* {len(set(days))} distinct event times .*; use fewer folds"
    with pytest.raises(TrainingError, match=said):
        list(training.time_folds(moments(days), 4))


# design matrix


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


def test_only_features_enter_in_the_order_of_the_signature() -> None:
    X = features.design_matrix(rows(), a_spec())
    assert list(X) == ["income", "debt", "purpose"]
    assert list(training.fit(rows(), a_spec(), "trees").pipeline.feature_names_in_) == ["income", "debt", "purpose"]


# encodings


def fitted(spec: ModelSpec, frame: pd.DataFrame, name: str = "it") -> training.Fitted:
    return training.fit(frame, spec, name)


def test_a_number_that_no_row_has_yet_changes_no_score_when_it_comes() -> None:
    for candidate in (LINEAR, TREE):
        spec = with_candidate(**candidate)
        pipeline = fitted(spec, rows().assign(income=np.nan)).pipeline
        fresh = rows(n=20, seed=4)
        without = scores(pipeline, fresh.assign(income=np.nan), spec)
        np.testing.assert_allclose(scores(pipeline, fresh, spec), without, atol=1e-9)


def scores(pipeline: Any, frame: pd.DataFrame, spec: ModelSpec) -> np.ndarray:
    return training.score(pipeline, features.design_matrix(frame, spec), spec)


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
    pipeline = fitted(spec, trained_on(rows())).pipeline
    fresh = rows(n=12, seed=9)
    for scored_on in (
        fresh,
        fresh.assign(purpose="never seen"),
        fresh.assign(purpose=None),
        fresh.assign(purpose=99),
        fresh.assign(income=None, debt=np.nan),
        fresh.head(1),
    ):
        p = scores(pipeline, scored_on, spec)
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
def test_a_gap_is_news_in_itself(candidate: dict[str, Any]) -> None:
    frame = rows(n=400)
    frame["bad"] = (frame.index % 3 == 0).astype(int)
    frame["income"] = frame["income"].where(frame["bad"] == 0)
    spec = with_candidate(**candidate)
    p = scores(fitted(spec, frame).pipeline, frame, spec)
    assert p[frame["bad"] == 1].min() > p[frame["bad"] == 0].max()


def test_whole_numbers_are_the_same_categories_with_and_without_gaps() -> None:
    spec = with_candidate(**LINEAR)
    pipeline = fitted(spec, numbered(rows())).pipeline
    fresh = numbered(rows(n=10, seed=3))
    gaps = pd.concat([fresh.astype({"purpose": "float64"}), fresh.head(1).assign(purpose=np.nan)], ignore_index=True)
    np.testing.assert_array_equal(scores(pipeline, fresh, spec), scores(pipeline, gaps, spec)[:10])


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


def model_of(spec: ModelSpec) -> Any:
    return training.build(spec, spec.training.candidates["it"], {}).named_steps["model"]


def test_trees_are_told_which_codes_are_categories_unless_one_hot() -> None:
    assert model_of(with_candidate(**TREE)).categorical_features == [2]
    assert model_of(with_candidate(**TREE, encoding="linear")).categorical_features == "from_dtype"
    told = {"categorical_features": None}
    assert model_of(with_candidate(estimator=HGB, params=told)).categorical_features is None
    frame, spec = rows(), with_candidate(**TREE, encoding="linear")
    assert np.isfinite(scores(fitted(spec, frame).pipeline, frame, spec)).all()


@pytest.mark.parametrize(
    ("numeric", "categorical"), [(["income", "debt"], []), ([], ["purpose", "region"])], ids=["numbers", "categories"]
)
@pytest.mark.parametrize("candidate", [LINEAR, TREE], ids=["linear", "tree"])
def test_one_kind_of_column_is_enough(candidate: dict[str, Any], numeric: list[str], categorical: list[str]) -> None:
    spec = a_spec(columns__numeric=numeric, columns__categorical=categorical, training__candidates={"it": candidate})
    assert np.isfinite(scores(fitted(spec, rows()).pipeline, rows(), spec)).all()


# constraints


def test_a_monotone_constraint_holds_against_the_data() -> None:
    frame = rows(n=600, seed=2)
    frame["bad"] = (np.sin(frame["debt"] * 3) > 0).astype(int)
    low, high = frame["debt"].min(), frame["debt"].max()
    grid = pd.concat([frame.head(1)] * 200, ignore_index=True).assign(debt=np.linspace(low, high, 200))

    def steps(**direction: list[str]) -> np.ndarray:
        spec = with_candidate(estimator=HGB, params={"max_iter": 10, "learning_rate": 0.5}, **direction)
        return np.diff(scores(fitted(spec, frame).pipeline, grid, spec))

    free = steps()
    assert free.min() < 0 < free.max()
    assert steps(increasing=["debt"]).min() >= 0
    assert steps(decreasing=["debt"]).max() <= 0


def test_directions_follow_the_signature() -> None:
    spec = with_candidate(estimator=HGB, increasing=["debt"], decreasing=["income"])
    assert model_of(spec).monotonic_cst == (-1, 1, 0)


def test_a_constraint_that_the_estimator_cannot_hold_is_refused() -> None:
    spec = with_candidate(**LINEAR, increasing=["debt"])
    said = "LogisticRegression cannot be held to increasing or decreasing columns: it takes neither monotonic_cst"
    with pytest.raises(SpecError, match=said):
        fitted(spec, rows())
    with pytest.raises(SpecError, match="cannot be held to increasing or decreasing columns under encoding: linear"):
        fitted(with_candidate(**TREE, encoding="linear", increasing=["debt"]), rows())


# estimators


class Plain(BaseEstimator):
    """A team's own classifier, which says nothing about gaps and refuses them."""

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate

    def fit(self, X: np.ndarray, y: np.ndarray) -> Plain:
        assert np.isfinite(X).all()
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        p = np.full(len(X), self.rate) + 1e-3 * np.tanh(X[:, 1])
        return np.c_[1 - p, p]


class Stranger:
    """A class that is no scikit-learn estimator at all."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Base(ClassifierMixin, BaseEstimator):
    def __init__(self, random_state: int | None = None, n_jobs: int | None = None, **others: Any) -> None:
        self.random_state, self.n_jobs, self.others = random_state, n_jobs, others

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class OpenToAnything(Base):
    """As XGBoost's and LightGBM's classes are: parameters of the base class and others go through **kwargs."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("own_models")
    for name, member in {"Plain": Plain, "Stranger": Stranger, "OpenToAnything": OpenToAnything, "rate": 3}.items():
        setattr(module, name, member)
    monkeypatch.setitem(sys.modules, "own_models", module)


@pytest.mark.usefixtures("own")
def test_a_class_of_the_teams_own_is_given_rows_without_gaps() -> None:
    spec = with_candidate(estimator="own_models.Plain", params={"rate": 0.25})
    frame = rows().assign(income=np.nan, purpose=None)
    assert scores(fitted(spec, frame).pipeline, frame, spec).mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.usefixtures("own")
def test_a_class_open_to_any_parameter_gets_seed_threads_and_directions() -> None:
    model = model_of(with_candidate(estimator="own_models.OpenToAnything", encoding="tree", increasing=["debt"]))
    assert (model.random_state, model.n_jobs) == (7, 1)
    assert model.others == {"monotone_constraints": (0, 1, 0)}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        ({"estimator": "no_such_module.Model"}, "estimator no_such_module.Model: cannot be imported: No module named"),
        ({"estimator": "sklearn.ensemble.Nothing"}, "module sklearn.ensemble has no class Nothing"),
        ({"estimator": "own_models.Stranger"}, "is no scikit-learn estimator: let it inherit from sklearn.base.Base"),
        ({"estimator": "own_models.rate"}, "estimator own_models.rate: is a int, not a class"),
        ({"estimator": "sklearn.metrics.roc_auc_score"}, "is a function, not a class"),
        (
            {**LINEAR, "params": {"depth": 3}},
            "small: sklearn.linear_model.LogisticRegression: .*'depth'; it takes C, class_weight, ",
        ),
        ({**LINEAR, "search": {"depth": [3, 4]}}, "'depth'; it takes C, "),
        ({"estimator": "sklearn.svm.LinearSVC"}, "sklearn.svm.LinearSVC has no predict_proba; choose a probabilistic"),
    ],
)
def test_an_estimator_that_cannot_be_used_is_named(candidate: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        fitted(with_candidate(**candidate), rows())


def test_an_estimator_that_fails_to_fit_says_why() -> None:
    spec = with_candidate(**LINEAR | {"params": {"C": -1}})
    with pytest.raises(TrainingError, match=r"small: candidate it \(sklearn.*LogisticRegression\) does not fit: .*'C'"):
        fitted(spec, rows())


def test_infinite_features_are_told_not_trained_on() -> None:
    with pytest.raises(TrainingError, match="does not fit: .*infinity"):
        fitted(with_candidate(**LINEAR), rows().assign(income=np.inf))


def test_a_fold_of_one_class_is_refused() -> None:
    frame = rows()
    frame["bad"] = (frame.index < 40).astype(int)
    with pytest.raises(TrainingError, match="one class only; use fewer folds"):
        fitted(with_candidate(**LINEAR), frame)


# fitting


@pytest.mark.parametrize("name", ["line", "trees"])
def test_two_fits_are_the_same_to_the_last_bit_whatever_the_threads(name: str) -> None:
    frame, spec = rows(n=400), a_spec()
    first = fitted(spec, frame, name)
    with threadpool_limits(4):
        second = fitted(spec, frame, name)
    assert (first.params, first.score, first.trials) == (second.params, second.score, second.trials)
    np.testing.assert_array_equal(scores(first.pipeline, frame, spec), scores(second.pipeline, frame, spec))


def test_the_seed_reaches_estimator_and_search() -> None:
    forest = {"estimator": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 2}}
    frame = rows()

    def with_seed(seed: int, candidate: dict[str, Any]) -> training.Fitted:
        return fitted(a_spec(training__seed=seed, training__candidates={"it": candidate}), frame)

    assert with_seed(1, forest).score != with_seed(2, forest).score
    searched = {**LINEAR, "search": {"C": {"low": 0.001, "high": 10.0}}}
    assert with_seed(1, searched).params != with_seed(2, searched).params


def test_the_index_of_the_rows_does_not_matter() -> None:
    frame, spec = rows(), a_spec()
    odd = frame.set_index(pd.Index([0] * len(frame)))
    assert fitted(spec, odd, "trees").trials == fitted(spec, frame, "trees").trials


def test_a_search_stays_in_its_spaces_and_takes_the_best_trial() -> None:
    spec = a_spec(
        training__search={"trials": 12, "folds": 2},
        training__candidates={
            "it": {
                "estimator": HGB,
                "params": {"max_iter": 2},
                "search": {
                    "max_leaf_nodes": {"low": 2, "high": 5},
                    "learning_rate": {"low": 0.01, "high": 1, "log": True},
                    "min_samples_leaf": [5, 20],
                    "l2_regularization": {"low": 0.0, "high": 1.0},
                },
            }
        },
    )
    told: list[tuple[int, int]] = []
    result = training.fit(rows(), spec, "it", lambda done, of: told.append((done, of)))
    assert told == [(n, 12) for n in range(1, 13)]
    tried = [trial["params"] for trial in result.trials]
    assert {type(t["max_leaf_nodes"]) for t in tried} == {int}
    assert {t["max_leaf_nodes"] for t in tried} <= {2, 3, 4, 5}
    assert all(0.01 <= t["learning_rate"] <= 1 and 0 <= t["l2_regularization"] <= 1 for t in tried)
    assert {t["min_samples_leaf"] for t in tried} == {5, 20}
    best = max(result.trials, key=lambda t: t["score"])
    assert result.score == best["score"] == pytest.approx(np.mean(result.fold_scores))
    assert result.params == {"max_iter": 2, **best["params"]}
    model = result.pipeline.named_steps["model"]
    assert model.get_params()["learning_rate"] == best["params"]["learning_rate"]


def test_without_a_search_there_is_one_trial() -> None:
    result = fitted(a_spec(), rows(), "trees")
    assert len(result.trials) == 1
    assert len(result.fold_scores) == 2
    assert result.params == {"max_iter": 5, "min_samples_leaf": 5}


def test_an_error_metric_is_searched_downwards() -> None:
    frame = rows(n=300)
    spec = a_spec(
        judgement__metric="log_loss",
        judgement__floors={},
        training__candidates={"it": {**LINEAR, "search": {"C": [1e-6, 1.0]}}},
        training__search={"trials": 6, "folds": 2},
    )
    result = fitted(spec, frame)
    assert result.score == min(t["score"] for t in result.trials)
    assert result.params["C"] == 1.0


def test_the_fold_scores_are_those_of_models_trained_on_the_past() -> None:
    frame, spec = rows(), with_candidate(**LINEAR)
    expected = []
    for train, test in training.time_folds(frame["issued_at"], 2):
        pipeline = training.build(spec, spec.training.candidates["it"], {})
        X = features.design_matrix(frame, spec)
        pipeline.fit(X.iloc[train], frame["bad"].iloc[train])
        p = pipeline.predict_proba(X.iloc[test])[:, 1]
        bad, good = p[frame["bad"].iloc[test] == 1], p[frame["bad"].iloc[test] == 0]
        expected.append(np.mean(bad[:, None] > good[None, :]))
    np.testing.assert_allclose(fitted(spec, frame).fold_scores, expected, atol=1e-12)


@pytest.mark.parametrize(
    "candidate",
    [
        {"estimator": "sklearn.linear_model.Ridge", "search": {"alpha": {"low": 0.1, "high": 10.0, "log": True}}},
        {
            "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
            "params": {"max_iter": 8},
            "increasing": ["debt"],
        },
    ],
    ids=["linear", "tree"],
)
def test_a_regression_beats_guessing_the_mean(candidate: dict[str, Any]) -> None:
    spec = a_regression(training__candidates={"it": candidate})
    frame = rows(spec, n=400)
    result = fitted(spec, frame)
    assert result.score == min(t["score"] for t in result.trials)
    fresh = rows(spec, n=400, seed=5)
    error = np.sqrt(np.mean((scores(result.pipeline, fresh, spec) - fresh["bad"]) ** 2))
    assert error < 0.9 * fresh["bad"].std()


@pytest.mark.parametrize("target", ["bool", "Int64", "float64"])
def test_the_target_may_come_in_any_numeric_dress(target: str) -> None:
    frame, spec = rows(), a_spec()
    dressed = frame.assign(bad=frame["bad"].astype(target))
    assert fitted(spec, dressed, "trees").trials == fitted(spec, frame, "trees").trials


def test_the_class_at_a_path() -> None:
    assert training.import_estimator("sklearn.linear_model.LogisticRegression") is LogisticRegression
    assert training.import_estimator(HGB) is HistGradientBoostingClassifier
