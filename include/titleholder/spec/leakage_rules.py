"""The thresholds of the checks for leakage, with their defaults; docs/checks.md explains each."""

from __future__ import annotations

from pydantic import Field, field_validator

from titleholder.spec.metrics import METRICS
from titleholder.spec.rule import Rule
from titleholder.spec.types import Amount, ColumnNames, Count, StrictModel


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

    ceilings: dict[str, Amount] = Field(default={"roc_auc": 0.90, "r2": 0.90})

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


class Acknowledged(StrictModel):
    """What a person has looked into and found honest: features, and the champion over which a large gain is.

    A gain over any other champion is judged as before, so that an acknowledgement ends with the reign.

    >>> Acknowledged(features=("bureau_score",), gain_over=3).gain_over
    3
    """

    features: ColumnNames = ()
    gain_over: Count | None = Field(default=None, ge=1)


class Plausible(Rule):
    """Gain, rise of a feature and strength of a new feature are no larger than the progress of honest models.

    In ROC AUC or R2, whatever metric decides: these depend neither on the event rate nor on the target's unit, so one
    table serves every metric. A gain of 0.05 in ROC AUC is one of 0.10 in Gini. `gain_*`: over the champion. `rise_*`:
    of a feature alone, from the older half of the training rows to the judged rows. `new_feature_*`: of a feature alone
    that the champion does not have. A failure keeps a winner from being promoted without a person; what a person has
    found honest is named in `acknowledged`.

    >>> Plausible(gain_gini=0.1)
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... Extra inputs are not permitted...
    """

    gain_roc_auc: Amount = Field(default=0.05, gt=0.0)
    gain_r2: Amount = Field(default=0.10, gt=0.0)
    rise_roc_auc: Amount = Field(default=0.10, gt=0.0)
    rise_r2: Amount = Field(default=0.20, gt=0.0)
    new_feature_roc_auc: float = Field(default=0.72, gt=0.5, le=1.0)
    new_feature_r2: float = Field(default=0.50, gt=0.0, le=1.0)
    acknowledged: Acknowledged = Acknowledged()
