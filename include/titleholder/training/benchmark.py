"""The untuned benchmark: a plain scorecard with fixed parameters, which a searched challenger should not lose to.

A logistic regression, of a regression's target ridge, or of a quantile a linear quantile regression, on the features as
every linear candidate gets them: gaps imputed with an indicator, numbers scaled, categories one-hot. Nothing is
searched, and it is never registered.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from titleholder.errors import TrainingError, one_line
from titleholder.spec.model import ModelSpec
from titleholder.spec.training import Candidate
from titleholder.training.folds import Positions, TrainingRows
from titleholder.training.pipeline import MAX_CATEGORIES
from titleholder.training.search import fit_pipeline
from titleholder.training.threads import one_thread

ROWS = 100_000
"""At most so many training rows, spread evenly over them."""
CELLS = 10_000_000
"""At most so many numbers in its design matrix (80 MB): with very many columns there are fewer rows."""
QUANTILE_ROWS = 4_000
"""At most so many rows of a quantile regression, a linear programme whose time grows with their square: 2 seconds."""
SCORECARDS = {
    "classification": Candidate(
        estimator="sklearn.linear_model.LogisticRegression", params={"C": 1.0, "max_iter": 1000}, encoding="linear"
    ),
    "regression": Candidate(estimator="sklearn.linear_model.Ridge", params={"alpha": 1.0}, encoding="linear"),
}
OF_A_QUANTILE = Candidate(estimator="sklearn.linear_model.QuantileRegressor", params={"alpha": 0.0}, encoding="linear")


def fit(frame: pd.DataFrame, spec: ModelSpec) -> Pipeline:
    """The benchmark, fitted on these training rows; equal rows and spec give an equal model.

    Raises:
        TrainingError: when it does not fit, such as on features that are infinite.
    """
    rows = TrainingRows.of(frame, spec)
    try:
        with one_thread():
            scorecard = SCORECARDS[spec.task] if spec.judgement.predicted_quantile is None else OF_A_QUANTILE
            return fit_pipeline(spec, scorecard, {}, rows.at(_kept(rows.X, spec)))
    except Exception as error:  # whatever scikit-learn raises: the challenger may do without what this one needs
        raise TrainingError(f"{spec.name}: the untuned benchmark does not fit: {one_line(error)}") from error


def _kept(X: pd.DataFrame, spec: ModelSpec) -> Positions:
    """Positions of the rows that are fitted on, spread evenly: all of them unless the design matrix would be large."""
    categories = sum(min(X[c].nunique(dropna=False), MAX_CATEGORIES) for c in spec.columns.categorical)
    columns = categories + sum(1 + X[c].isna().any() for c in spec.columns.numeric)
    n, most = len(X), ROWS if spec.judgement.predicted_quantile is None else QUANTILE_ROWS
    return np.unique(np.linspace(0, n - 1, min(n, most, CELLS // columns)).astype(np.intp))
