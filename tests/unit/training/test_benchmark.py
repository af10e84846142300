"""The untuned benchmark: a plain scorecard with fixed parameters on the rows that a challenger is trained on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from support.factories import a_regression, a_spec, rows
from titleholder.data import features
from titleholder.errors import TrainingError
from titleholder.spec.model import ModelSpec
from titleholder.training import benchmark, pipeline


def scores(spec: ModelSpec, n: int = 600) -> np.ndarray:
    frame = rows(spec, n=n)
    return pipeline.score(benchmark.fit(frame, spec), features.design_matrix(frame, spec), spec)


@pytest.mark.parametrize("spec", [a_spec(), a_regression()], ids=["classification", "regression"])
def test_it_is_the_plain_model_of_scikit_learn(spec: ModelSpec) -> None:
    frame = rows(spec, n=600)
    plain = make_pipeline(
        make_column_transformer((StandardScaler(), ["income", "debt"]), (OneHotEncoder(), ["purpose"])),
        LogisticRegression(max_iter=1000) if spec.task == "classification" else Ridge(),
    ).fit(frame, frame["bad"])
    expected = plain.predict_proba(frame)[:, 1] if spec.task == "classification" else plain.predict(frame)
    np.testing.assert_allclose(scores(spec), expected, atol=1e-6)


def test_neither_the_candidates_nor_the_seed_change_it() -> None:
    other = a_spec(training__seed=99, training__candidates={"it": {"estimator": "sklearn.dummy.DummyClassifier"}})
    np.testing.assert_array_equal(scores(a_spec()), scores(other))


def test_it_is_fitted_with_the_weights_of_the_spec() -> None:
    spec = a_spec(columns__weight="weight")
    frame = rows(spec, n=600).assign(weight=1.0)
    heavy = frame.assign(weight=np.where(frame["bad"] == 1, 3.0, 1.0))
    X = features.design_matrix(frame, spec)
    light, more = (pipeline.score(benchmark.fit(f, spec), X, spec) for f in (frame, heavy))
    assert (more > light).all()


def test_a_large_design_matrix_has_fewer_rows_spread_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven columns: two numbers with an indicator at most, and three categories."""
    seen: list[list[float]] = []
    fit = benchmark.fit_pipeline
    monkeypatch.setattr(
        benchmark, "fit_pipeline", lambda s, c, p, kept: (seen.append(list(kept.X.index)), fit(s, c, p, kept))[1]
    )
    monkeypatch.setattr(benchmark, "CELLS", 500)
    benchmark.fit(rows(n=600), a_spec())
    assert len(seen[0]) == 100  # 500 cells over two numbers without gaps and three categories
    assert (seen[0][0], seen[0][-1]) == (0, 599)
    assert np.ptp(np.diff(seen[0])) <= 1


def test_gaps_and_unseen_categories_get_a_score() -> None:
    spec = a_spec()
    frame = rows(spec, n=600)
    fitted = benchmark.fit(frame.assign(debt=frame["debt"].mask(frame.index % 5 == 0)), spec)
    strange = frame.head(3).assign(purpose=[None, "yacht", "car"], income=[np.nan, 1.0, 2.0])
    assert np.isfinite(pipeline.score(fitted, features.design_matrix(strange, spec), spec)).all()


def test_what_it_cannot_be_fitted_on_is_named() -> None:
    with pytest.raises(TrainingError, match="small: the untuned benchmark does not fit: .*infinity"):
        benchmark.fit(rows(n=200).assign(debt=np.inf), a_spec())
