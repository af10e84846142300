"""The catalogue of metrics: task, direction, and the loss that is tolerated by default."""

from __future__ import annotations

from typing import Literal, NamedTuple

Task = Literal["classification", "regression"]


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
