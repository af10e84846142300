"""The catalogue of metrics: task, direction, and the loss that is tolerated by default."""

from __future__ import annotations

import math
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
    share_of: Literal["the champion's metric", "the amounts at stake"] | None = None
    """What that loss is a share of; None where it is an amount in the metric's unit. A profit has no natural zero, so
    it is measured by what the answers about the judged rows are worth: the mean of |accepted - declined|."""
    needs: str | None = None
    """The key of `judgement` that the metric cannot be computed without."""
    lowest: float = 0.0
    highest: float = math.inf
    """What the metric can be at all, both ends included."""
    chance: float | None = None
    """What a model without any skill has, where that depends on nothing else."""

    @property
    def span(self) -> str:
        """What the metric can be, for people.

        >>> METRICS["roc_auc"].span, METRICS["rmse"].span, METRICS["r2"].span
        ('0 to 1', 'at least 0', 'at most 1')
        """
        if math.isinf(self.highest):
            return f"at least {self.lowest:g}"
        return f"at most {self.highest:g}" if math.isinf(self.lowest) else f"{self.lowest:g} to {self.highest:g}"


METRICS: dict[str, MetricInfo] = {
    "roc_auc": MetricInfo("classification", True, 0.01, highest=1.0, chance=0.5),
    "gini": MetricInfo("classification", True, 0.02, lowest=-1.0, highest=1.0, chance=0.0),
    "ks": MetricInfo("classification", True, 0.015, highest=1.0, chance=0.0),
    "pr_auc": MetricInfo("classification", True, 0.05, share_of="the champion's metric", highest=1.0),
    "brier": MetricInfo("classification", False, 0.005, share_of="the champion's metric", highest=1.0),
    "log_loss": MetricInfo("classification", False, 0.0075, share_of="the champion's metric"),
    "profit": MetricInfo(
        "classification", True, 0.004, share_of="the amounts at stake", needs="profit", lowest=-math.inf
    ),
    "emp": MetricInfo("classification", True, 0.01, share_of="the champion's metric", needs="emp"),
    "rmse": MetricInfo("regression", False, 0.01, share_of="the champion's metric"),
    "mae": MetricInfo("regression", False, 0.01, share_of="the champion's metric"),
    "r2": MetricInfo("regression", True, 0.01, lowest=-math.inf, highest=1.0, chance=0.0),
    "pinball": MetricInfo("regression", False, 0.01, share_of="the champion's metric", needs="quantile"),
}
"""Every metric. The tolerated losses of the classification's are those of two binormal scores with ROC AUC 0.70 and
0.69 at 6 % events; at 20 % they are 0.015 (KS), 3.4 % (PR AUC), 1.0 % (Brier) and 0.9 % (log loss). Of a
profit it is 0.37 % where 80 % are accepted and an event costs four times what another row earns; 0.14 % to 0.62 % where
it costs one to ten times as much and 50 % to 90 % are accepted."""
