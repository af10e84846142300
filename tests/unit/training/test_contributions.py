"""Contributions of features to scores: they add up, for each estimator that has them, through its pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from support.factories import a_regression, a_spec, rows
from support.shapley import by_enumeration, trees_of_xgboost
from titleholder.data import features
from titleholder.errors import DataError, UsageError
from titleholder.registry import model_files
from titleholder.spec.model import ModelSpec
from titleholder.spec.reasons import EXPLAINED
from titleholder.training import contributions, pipeline, search
from titleholder.training.contributions import Contributions

TREES = {"n_estimators": 12, "verbosity": 0}
PARAMS: dict[str, dict[str, Any]] = {
    "sklearn.Lasso": {"alpha": 0.01},
    "sklearn.ElasticNet": {"alpha": 0.01},
    "sklearn.QuantileRegressor": {"alpha": 0.0},
    "sklearn.SGDClassifier": {"loss": "log_loss", "alpha": 0.01},
    "sklearn.HistGradientBoostingClassifier": {"max_iter": 12, "min_samples_leaf": 3},
    "sklearn.HistGradientBoostingRegressor": {"max_iter": 12, "min_samples_leaf": 3},
    "sklearn.LogisticRegressionCV": {"use_legacy_attributes": False, "scoring": "neg_log_loss", "l1_ratios": [0.0]},
    "xgboost.XGBClassifier": TREES,
    "xgboost.XGBRegressor": TREES,
    "lightgbm.LGBMClassifier": {"n_estimators": 12, "verbose": -1, "min_child_samples": 3},
    "lightgbm.LGBMRegressor": {"n_estimators": 12, "verbose": -1, "min_child_samples": 3},
}


def path_of(name: str) -> str:
    """Where a class of scikit-learn is imported from; others from their library itself."""
    library, _, cls = name.partition(".")
    module = "sklearn.ensemble" if "GradientBoosting" in cls else "sklearn.linear_model"
    return f"{module}.{cls}" if library == "sklearn" else name


def spec_of(name: str, **params: Any) -> ModelSpec:
    candidate = {"estimator": path_of(name), "params": PARAMS.get(name, {}) | params}
    candidates = {"training__candidates": {"it": candidate}}
    if name.endswith("Classifier") or "Logistic" in name:
        return a_spec(**candidates)
    quantile = (
        {"judgement__metric": "pinball", "judgement__quantile": 0.8} if name.endswith("QuantileRegressor") else {}
    )
    return a_regression(**candidates, **quantile)


def gappy(frame: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """The rows with gaps in a number and in the category."""
    rng = np.random.default_rng(seed)
    holes = {name: frame[name].where(rng.random(len(frame)) > 0.1) for name in ("income", "purpose")}
    return frame.assign(**holes)


def surprising(spec: ModelSpec) -> pd.DataFrame:
    """Rows to score: with gaps, and with a category that no training row had."""
    frame = gappy(rows(spec, n=60, seed=5), seed=6)
    return frame.assign(purpose=frame["purpose"].where(frame.index % 7 > 0, "boat"))


def explained(spec: ModelSpec) -> tuple[Any, pd.DataFrame, np.ndarray, Contributions]:
    model = search.fit(gappy(rows(spec)), spec, "it").pipeline
    X = features.design_matrix(surprising(spec), spec)
    return model, X, pipeline.score(model, X, spec), Contributions(model, spec)


@pytest.mark.parametrize("name", EXPLAINED)
def test_they_add_up_to_the_log_odds_or_to_the_predicted_value(name: str) -> None:
    spec = spec_of(name)
    _, X, scores, found = explained(spec)
    values = found.of(X, scores)
    assert values.shape == (len(X), 3)
    assert np.abs(values).max() > 0.01
    wanted = logit(scores) if spec.task == "classification" else scores
    np.testing.assert_allclose(values.sum(axis=1) + found.baseline, wanted, rtol=0, atol=1e-6)


KINDS = (
    "sklearn.LogisticRegression", "sklearn.HistGradientBoostingClassifier", "sklearn.GradientBoostingRegressor",
    "xgboost.XGBClassifier", "lightgbm.LGBMClassifier",
)  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_those_of_a_row_depend_on_no_other_row(name: str) -> None:
    _, X, scores, found = explained(spec_of(name))
    whole = found.of(X, scores)[:9]
    apart = [found.of(X[n : n + 1], scores[n : n + 1]) for n in range(9)]
    np.testing.assert_array_equal(np.concatenate(apart), whole)
    assert found.of(X[:0], scores[:0]).shape == (0, 3)


def test_of_a_linear_model_they_are_what_the_formula_says() -> None:
    """Coefficient times the distance from the training rows' mean, as worked out from the raw columns."""
    spec = spec_of("sklearn.LogisticRegression")
    model, X, scores, found = explained(spec)
    trained = features.design_matrix(gappy(rows(spec)), spec)
    names = model["prepare"].get_feature_names_out()
    by_name = dict(zip(names, model["model"].coef_[0], strict=True))
    filled = X["income"].fillna(trained["income"].median())
    was = trained["income"].fillna(trained["income"].median())
    gaps = trained["income"].isna()
    gap = (X["income"].isna() - gaps.mean()) / gaps.std(ddof=0)
    income = by_name["income"] * (filled - was.mean()) / was.std(ddof=0) + by_name["missingindicator_income"] * gap
    values = found.of(X, scores)
    np.testing.assert_allclose(values[:, 0], income, rtol=0, atol=1e-9)
    kinds = {name: by_name[f"purpose_{name}"] for name in ("car", "home", "trip")}
    expected = trained["purpose"].map(kinds).fillna(by_name["purpose_infrequent_sklearn"]).mean()
    purpose = X["purpose"].map(kinds).fillna(by_name["purpose_infrequent_sklearn"]) - expected
    np.testing.assert_allclose(values[:, 2], purpose, rtol=0, atol=1e-9)
    raw = logit(pipeline.score(model, trained, spec))
    assert found.baseline == pytest.approx(raw.mean(), abs=1e-9), "the mean of the training rows"


@pytest.mark.parametrize("name", ["sklearn.HistGradientBoostingRegressor", "lightgbm.LGBMRegressor"])
def test_the_baseline_of_trees_is_the_mean_of_the_training_rows(name: str) -> None:
    spec = spec_of(name)
    model, *_, found = explained(spec)
    trained = features.design_matrix(gappy(rows(spec)), spec)
    assert found.baseline == pytest.approx(pipeline.score(model, trained, spec).mean(), abs=1e-6)


def test_of_one_split_of_a_category_they_are_the_distance_from_the_mean() -> None:
    spec = spec_of("sklearn.HistGradientBoostingRegressor", max_iter=1, learning_rate=1.0, max_leaf_nodes=2)
    frame = rows(spec)
    frame["bad"] = np.where(frame["purpose"] == "home", 5.0, 1.0)
    model = search.fit(frame, spec, "it").pipeline
    X = features.design_matrix(frame, spec)
    scores = pipeline.score(model, X, spec)
    found = Contributions(model, spec)
    values = found.of(X, scores)
    assert np.abs(values[:, :2]).max() == 0
    np.testing.assert_allclose(values[:, 2], scores - scores.mean(), rtol=0, atol=1e-9)


def test_xgboosts_are_those_of_all_subsets() -> None:
    spec = spec_of("xgboost.XGBClassifier", max_depth=3, n_estimators=5)
    model, X, scores, found = explained(spec)
    prepared = model["prepare"].transform(X[:20])
    trees = list(trees_of_xgboost(model["model"].get_booster()))
    wanted = [sum(by_enumeration(tree, row) for tree in trees) for row in prepared]
    np.testing.assert_allclose(found.of(X[:20], scores[:20]), wanted, rtol=0, atol=1e-6)


def test_an_estimator_without_them_is_refused_by_the_names_of_those_that_have_them() -> None:
    spec = a_spec(training__candidates={"it": {"estimator": "sklearn.ensemble.RandomForestClassifier",
                                               "params": {"n_estimators": 3}}})  # fmt: skip
    model = search.fit(rows(), spec, "it").pipeline
    with pytest.raises(UsageError, match=r"RandomForestClassifier has no reasons; these estimators have: sklearn\.Log"):
        Contributions(model, spec)


def test_contributions_that_do_not_add_up_are_never_given() -> None:
    _, X, scores, found = explained(spec_of("sklearn.HistGradientBoostingClassifier"))
    with pytest.raises(DataError, match=r"does not add up to them \(by up to 0\.01\)"):
        found.of(X, scores + 0.01)


@pytest.mark.parametrize("name", KINDS)
def test_a_model_that_was_stored_and_read_gives_the_same(name: str, tmp_path: Path) -> None:
    spec = spec_of(name)
    model, X, scores, found = explained(spec)
    described = mlflow.models.Model(signature=model_files.signature(spec))
    files = model_files.write(tmp_path, model, described, spec, spec.training.candidates["it"].estimator)
    content = (tmp_path / model_files.MODEL).read_bytes()
    read = model_files.read(content, files[model_files.MODEL], spec, "here")
    np.testing.assert_array_equal(Contributions(read, spec).of(X, scores), found.of(X, scores))


def test_a_linear_model_without_the_mean_of_its_training_rows_is_refused() -> None:
    spec = spec_of("sklearn.Ridge")
    model = search.fit(rows(spec), spec, "it").pipeline
    delattr(model["prepare"], pipeline.TRAINING_MEAN)
    with pytest.raises(UsageError, match="trained before models kept the mean"):
        Contributions(model, spec)


def test_one_hot_encoded_trees_add_up_too() -> None:
    candidate = {
        "estimator": "lightgbm.LGBMClassifier",
        "params": PARAMS["lightgbm.LGBMClassifier"],
        "encoding": "linear",
    }
    spec = a_spec(training__candidates={"it": candidate})
    _, X, scores, found = explained(spec)
    np.testing.assert_allclose(found.of(X, scores).sum(axis=1) + found.baseline, logit(scores), rtol=0, atol=1e-6)


def test_rows_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    _, X, scores, found = explained(spec_of("sklearn.GradientBoostingClassifier"))
    whole = found.of(X, scores)
    monkeypatch.setattr(contributions, "AT_ONCE", 7)
    np.testing.assert_array_equal(found.of(X, scores), whole)
