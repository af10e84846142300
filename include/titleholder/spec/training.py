"""How candidates are trained: estimators, search spaces and the search."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from titleholder.spec.engine import Engine
from titleholder.spec.resources import Resources
from titleholder.spec.types import ClassPath, ColumnNames, Count, Name, StrictModel


class Range(StrictModel):
    """An interval to search in; whole numbers when both ends are.

    >>> Range(low=0.01, high=0.3, log=True).high
    0.3
    """

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, not {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range starts above 0, not at {self.low}")
        return self


Choice = str | int | float | bool | None
Choices = Annotated[tuple[Choice, ...], Field(min_length=1, max_length=1000)]
MOST_PARAMETERS, MOST_CANDIDATES = 200, 50


LOSSES = ("loss", "objective")
"""What estimators call the loss that they minimise: scikit-learn; LightGBM and XGBoost."""
QUANTILE_LOSSES = ("quantile", "reg:quantileerror")
MEDIAN_LOSSES = ("absolute_error", "regression_l1", "l1", "mae", "mean_absolute_error", "reg:absoluteerror")


class Candidate(StrictModel):
    """One way to train a model: any importable class that follows scikit-learn's estimator interface.

    >>> Candidate(estimator="sklearn.linear_model.Ridge", params={"alpha": 1.0}, search={"alpha": (0.1, 1.0)})
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... both fixed under params and searched: alpha...
    """

    estimator: ClassPath
    params: dict[str, Choice | tuple[Choice, ...]] = Field(default={}, max_length=MOST_PARAMETERS)
    search: dict[str, Range | Choices] = Field(default={}, max_length=MOST_PARAMETERS)
    encoding: Literal["auto", "linear", "tree"] = "auto"
    increasing: ColumnNames = ()
    decreasing: ColumnNames = ()
    resources: Resources | None = None
    """In place of `training.resources`, as a whole."""

    @field_validator("search")
    @classmethod
    def _sorted_by_name(cls, value: dict[str, Any]) -> dict[str, Any]:
        """The search depends on the order of its parameters, which the ledger does not keep."""
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _fixed_or_searched(self) -> Self:
        if both := sorted(set(self.params) & set(self.search)):
            raise ValueError(f"both fixed under params and searched: {', '.join(both)}")
        if both := sorted(set(self.increasing) & set(self.decreasing)):
            raise ValueError(f"both increasing and decreasing: {', '.join(both)}")
        return self

    def contradiction(self, quantile: float) -> str:
        """Why this candidate does not learn that quantile, by its own parameters; empty where they do not say so.

        >>> Candidate(estimator="lightgbm.LGBMRegressor", params={"objective": "l2"}).contradiction(0.9)
        'objective: l2 does not learn judgement.quantile 0.9; leave it out'
        """
        for key in (key for key in LOSSES if key in {*self.params, *self.search}):
            loss = self.params.get(key)
            if key in self.search:
                return f"{key}: is searched, but judgement.quantile needs the loss of a quantile; leave it out"
            if loss not in QUANTILE_LOSSES and not (quantile == 0.5 and loss in MEDIAN_LOSSES):
                return f"{key}: {loss} does not learn judgement.quantile {quantile:g}; leave it out"
        of_loss = any(self.params.get(key) in QUANTILE_LOSSES for key in LOSSES)
        for key in ("quantile", "quantile_alpha", *(["alpha"] if of_loss and "quantile" not in self.params else [])):
            if key in self.search:
                return f"{key}: is searched, but judgement.quantile says {quantile:g}; leave it out"
            if (own := self.params.get(key, quantile)) != quantile:
                return f"{key}: {own} contradicts judgement.quantile {quantile:g}; leave it out"
        return ""


class Search(StrictModel):
    """The effort of the hyper-parameter search, and the metric that it searches by.

    >>> Search(metric="auc").metric  # checked by `ModelSpec`, which knows the task
    'auc'
    """

    trials: int = Field(default=20, ge=1, le=1000)
    folds: int = Field(default=4, ge=2, le=20)
    metric: str | None = None
    """By default log loss for a classification, the deciding metric for a regression: see `ModelSpec.search_metric`."""
    warm_start: Literal["champion"] | None = None
    """`champion`: parameters of the champion and the last challengers are tried first, in at most half the trials."""


class Training(StrictModel):
    """How candidates are trained."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    minimum_rows: Count = Field(default=200, ge=10)
    search: Search = Search()
    resources: Resources = Resources()
    engine: Engine = None
    """What trains instead of the task's own process: `external_memory`, or `{dask: connection or address}`."""
    candidates: dict[Name, Candidate] = Field(min_length=1, max_length=MOST_CANDIDATES)

    def resources_of(self, name: str) -> Resources:
        """Where the candidate of this name is trained, and with how much."""
        return self.candidates[name].resources or self.resources
