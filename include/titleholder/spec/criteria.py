"""The criteria for a challenger: the metric and the rule that decide, and what a row is worth."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from titleholder.spec.check_rules import Checks
from titleholder.spec.metrics import METRICS, Task
from titleholder.spec.types import Amount, Count, StrictModel


class CutOff(StrictModel):
    """How a score becomes a decision about a row: `{accept: below, score: 0.12}` or `{accept: below, share: 0.8}`.

    With `share` each model accepts that share of the judged rows, its best ones.

    >>> CutOff(accept="below", share=0.8).share
    0.8
    """

    accept: Literal["below", "above"]
    score: Amount | None = None
    share: float | None = Field(default=None, gt=0.0, lt=1.0)

    @model_validator(mode="after")
    def _score_or_share(self) -> Self:
        if (self.score is None) == (self.share is None):
            raise ValueError("give either score or share")
        return self


class Profit(StrictModel):
    """The value of a row, by its answer (accepted or declined at the cut-off) and its outcome (target 1 or 0)."""

    accepted_1: Amount
    accepted_0: Amount
    declined_1: Amount = 0.0
    declined_0: Amount = 0.0


class Emp(StrictModel):
    """Parameters of the expected maximum profit of Verbraken et al. (2014), with that paper's values.

    The loss given an event is 0 with probability `p0`, total with `p1`, uniform between otherwise; `roi` is the return
    on a row without one.

    >>> Emp(p0=0.8, p1=0.3)
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... p0 and p1 add up to more than 1: 0.8 and 0.3...
    """

    p0: float = Field(default=0.55, ge=0.0, le=1.0)
    p1: float = Field(default=0.10, ge=0.0, le=1.0)
    roi: Amount = Field(default=0.2644, gt=0.0)

    @model_validator(mode="after")
    def _probabilities(self) -> Self:
        if self.p0 + self.p1 > 1.0:
            raise ValueError(f"p0 and p1 add up to more than 1: {self.p0} and {self.p1}")
        return self


class Grades(StrictModel):
    """How the scores of a classification are cut into grades, from the lowest probabilities to the highest.

    By `cut_offs`, the lowest probabilities of the second grade and of those after it; without them into `number` grades
    of equally many judged rows. A grade with fewer than `minimum_rows` rows is joined with the next one.

    >>> Grades(cut_offs=(0.05, 0.02))
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... cut_offs must rise: 0.05, 0.02...
    """

    number: int = Field(default=10, ge=2, le=50)
    cut_offs: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = Field(default=(), max_length=49)
    minimum_rows: Count = Field(default=100, ge=1)

    @field_validator("cut_offs")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in pairwise(value)):
            raise ValueError(f"cut_offs must rise: {', '.join(map(str, value))}")
        return value


class Judgement(StrictModel):
    """The metric and the rule that decide, and every threshold for a challenger.

    >>> Judgement(metric="brier").tolerance
    0.005
    >>> Judgement(metric="roc_auc", profit=Profit(accepted_1=-40.0, accepted_0=10.0))
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... profit needs a cut_off, which says which rows are accepted...
    """

    metric: str
    rule: Literal["record", "fresh", "sequential"] = "record"
    tolerated_loss: float | None = Field(default=None, ge=0.0, lt=1.0)
    """Rules `record` and `fresh`: see `MetricInfo.tolerated_loss`, which is the default."""
    minimum_gain: Amount = 0.0
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    horizon: int | None = Field(default=None, ge=1, le=120)
    """Rule `sequential`: so many looks at a reign for which less evidence is enough; none is always valid alike."""
    minimum_events: Count = Field(default=50, ge=1)
    """Of the holdout, rows of the rarer class; of a regression, rows. `minimum_new_events`: the same of a look."""
    minimum_new_events: Count = Field(default=20, ge=5)
    resamples: int = Field(default=1000, ge=100, le=100_000)
    floors: dict[str, Amount] = Field(default={})
    cut_off: CutOff | None = None
    grades: Grades = Grades()
    profit: Profit | None = None
    emp: Emp | None = None
    quantile: float | None = Field(default=None, gt=0.0, lt=1.0)
    checks: Checks = Checks()

    @field_validator("floors")
    @classmethod
    def _sorted_by_name(cls, value: dict[str, float]) -> dict[str, float]:
        """Checks report floors in their order, which the ledger does not keep."""
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _profit_needs_a_cut_off(self) -> Self:
        if self.profit and not self.cut_off:
            raise ValueError("profit needs a cut_off, which says which rows are accepted")
        return self

    @model_validator(mode="after")
    def _horizon_of_sequential(self) -> Self:
        if self.horizon is not None and self.rule != "sequential":
            raise ValueError(f"horizon: only the rule sequential has one, not the rule {self.rule}")
        return self

    def metrics(self, task: Task) -> list[str]:
        """Names of the metrics that can be computed for a model of this task under these settings."""
        own = {name: info.needs for name, info in METRICS.items() if info.task == task}
        return [name for name, needs in own.items() if not needs or getattr(self, needs) is not None]

    @property
    def benchmark_tolerance(self) -> float:
        """How much worse than the untuned benchmark a challenger may be, in the unit of `tolerance`."""
        given = self.checks.benchmark.tolerance
        return METRICS[self.metric].tolerated_loss / 10 if given is None else given

    @property
    def segment_tolerance(self) -> float:
        """What a challenger may lose in a segment, in the unit of `tolerance`."""
        given = self.checks.segments.tolerance
        return METRICS[self.metric].tolerated_loss * 2 if given is None else given

    @property
    def missing_loss(self) -> float:
        """What a challenger may lose where one feature is missing, in the unit of `tolerance`."""
        given = self.checks.missing_inputs.loss
        return METRICS[self.metric].tolerated_loss * 5 if given is None else given

    @property
    def tolerance(self) -> float:
        """The tolerated loss (rules `record`, `fresh`): in the metric's unit, or a share (see `METRICS`)."""
        return METRICS[self.metric].tolerated_loss if self.tolerated_loss is None else self.tolerated_loss

    @property
    def predicted_quantile(self) -> float | None:
        """The quantile that a model predicts; None where the deciding metric judges a mean or a probability."""
        return self.quantile if self.metric == "pinball" else None

    @property
    def greater_is_better(self) -> bool:
        """Whether a greater value of the deciding metric is better."""
        return METRICS[self.metric].greater_is_better
