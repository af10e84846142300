"""Estimators by their dotted path: their parameters, their directions, and those that cannot be used."""

from __future__ import annotations

import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from support.factories import a_regression, a_spec, rows, with_candidate
from support.training_cases import HGB, LINEAR, TREE, fitted, model_of, scores
from titleholder.errors import SpecError
from titleholder.training.estimators import faults, import_estimator


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
    said = "LogisticRegression does not support increasing or decreasing columns: it takes neither monotonic_cst"
    with pytest.raises(SpecError, match=said):
        fitted(spec, rows())
    with pytest.raises(SpecError, match="does not support increasing or decreasing columns under encoding: linear"):
        fitted(with_candidate(**TREE, encoding="linear", increasing=["debt"]), rows())


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

    def fit(self, X: np.ndarray, y: np.ndarray) -> Base:
        raise NotImplementedError

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
        (
            {"estimator": "no_such_module.Model"},
            "no_such_module.Model: the library no_such_module is not installed; add it",
        ),
        ({"estimator": "sklearn.ensemble.Nothing"}, "module sklearn.ensemble has no class Nothing"),
        ({"estimator": "own_models.Stranger"}, "is no scikit-learn estimator: let it inherit from sklearn.base.Base"),
        ({"estimator": "own_models.rate"}, "estimator own_models.rate is a int, not a class"),
        ({"estimator": "sklearn.linear_model"}, "estimator sklearn.linear_model is a module, not a class"),
        ({"estimator": "sklearn.metrics.roc_auc_score"}, "is a function, not a class"),
        (
            {**LINEAR, "params": {"depth": 3}},
            "small: LogisticRegression takes no parameter 'depth'; it takes C, class_weight, ",
        ),
        ({**LINEAR, "search": {"depth": [3, 4]}}, "'depth'; it takes C, "),
        ({"estimator": "sklearn.linear_model.Ridge"}, "Ridge predicts values, but the task is classification"),
        ({"estimator": "sklearn.svm.LinearSVC"}, "sklearn.svm.LinearSVC has no predict_proba; choose a probabilistic"),
    ],
)
def test_an_estimator_that_cannot_be_used_is_named(candidate: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        fitted(with_candidate(**candidate), rows())


@pytest.mark.parametrize(
    "path", ["subprocess.Popen", "own_models.Stranger", "pathlib.Path", "zipfile.ZipFile", "sklearn.base.BaseEstimator"]
)
@pytest.mark.usefixtures("own")
def test_a_class_is_known_to_be_a_models_before_anything_of_it_is_called(tmp_path: Path, path: str) -> None:
    """`subprocess.Popen` ran a command that a spec named, before it was refused."""
    file = tmp_path / "made"
    params = (
        {"args": f"touch {file}", "shell": True} if path == "subprocess.Popen" else {"file": str(file), "mode": "w"}
    )
    spec = with_candidate(estimator=path, params=params)
    (fault,) = faults(spec)
    assert "is no scikit-learn estimator" in fault or "is no model" in fault
    with pytest.raises(SpecError):
        fitted(spec, rows())
    time.sleep(0.2)  # a command would need a moment
    assert not file.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit(3)", "estimator team.It: cannot be imported: SystemExit: 3"),
        ("1 / 0", "estimator team.It: cannot be imported: ZeroDivisionError: division by zero"),
        ("import sys; sys.gone", "estimator team.It: cannot be imported: AttributeError: module 'sys' has no"),
        (
            "from sklearn.linear_model import Ridge\nclass It(Ridge):\n    def __init__(self): raise KeyError('no')",
            "training.candidates.it: team.It: KeyError: 'no'",
        ),
    ],
)
def test_a_module_of_the_teams_own_that_fails_is_a_fault_of_its_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    (tmp_path / "team.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "team", raising=False)
    (fault,) = faults(with_candidate(estimator="team.It"))
    monkeypatch.delitem(sys.modules, "team", raising=False)
    assert said in fault


def test_the_class_at_a_path() -> None:
    assert import_estimator("sklearn.linear_model.LogisticRegression") is LogisticRegression
    assert import_estimator(HGB) is HistGradientBoostingClassifier


@pytest.mark.parametrize(
    ("estimator", "learned"),
    [
        ("sklearn.linear_model.QuantileRegressor", {"quantile": 0.9}),
        ("sklearn.ensemble.HistGradientBoostingRegressor", {"loss": "quantile", "quantile": 0.9}),
        ("sklearn.ensemble.GradientBoostingRegressor", {"loss": "quantile", "alpha": 0.9}),
    ],
)
def test_a_candidate_learns_the_quantile_that_is_judged(estimator: str, learned: dict[str, object]) -> None:
    spec = a_regression(
        judgement__metric="pinball", judgement__quantile=0.9, training__candidates={"it": {"estimator": estimator}}
    )
    params = model_of(spec).get_params()
    assert {key: params[key] for key in learned} == learned


def test_a_candidate_that_learns_a_mean_is_refused_for_a_quantile() -> None:
    spec = a_regression(
        judgement__metric="pinball",
        judgement__quantile=0.9,
        training__candidates={"it": {"estimator": "sklearn.linear_model.Ridge"}},
    )
    with pytest.raises(SpecError, match="Ridge does not learn a quantile, which judgement.metric: pinball judges"):
        model_of(spec)


@pytest.mark.parametrize(
    "candidate",
    [
        {"estimator": "sklearn.linear_model.QuantileRegressor"},
        {"estimator": "sklearn.linear_model.QuantileRegressor", "params": {"quantile": 0.9}},
        {
            "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
            "params": {"loss": "quantile", "quantile": 0.9},
        },
    ],
)
@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_a_candidate_that_learns_a_quantile_is_refused_for_a_mean(metric: str, candidate: dict[str, Any]) -> None:
    """But the median is what the mean absolute error judges."""
    spec = a_regression(judgement__metric=metric, training__candidates={"it": candidate})
    if metric == "mae" and "params" not in candidate:
        assert model_of(spec).get_params()["quantile"] == 0.5
        return
    with pytest.raises(SpecError, match=f"learns a quantile, which judgement.metric: {metric} does not judge"):
        model_of(spec)


def test_the_alpha_of_gradient_boosting_is_its_quantile() -> None:
    candidate = {"estimator": "sklearn.ensemble.GradientBoostingRegressor", "params": {"alpha": 0.5}}
    spec = a_regression(judgement__metric="pinball", judgement__quantile=0.9, training__candidates={"it": candidate})
    with pytest.raises(SpecError, match="alpha: 0.5 contradicts judgement.quantile 0.9"):
        model_of(spec)


def test_every_candidate_that_cannot_be_made_is_named_before_anything_is_trained() -> None:
    good = {**LINEAR, "params": {"max_iter": 500}, "search": {"C": {"low": 0.01, "high": 10.0}}}
    line = "sklearn.linear_model.LogisticRegression"
    spec = a_spec(
        training__candidates={
            "good": good,
            "typo": {"estimator": line, "search": {"Cs": [1.0, 2.0]}},
            "mean": {"estimator": "sklearn.linear_model.Ridge"},
        }
    )
    found = faults(spec)
    assert [each.partition(",")[0].partition(";")[0] for each in found] == [
        "training.candidates.typo: LogisticRegression takes no parameter 'Cs'",
        "training.candidates.mean: sklearn.linear_model.Ridge predicts values",
    ]
