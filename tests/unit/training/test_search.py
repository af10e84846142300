"""Searching and fitting a candidate: folds in the order of time, the best trial, and repeatability."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from support.factories import a_regression, a_spec, rows, with_candidate
from support.training_cases import HGB, LINEAR, fitted, scores
from titleholder.data import features
from titleholder.errors import TrainingError
from titleholder.training import folds, pipeline, search
from titleholder.validation import metrics


def test_an_estimator_that_fails_to_fit_says_why() -> None:
    spec = with_candidate(**LINEAR | {"params": {"C": -1}})
    with pytest.raises(TrainingError, match=r"small: candidate it \(sklearn.*LogisticRegression\) does not fit: .*'C'"):
        fitted(spec, rows())


def test_a_refit_takes_the_parameters_as_they_are_and_all_the_rows() -> None:
    spec, frame = with_candidate(**LINEAR, search={"C": [0.01, 10.0]}), rows()
    found = fitted(spec, frame)
    same = search.refit(frame, spec, "it", found.params)
    np.testing.assert_array_equal(scores(same, frame, spec), scores(found.pipeline, frame, spec))
    other = search.refit(frame, spec, "it", {"C": 0.01 if found.params["C"] == 10 else 10.0})
    assert np.abs(scores(other, frame, spec) - scores(same, frame, spec)).max() > 1e-3
    more = search.refit(rows(n=200), spec, "it", found.params)
    assert np.abs(scores(more, frame, spec) - scores(same, frame, spec)).max() > 1e-3


def test_a_refit_that_fails_says_why() -> None:
    with pytest.raises(TrainingError, match=r"small: candidate it .* does not fit: .*'C'"):
        search.refit(rows(), with_candidate(**LINEAR), "it", {"C": -1})


def test_infinite_features_are_refused() -> None:
    with pytest.raises(TrainingError, match="does not fit: .*infinity"):
        fitted(with_candidate(**LINEAR), rows().assign(income=np.inf))


def test_a_fold_of_one_class_is_refused() -> None:
    frame = rows()
    frame["bad"] = (frame.index < 40).astype(int)
    with pytest.raises(TrainingError, match="one class only; use fewer folds"):
        fitted(with_candidate(**LINEAR), frame)


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

    def with_seed(seed: int, candidate: dict[str, Any]) -> search.Fitted:
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
    calls: list[tuple[int, int]] = []
    result = search.fit(rows(), spec, "it", lambda done, of: calls.append((done, of)))
    assert calls == [(n, 12) for n in range(1, 13)]
    tried = [trial["params"] for trial in result.trials]
    assert {type(t["max_leaf_nodes"]) for t in tried} == {int}
    assert {t["max_leaf_nodes"] for t in tried} <= {2, 3, 4, 5}
    assert all(0.01 <= t["learning_rate"] <= 1 and 0 <= t["l2_regularization"] <= 1 for t in tried)
    assert {t["min_samples_leaf"] for t in tried} == {5, 20}
    best = min(result.trials, key=lambda t: t["score"])
    assert result.score == best["score"] == pytest.approx(np.mean(result.fold_scores))
    assert result.params == {"max_iter": 2, **best["params"]}
    model = result.pipeline.named_steps["model"]
    assert model.get_params()["learning_rate"] == best["params"]["learning_rate"]


WIDE = {
    "estimator": HGB,
    "params": {"max_iter": 2},
    "search": {
        "max_leaf_nodes": {"low": 2, "high": 5},
        "learning_rate": {"low": 0.01, "high": 1, "log": True},
        "max_depth": [3, 6, None],
    },
}


def test_donated_parameters_are_tried_first_and_half_of_the_trials_are_free_of_them() -> None:
    spec = a_spec(training__search={"trials": 5, "folds": 2}, training__candidates={"it": WIDE})
    donated = [{"max_leaf_nodes": n, "learning_rate": 0.1 + n / 7, "max_depth": None} for n in (2, 3, 4)]
    warm = search.fit(rows(), spec, "it", start=search.Start(donated))
    tried = [t["params"] for t in warm.trials]
    assert len(tried) == 5
    assert tried[:2] == donated[:2]
    assert not [params for params in tried[2:] if params in donated]
    again, cold, other = (search.fit(rows(), spec, "it", start=search.Start(*s)) for s in ((donated,), (), ((), 1)))
    assert again.trials == warm.trials
    assert cold.trials == search.fit(rows(), spec, "it").trials != warm.trials
    assert cold.trials != other.trials
    assert warm.score == min(t["score"] for t in warm.trials)


@given(
    st.fixed_dictionaries(
        {
            "max_leaf_nodes": st.integers(2, 5),
            "learning_rate": st.floats(0.01, 1),
            "max_depth": st.sampled_from([3, 6, None]),
        }
    )
)
def test_parameters_are_read_back_to_the_last_digit_from_what_was_logged(params: dict[str, Any]) -> None:
    candidate = with_candidate(**WIDE).training.candidates["it"]
    recorded = {**{name: str(value) for name, value in params.items()}, "max_iter": "2", "estimator": HGB}
    assert search.parameters_from(recorded, candidate) == params
    for name in params:
        assert search.parameters_from({**recorded, name: "7"}, candidate) is None
        assert search.parameters_from({k: v for k, v in recorded.items() if k != name}, candidate) is None
    assert search.parameters_from(recorded, with_candidate(**LINEAR).training.candidates["it"]) is None


def test_without_a_search_there_is_one_trial() -> None:
    result = fitted(a_spec(), rows(), "trees")
    assert len(result.trials) == 1
    assert len(result.fold_scores) == 2
    assert result.params == {"max_iter": 5, "min_samples_leaf": 5}


@pytest.mark.parametrize(("metric", "best"), [("roc_auc", max), ("log_loss", min), ("brier", min), ("ks", max)])
def test_the_best_trial_and_the_best_of_anything_go_by_the_direction_of_the_metric(
    metric: str, best: Callable[[list[float]], float]
) -> None:
    spec = a_spec(
        training__search={"trials": 6, "folds": 2, "metric": metric},
        training__candidates={"it": {**LINEAR, "search": {"C": {"low": 1e-5, "high": 10.0, "log": True}}}},
    )
    result = fitted(spec, rows(n=300))
    tried = [t["score"] for t in result.trials]
    assert (result.metric, result.score) == (metric, best(tried))
    assert result.recorded_scores == {
        f"folds_{metric}": result.score,
        f"fold_1_{metric}": result.fold_scores[0],
        f"fold_2_{metric}": result.fold_scores[1],
    }
    assert result.recorded_trials == {f"trial_{metric}": tried}
    assert search.ranked(tried, spec, float) == sorted(tried, reverse=best is max)
    assert search.ranked([("a", 0.5), ("b", 0.5)], spec, lambda pair: pair[1])[0][0] == "a"


def test_the_search_by_log_loss_finds_probabilities_of_the_right_size() -> None:
    """A penalty too strong leaves the order of rows alike and makes every probability timid: ROC AUC cannot see it."""
    frame, fresh = rows(n=2000), rows(n=2000, seed=1)
    strong = {**LINEAR, "search": {"C": [1e-4, 1.0]}}
    searched = {"trials": 6, "folds": 2}
    spec = a_spec(training__search=searched, training__candidates={"it": strong})
    result = fitted(spec, frame)
    p = scores(result.pipeline, fresh, spec)
    assert result.params["C"] == 1.0
    sample = metrics.Sample(fresh["bad"].to_numpy(float))
    assert metrics.calibration(sample, p, confidence=0.95).slope.estimate == pytest.approx(1, abs=0.15)
    by_auc = a_spec(training__search={**searched, "metric": "roc_auc"}, training__candidates={"it": strong})
    areas = {t["params"]["C"]: t["score"] for t in fitted(by_auc, frame).trials}
    assert abs(areas[1e-4] - areas[1.0]) < 0.01


def test_an_error_metric_is_searched_downwards() -> None:
    frame = rows(n=300)
    spec = a_spec(
        training__candidates={"it": {**LINEAR, "search": {"C": [1e-6, 1.0]}}},
        training__search={"trials": 6, "folds": 2},
    )
    result = fitted(spec, frame)
    assert result.score == min(t["score"] for t in result.trials)
    assert result.params["C"] == 1.0


def test_the_fold_scores_are_those_of_models_trained_on_the_past() -> None:
    spec = a_spec(training__search={"folds": 2, "metric": "roc_auc"}, training__candidates={"it": LINEAR})
    frame, expected = rows(), []
    for train, test in folds.time_folds(frame["issued_at"], 2):
        model = pipeline.build(spec, spec.training.candidates["it"], {})
        X = features.design_matrix(frame, spec)
        model.fit(X.iloc[train], frame["bad"].iloc[train])
        p = model.predict_proba(X.iloc[test])[:, 1]
        bad, good = p[frame["bad"].iloc[test] == 1], p[frame["bad"].iloc[test] == 0]
        expected.append(np.mean(bad[:, None] > good[None, :]))
    found = fitted(spec, frame)
    np.testing.assert_allclose(found.fold_scores, expected, atol=1e-12)
    assert found.out_of_fold is not None
    np.testing.assert_array_equal(
        found.out_of_fold.rows, np.concatenate([t for _, t in folds.time_folds(frame["issued_at"], 2)])
    )
    np.testing.assert_allclose(found.out_of_fold.scores[-len(p) :], p)


def test_the_predictions_of_the_folds_are_those_of_the_best_trial() -> None:
    spec, frame = a_spec(training__search={"trials": 6, "folds": 2}), rows()
    found = search.fit(frame, spec, "line")
    assert len({trial["score"] for trial in found.trials}) > 1
    assert found.out_of_fold is not None
    parts = np.split(found.out_of_fold.scores, [len(next(folds.time_folds(frame["issued_at"], 2))[1])])
    tests = [test for _, test in folds.time_folds(frame["issued_at"], 2)]
    scores = [
        metrics.compute("log_loss", frame["bad"].to_numpy(dtype=float)[test], p, spec.judgement)
        for test, p in zip(tests, parts, strict=True)
    ]
    np.testing.assert_allclose(scores, found.fold_scores)


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
def test_the_target_may_come_have_any_numeric_type(target: str) -> None:
    frame, spec = rows(), a_spec()
    dressed = frame.assign(bad=frame["bad"].astype(target))
    assert fitted(spec, dressed, "trees").trials == fitted(spec, frame, "trees").trials


def test_a_trial_that_fails_is_one_sentence_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    spec = with_candidate(**LINEAR, search={"C": {"low": -3.0, "high": -1.0}})
    optuna.logging.enable_propagation()
    try:
        with pytest.raises(TrainingError, match=r"does not fit: The 'C' parameter of LogisticRegression must be a"):
            fitted(spec, rows())
    finally:
        optuna.logging.disable_propagation()
    assert caplog.text == ""
