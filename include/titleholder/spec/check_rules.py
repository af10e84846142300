"""The thresholds of every check, with their defaults; docs/checks.md explains each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from titleholder.spec.leakage_rules import Plausible, SingleFeature, TooGood
from titleholder.spec.rule import Rule, Severity
from titleholder.spec.types import Amount, Count, StrictModel


class Baseline(Rule):
    """Better than a constant, by more than this (in the metric's units, shown by its interval)."""

    minimum_gain: Amount = Field(default=0.0, ge=0.0)


class CalibrationRule(Rule):
    """Observed over expected within [1 / (1 + t), 1 + t]; the calibration slope between its bounds.

    A measure beyond its bounds fails only if it is shown to be further from 1 than the champion's by more than
    `tolerance`, a difference of logarithms.

    >>> 1 / (1 + CalibrationRule().observed_expected), 1 + CalibrationRule().observed_expected
    (0.8, 1.25)
    """

    observed_expected: Amount = Field(default=0.25, gt=0.0)
    slope_low: float = Field(default=0.7, gt=0.0, lt=1.0)
    slope_high: Amount = Field(default=1.5, gt=1.0)
    tolerance: Amount = Field(default=0.1, ge=0.0)


class Cohorts(Rule):
    """Observed over expected within [1 / (1 + t), 1 + t] in each calendar period with enough events.

    By default the period of the schedule: a month where its ticks are uneven or there is none; of a daily or weekly
    model a longer one, up to a month, where none has enough events.

    >>> Cohorts().severity
    'warn'
    """

    severity: Severity = "warn"
    period: Literal["schedule", "day", "week", "month", "quarter", "year"] = "schedule"
    observed_expected: Amount = Field(default=0.5, gt=0.0)
    minimum_events: Count = Field(default=30, ge=2)


class ChampionFloors(Rule):
    """The champion itself on the judged rows against `floors`: a warning that it is no longer good enough."""

    severity: Severity = "warn"


class GradeCalibration(Rule):
    """The event rate of each grade is not shown to lie outside [p / (1 + t), p (1 + t)] of the mean prediction p.

    With a tolerance t of 0 that is the Jeffreys test of p itself.

    >>> GradeCalibration().severity
    'warn'
    """

    severity: Severity = "warn"
    observed_expected: Amount = Field(default=0.1, ge=0.0)


class GradeOrder(Rule):
    """From no grade to the next one is the event rate shown to fall by more than this."""

    severity: Severity = "warn"
    tolerance: float = Field(default=0.0, ge=0.0, lt=1.0)


class Benchmark(Rule):
    """Not shown to be worse than an untuned scorecard of the same rows by more than `tolerance`.

    In the metric's unit, or as a share of the challenger's metric where `tolerated_loss` is one; by default a tenth of
    the metric's default `tolerated_loss` (of ROC AUC 0.001).
    """

    severity: Severity = "warn"
    tolerance: float | None = Field(default=None, ge=0.0, lt=1.0)


class Segments(Rule):
    """No segment with enough events (of a regression: rows) is shown to lose more than `tolerance`.

    In the metric's unit, or as a share of the champion's metric in the segment where `tolerated_loss` is one; by
    default twice the metric's default `tolerated_loss`: of ROC AUC 0.02, of RMSE 2 %.
    """

    tolerance: Amount | None = Field(default=None, ge=0.0)
    minimum_events: Count = Field(default=30, ge=2)


class ProfitRule(Rule):
    """Profit a row at the cut-off is not shown to fall by more than this."""

    tolerance: Amount = Field(default=0.0, ge=0.0)


class SwapSet(Rule):
    """Rows that only the challenger accepts are not shown to do worse than those that only the champion accepts.

    `tolerance` is a difference of event rates (classification) or of mean outcomes (regression).
    """

    tolerance: Amount = Field(default=0.0, ge=0.0)
    minimum_rows: Count = Field(default=30, ge=2)


class Stability(Rule):
    """The population stability index of the scores is not shown to exceed this.

    >>> Checks().drift == Checks().shift
    True
    """

    severity: Severity = "warn"
    psi: Amount = Field(default=0.25, gt=0.0)
    bins: int = Field(default=10, ge=2, le=100)


class FeatureStability(Stability):
    """No feature's population stability index from training to holdout is shown to exceed this.

    >>> FeatureStability().psi
    0.25
    """


class MissingRates(Rule):
    """No feature's share of missing values is shown to have changed by more than this from training to holdout.

    >>> MissingRates(change=5)
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... Input should be less than 1...
    """

    severity: Severity = "warn"
    change: float = Field(default=0.05, gt=0.0, lt=1.0)


class ConstantFeatures(Rule):
    """No feature has one value, or none, in all training rows, or stopped varying in the holdout.

    >>> ConstantFeatures().severity
    'warn'
    """

    severity: Severity = "warn"


class Fairness(Rule):
    """In each protected column, the lowest acceptance rate of a group over the highest is not shown below this."""

    severity: Severity = "warn"
    ratio: float = Field(default=0.8, gt=0.0, le=1.0)
    minimum_rows: Count = Field(default=50, ge=2)


class Monotone(Rule):
    """Columns declared increasing or decreasing are so in the fitted model, on this many rows and points.

    >>> Monotone().rows * Monotone().points  # predictions for each declared column
    4000
    """

    rows: int = Field(default=200, ge=1, le=10_000)
    points: int = Field(default=20, ge=2, le=200)
    tolerance: Amount = Field(default=1e-9, ge=0.0)


class Signature(Rule):
    """The challenger requires no input from its consumers that the champion does not require."""


class Reload(Rule):
    """Predictions of the model read back from the registry, against those recorded when it was trained."""

    tolerance: Amount = Field(default=1e-12, ge=0.0)


class MissingInputs(Rule):
    """Rows that lack one feature get a score, and the metric is not shown to lose more than `loss` without it.

    In the metric's unit, or as a share of the challenger's metric where `tolerated_loss` is one; by default five times
    the metric's default `tolerated_loss` (of ROC AUC 0.05).
    """

    severity: Severity = "warn"
    loss: float | None = Field(default=None, gt=0.0, lt=1.0)


class SealedScoresRule(Rule):
    """Scores written before the outcomes are what the versions answer now, in all but this share of the rows.

    And the scores that are computed again are not shown to flatter the metric by more than `gain`, in its unit.

    >>> SealedScoresRule().severity
    'warn'
    """

    severity: Severity = "warn"
    share: float = Field(default=0.01, ge=0.0, lt=1.0)
    gain: Amount = Field(default=0.0, ge=0.0)


class SkewRule(Rule):
    """No feature was another when the rows were scored in more than this share of them.

    >>> SkewRule(share=0).share
    0.0
    """

    severity: Severity = "warn"
    share: float = Field(default=0.01, ge=0.0, lt=1.0)


class Checks(StrictModel):
    """The settings of every check that has any.

    >>> [key for key, rule in Checks() if rule.severity == "block"][:3]
    ['baseline', 'calibration', 'segments']
    """

    baseline: Baseline = Baseline()
    calibration: CalibrationRule = CalibrationRule()
    cohorts: Cohorts = Cohorts()
    champion_floors: ChampionFloors = ChampionFloors()
    grade_calibration: GradeCalibration = GradeCalibration()
    grade_order: GradeOrder = GradeOrder()
    benchmark: Benchmark = Benchmark()
    segments: Segments = Segments()
    profit: ProfitRule = ProfitRule()
    swap_set: SwapSet = SwapSet()
    drift: Stability = Stability()
    shift: Stability = Stability()
    feature_drift: FeatureStability = FeatureStability()
    missing_rates: MissingRates = MissingRates()
    constant_features: ConstantFeatures = ConstantFeatures()
    too_good: TooGood = TooGood()
    single_feature: SingleFeature = SingleFeature()
    plausible: Plausible = Plausible()
    fairness: Fairness = Fairness()
    monotone: Monotone = Monotone()
    signature: Signature = Signature()
    reload: Reload = Reload()
    missing_inputs: MissingInputs = MissingInputs()
    sealed_scores: SealedScoresRule = SealedScoresRule()
    skew: SkewRule = SkewRule()
