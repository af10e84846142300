"""Which estimators have reasons for their scores: those whose contributions of features add up to the score.

They add up in log odds for a classification, in the target's own unit for a regression, the mean or a quantile of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from titleholder.spec.engine import canonical

Allowed = Mapping[str, tuple[Any, ...]]
"""Of parameters that change what adds up, the values that leave it alone; a parameter that is not set is as well."""

_LINEAR: tuple[str, ...] = (
    "LogisticRegression", "LogisticRegressionCV", "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV",
    "ElasticNet", "ElasticNetCV", "BayesianRidge", "HuberRegressor", "QuantileRegressor", "SGDRegressor",
)  # fmt: skip
_LIGHTGBM: Allowed = {"boosting_type": ("gbdt", "dart", "goss"), "linear_tree": (False,)}
_XGBOOST: Allowed = {"booster": ("gbtree",)}
EXPLAINED: Mapping[str, Allowed] = {
    **{f"sklearn.{name}": {} for name in _LINEAR},
    "sklearn.SGDClassifier": {"loss": ("log_loss",)},
    "sklearn.HistGradientBoostingClassifier": {"loss": ("log_loss",)},
    "sklearn.HistGradientBoostingRegressor": {"loss": ("squared_error", "absolute_error", "quantile")},
    "sklearn.GradientBoostingClassifier": {"loss": ("log_loss",), "init": ("zero",)},
    "sklearn.GradientBoostingRegressor": {
        "loss": ("squared_error", "absolute_error", "huber", "quantile"),
        "init": ("zero",),
    },
    "lightgbm.LGBMClassifier": {**_LIGHTGBM, "objective": ("binary",)},
    "lightgbm.LGBMRegressor": {
        **_LIGHTGBM,
        "objective": ("regression", "l2", "mse", "regression_l1", "l1", "mae", "huber", "fair", "quantile", "mape"),
    },
    "xgboost.XGBClassifier": {**_XGBOOST, "objective": ("binary:logistic",)},
    "xgboost.XGBRegressor": {
        **_XGBOOST,
        "objective": ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror"),
    },
}
"""Estimators by library and class, however they are imported."""


def unexplained(estimator: str, parameters: Mapping[str, Iterable[Any]]) -> str:
    """Why the scores of this estimator have no reasons; empty where they have. `parameters` has all values of each.

    >>> unexplained("xgboost.XGBRegressor", {"objective": ["count:poisson"]}).partition(";")[0]
    'objective: count:poisson of XGBRegressor has no reasons'
    >>> unexplained("sklearn.linear_model.Ridge", {"alpha": [0.1, 1.0]})
    ''
    """
    name = estimator.rpartition(".")[2]
    allowed = EXPLAINED.get(canonical(estimator))
    if allowed is None:
        return f"{name} has no reasons; these estimators have: {', '.join(EXPLAINED)}"
    for parameter, valid in allowed.items():
        for value in parameters.get(parameter, ()):
            if value is not None and value not in valid:
                return f"{parameter}: {value} of {name} has no reasons; valid: {', '.join(map(str, valid))}"
    return ""
