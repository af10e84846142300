"""Rows that weigh more count more: in the fit, in the folds' scores, and only for estimators that can."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from support.factories import a_spec, rows
from titleholder.data import features
from titleholder.errors import SpecError
from titleholder.spec.model import ModelSpec
from titleholder.training import folds, pipeline, search
from titleholder.validation import metrics

LINE = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 500, "C": 1.0}}
NEIGHBOURS = {"estimator": "sklearn.neighbors.KNeighborsClassifier"}


def weighted(candidate: dict[str, Any] = LINE, **training: Any) -> ModelSpec:
    more = {f"training__{key}": value for key, value in training.items()}
    return a_spec(columns__weight="exposure", training__candidates={"it": candidate}, **more)


def test_the_weights_reach_the_estimator() -> None:
    spec = weighted()
    frame = rows(spec, n=300).assign(exposure=np.random.default_rng(1).integers(1, 6, 300).astype(float))
    model = search.fit(frame, spec, "it").pipeline
    X = model.named_steps["prepare"].transform(features.design_matrix(frame, spec))
    alone = LogisticRegression(max_iter=500, C=1.0, random_state=7)
    expected = alone.fit(X, frame["bad"], sample_weight=frame["exposure"]).coef_
    assert model.named_steps["model"].coef_ == pytest.approx(expected, rel=1e-6)
    unweighted = search.fit(frame, a_spec(training__candidates={"it": LINE}), "it").pipeline
    assert unweighted.named_steps["model"].coef_ != pytest.approx(expected, rel=1e-3)


def test_equal_weights_change_nothing() -> None:
    spec = weighted()
    frame = rows(spec, n=300).assign(exposure=1.0)
    with_weights, without = (search.fit(frame, s, "it") for s in (spec, a_spec(training__candidates={"it": LINE})))
    assert with_weights.score == pytest.approx(without.score, abs=1e-12)


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc", "ks"])
def test_the_folds_are_scored_with_the_weights(metric: str) -> None:
    spec = weighted(search={"metric": metric, "folds": 2})
    frame = rows(spec, n=300).assign(exposure=np.random.default_rng(1).uniform(0.1, 9, 300))
    found = search.fit(frame, spec, "it")
    train, test = list(folds.time_folds(frame["issued_at"], 2))[-1]
    again = pipeline.build(spec, spec.training.candidates["it"], {})
    X, y, w = features.design_matrix(frame, spec), frame["bad"].to_numpy(float), frame["exposure"].to_numpy()
    again.fit(X.iloc[train], y[train].astype(int), model__sample_weight=w[train])
    expected = metrics.compute(metric, y[test], pipeline.score(again, X.iloc[test], spec), weights=w[test])
    assert found.fold_scores[-1] == pytest.approx(expected, abs=1e-12)


def test_an_estimator_that_cannot_weigh_is_named() -> None:
    spec = weighted(NEIGHBOURS)
    with pytest.raises(SpecError, match=r"columns\.weight: sklearn\.neighbors\.KNeighborsClassifier cannot be fitted"):
        search.fit(rows(spec).assign(exposure=1.0), spec, "it")
