"""The thresholds for a challenger: the metric and the rule that decide, and the thresholds of every check.

Every threshold is here, with its default; the documentation explains each.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from titleholder.spec.types import StrictModel

Task = Literal["classification", "regression"]
Severity = Literal["block", "warn", "off"]
CHECKS_PAGE = "docs/checks.md"


def docs_url(code: str, title: str) -> str:
    """The address of a check's section in the documentation, relative to the repository.

    >>> docs_url("TH301", "Gain sufficient")
    'docs/checks.md#th301-gain-sufficient'
    """
    heading = re.sub(r"[^\w\- ]", "", f"{code} {title}".lower())
    return f"{CHECKS_PAGE}#{heading.replace(' ', '-')}"


class MetricInfo(NamedTuple):
    """Properties of a metric; `titleholder.validation.metrics` computes it.

    >>> [name for name, info in METRICS.items() if info.needs]
    ['profit', 'emp', 'pinball']
    """

    task: Task
    greater_is_better: bool
    tolerated_loss: float
    """The default of `judgement.tolerated_loss`: what 0.01 of ROC AUC is worth in this metric, or one per cent."""
    relative: bool = False
    """Whether that loss is a share of the champion's metric, not an amount in the metric's unit."""
    needs: str | None = None
    """The key of `judgement` that the metric cannot be computed without."""


METRICS: dict[str, MetricInfo] = {
    "roc_auc": MetricInfo("classification", True, 0.01),
    "gini": MetricInfo("classification", True, 0.02),
    "ks": MetricInfo("classification", True, 0.015),
    "pr_auc": MetricInfo("classification", True, 0.05, relative=True),
    "brier": MetricInfo("classification", False, 0.005, relative=True),
    "log_loss": MetricInfo("classification", False, 0.0075, relative=True),
    "profit": MetricInfo("classification", True, 0.01, relative=True, needs="profit"),
    "emp": MetricInfo("classification", True, 0.01, relative=True, needs="emp"),
    "rmse": MetricInfo("regression", False, 0.01, relative=True),
    "mae": MetricInfo("regression", False, 0.01, relative=True),
    "r2": MetricInfo("regression", True, 0.01),
    "pinball": MetricInfo("regression", False, 0.01, relative=True, needs="quantile"),
}
"""Every metric. The tolerated losses of the classification's are those of two binormal scores with ROC AUC 0.70 and
0.69 at 6 % events; at 20 % they are 0.015 (KS), 3.4 % (PR AUC), 1.0 % (Brier) and 0.9 % (log loss)."""


class CutOff(StrictModel):
    """How a score becomes a decision about a row: `{accept: below, score: 0.12}` or `{accept: below, share: 0.8}`.

    With `share` each model accepts that share of the judged rows, its best ones.

    >>> CutOff(accept="below", share=0.8).share
    0.8
    """

    accept: Literal["below", "above"]
    score: float | None = None
    share: float | None = Field(default=None, gt=0.0, lt=1.0)

    @model_validator(mode="after")
    def _score_or_share(self) -> Self:
        if (self.score is None) == (self.share is None):
            raise ValueError("give either score or share")
        return self


class Profit(StrictModel):
    """The value of a row, by its answer (accepted or declined at the cut-off) and its outcome (target 1 or 0)."""

    accepted_1: float
    accepted_0: float
    declined_1: float = 0.0
    declined_0: float = 0.0


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
    roi: float = Field(default=0.2644, gt=0.0)

    @model_validator(mode="after")
    def _probabilities(self) -> Self:
        if self.p0 + self.p1 > 1.0:
            raise ValueError(f"p0 and p1 add up to more than 1: {self.p0} and {self.p1}")
        return self


class Rule(StrictModel):
    """Settings of a check. `block`: a challenger that fails cannot win; `warn`: only a warning; `off`: not run.

    >>> Rule(severity=False).severity  # a bare `off` in YAML
    'off'
    """

    severity: Severity = "block"

    @field_validator("severity", mode="before")
    @classmethod
    def _off_without_quotes(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare `off` as false


class Baseline(Rule):
    """Better than a constant, by more than this (in the metric's units, shown by its interval)."""

    minimum_gain: float = Field(default=0.0, ge=0.0)


class CalibrationRule(Rule):
    """Observed over expected within [1 / (1 + t), 1 + t]; the calibration slope between its bounds.

    A measure beyond its bounds does no harm unless it is shown to be further from 1 than the champion's by more than
    `tolerance`, a difference of logarithms.

    >>> 1 / (1 + CalibrationRule().observed_expected), 1 + CalibrationRule().observed_expected
    (0.8, 1.25)
    """

    observed_expected: float = Field(default=0.25, gt=0.0)
    slope_low: float = Field(default=0.7, gt=0.0, lt=1.0)
    slope_high: float = Field(default=1.5, gt=1.0)
    tolerance: float = Field(default=0.1, ge=0.0)


class Cohorts(Rule):
    """Observed over expected within [1 / (1 + t), 1 + t] in each calendar month or quarter with enough events.

    >>> Cohorts().severity
    'warn'
    """

    severity: Severity = "warn"
    period: Literal["month", "quarter"] = "month"
    observed_expected: float = Field(default=0.5, gt=0.0)
    minimum_events: int = Field(default=30, ge=2)


class ChampionFloors(Rule):
    """The champion itself on the judged rows against `floors`: a warning that it is no longer good enough."""

    severity: Severity = "warn"


class Segments(Rule):
    """No segment with enough events is shown to lose more than this, in the metric's units."""

    tolerance: float = Field(default=0.02, ge=0.0)
    minimum_events: int = Field(default=30, ge=2)


class ProfitRule(Rule):
    """Profit a row at the cut-off is not shown to fall by more than this."""

    tolerance: float = Field(default=0.0, ge=0.0)


class SwapSet(Rule):
    """Rows that only the challenger accepts are not shown to do worse than those that only the champion accepts.

    `tolerance` is a difference of event rates (classification) or of mean outcomes (regression).
    """

    tolerance: float = Field(default=0.0, ge=0.0)
    minimum_rows: int = Field(default=30, ge=2)


class Stability(Rule):
    """The population stability index of the scores is not shown to exceed this.

    >>> Checks().drift == Checks().shift
    True
    """

    severity: Severity = "warn"
    psi: float = Field(default=0.25, gt=0.0)
    bins: int = Field(default=10, ge=2, le=100)


class TooGood(Rule):
    """A metric beyond its ceiling is more likely a leak than a success. Only the task's own metrics count.

    Point estimates are judged: an honest model is so far from the ceiling that chance does not take it there. Models of
    consumer credit reach ROC AUC 0.65 to 0.85 (Lessmann et al. 2015, European Journal of Operational Research 247).
    ROC AUC 0.90 is Gini 0.80 and, of binormal scores, KS 0.64; every classification has a ROC AUC, so these need no
    ceiling of their own. PR AUC, Brier score and log loss have none because they depend on the event rate, errors and
    profits because they depend on the target's unit.

    >>> TooGood(ceilings={"gini": 0.8}).ceilings  # in place of the default ones
    {'gini': 0.8}
    """

    ceilings: dict[str, float] = Field(default={"roc_auc": 0.90, "r2": 0.90})

    @field_validator("ceilings")
    @classmethod
    def _of_known_metrics(cls, value: dict[str, float]) -> dict[str, float]:
        if unknown := [name for name in value if name not in METRICS]:
            raise ValueError(f"no metric {', '.join(map(repr, unknown))}; valid: {', '.join(METRICS)}")
        return value


class SingleFeature(Rule):
    """No feature alone reaches this, by the point estimate (either direction).

    >>> SingleFeature(roc_auc=0.5)
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... Input should be greater than 0.5...
    """

    roc_auc: float = Field(default=0.80, gt=0.5, le=1.0)
    r2: float = Field(default=0.80, gt=0.0, le=1.0)


class Plausible(Rule):
    """Gain, rise of a feature and strength of a new feature are no larger than the progress of honest models.

    In ROC AUC or R2, whatever metric decides: these depend neither on the event rate nor on the target's unit, so one
    table serves every metric. A gain of 0.05 in ROC AUC is one of 0.10 in Gini. `gain_*`: over the champion. `rise_*`:
    of a feature alone, from the older half of the training rows to the judged rows. `new_feature_*`: of a feature alone
    that the champion does not have. A failure keeps a winner from being promoted without a person.

    >>> Plausible(gain_gini=0.1)
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... Extra inputs are not permitted...
    """

    gain_roc_auc: float = Field(default=0.05, gt=0.0)
    gain_r2: float = Field(default=0.10, gt=0.0)
    rise_roc_auc: float = Field(default=0.10, gt=0.0)
    rise_r2: float = Field(default=0.20, gt=0.0)
    new_feature_roc_auc: float = Field(default=0.72, gt=0.5, le=1.0)
    new_feature_r2: float = Field(default=0.50, gt=0.0, le=1.0)


class Fairness(Rule):
    """In each protected column, the lowest acceptance rate of a group over the highest is not shown below this."""

    severity: Severity = "warn"
    ratio: float = Field(default=0.8, gt=0.0, le=1.0)
    minimum_rows: int = Field(default=50, ge=2)


class Monotone(Rule):
    """Columns declared increasing or decreasing are so in the fitted model, on this many rows and points.

    >>> Monotone().rows * Monotone().points  # predictions for each declared column
    4000
    """

    rows: int = Field(default=200, ge=1, le=10_000)
    points: int = Field(default=20, ge=2, le=200)
    tolerance: float = Field(default=1e-9, ge=0.0)


class Signature(Rule):
    """The challenger requires no input from its consumers that the champion does not require."""


class Reload(Rule):
    """Predictions of the model read back from the registry, against those recorded when it was trained."""

    tolerance: float = Field(default=1e-12, ge=0.0)


class Checks(StrictModel):
    """The settings of every check that has any.

    >>> [key for key, rule in Checks() if rule.severity == "warn"]
    ['cohorts', 'champion_floors', 'drift', 'shift', 'fairness']
    """

    baseline: Baseline = Baseline()
    calibration: CalibrationRule = CalibrationRule()
    cohorts: Cohorts = Cohorts()
    champion_floors: ChampionFloors = ChampionFloors()
    segments: Segments = Segments()
    profit: ProfitRule = ProfitRule()
    swap_set: SwapSet = SwapSet()
    drift: Stability = Stability()
    shift: Stability = Stability()
    too_good: TooGood = TooGood()
    single_feature: SingleFeature = SingleFeature()
    plausible: Plausible = Plausible()
    fairness: Fairness = Fairness()
    monotone: Monotone = Monotone()
    signature: Signature = Signature()
    reload: Reload = Reload()


class Judgement(StrictModel):
    """The metric and the rule that decide, and every threshold for a challenger.

    >>> Judgement(metric="brier").loss_limit(champion=0.08)
    0.0004
    >>> Judgement(metric="roc_auc", profit=Profit(accepted_1=-40.0, accepted_0=10.0))
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... profit needs a cut_off: who is accepted?...
    """

    metric: str
    rule: Literal["fresh", "sequential"] = "fresh"
    tolerated_loss: float | None = Field(default=None, ge=0.0)
    """Rule `fresh`: see `MetricInfo.tolerated_loss`, which is the default."""
    minimum_gain: float = 0.0
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    minimum_events: int = Field(default=50, ge=1)
    minimum_new_events: int = Field(default=20, ge=5)
    resamples: int = Field(default=1000, ge=100, le=100_000)
    floors: dict[str, float] = Field(default={})
    cut_off: CutOff | None = None
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
            raise ValueError("profit needs a cut_off: who is accepted?")
        return self

    def metrics(self, task: Task) -> list[str]:
        """Names of the metrics that can be computed for a model of this task under these settings."""
        own = {name: info.needs for name, info in METRICS.items() if info.task == task}
        return [name for name, needs in own.items() if not needs or getattr(self, needs) is not None]

    def loss_limit(self, champion: float) -> float:
        """The tolerated loss in the deciding metric's unit, for a champion with this metric."""
        return self.tolerance * abs(champion) if METRICS[self.metric].relative else self.tolerance

    @property
    def tolerance(self) -> float:
        """The tolerated loss of the rule `fresh`: in the metric's unit, or as a share of the champion's metric."""
        return METRICS[self.metric].tolerated_loss if self.tolerated_loss is None else self.tolerated_loss

    @property
    def greater_is_better(self) -> bool:
        """Whether a greater value of the deciding metric is better."""
        return METRICS[self.metric].greater_is_better
