"""Does every feature say anything: does it vary in the training rows, and does it still in the holdout?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.design import ColumnFacts, judged_facts, training_features
from titleholder.validation.checks.groups import adjusted_confidence, as_text, listed
from titleholder.validation.evidence import Evidence


class ConstantFeature(NamedTuple):
    """A feature that has one value in all training rows, or no longer varies in the holdout.

    >>> str(ConstantFeature("region", "north", in_training=True)), str(ConstantFeature("age", None, in_training=False))
    ('region (north in every training row)', 'age (missing in every row of the holdout)')
    """

    feature: str
    value: str | None
    in_training: bool

    def __str__(self) -> str:
        rows = "training row" if self.in_training else "row of the holdout"
        return f"{self.feature} ({'missing' if self.value is None else self.value} in every {rows})"


def constant_features(evidence: Evidence) -> list[ConstantFeature]:
    """The features that do not vary, in the spec's order; missing values count as a value.

    In the holdout, only those of which chance does not explain it: `_chance` must be below the error of the spec,
    adjusted for the number of features (Bonferroni). Empty without training rows.
    """
    spec, training = evidence.spec, evidence.training
    if training is None or not len(training.frame):
        return []
    before = training_features(evidence, training)
    return list(_constant(evidence, before, 1 - adjusted_confidence(spec.judgement.confidence, len(before.columns))))


def _constant(evidence: Evidence, before: pd.DataFrame, error: float) -> Iterator[ConstantFeature]:
    n = len(evidence.frame)
    for name in map(str, before):
        now = judged_facts(evidence, name)
        if ColumnFacts.of(before[name]).constant:
            yield ConstantFeature(name, _value(before[name]), in_training=True)
        elif now.constant and _chance(before[name], now.first.iloc[0], n) < error:
            yield ConstantFeature(name, _value(now.first), in_training=False)


def _chance(before: pd.Series, value: Any, n: int) -> float:
    """The probability that n rows have the same value, and one that is no more frequent in training than this one.

    An exact multinomial test with the shares of the training rows: the sum of q ** n over the values with such shares
    q. A value that training rows lack counts like one that a single row has.
    """
    shares = before.value_counts(normalize=True, dropna=False)
    same = before.isna() if pd.isna(value) else before == value
    own = max(float(same.mean()), 1 / len(before))
    unseen = 0.0 if same.any() else own**n
    return float((shares[shares <= own * (1 + 1e-9)] ** n).sum()) + unseen


def _value(column: pd.Series) -> str | None:
    return None if column.isna().iloc[0] else str(as_text(column.head(1)).iloc[0])


def _every_feature_varies(evidence: Evidence) -> Finding:
    """Fails when a feature has one value in all training rows, or no longer varies in the holdout."""
    training, count = evidence.training, len(evidence.spec.columns.features)
    if training is None or not len(training.frame):
        return not_applicable("There are no training rows.")
    if not len(evidence.frame):
        return NOT_MEASURABLE
    constant = constant_features(evidence)
    early = sum(one.in_training for one in constant)
    named = listed(list(map(str, constant))) or "none"
    return found(
        bool(constant),
        f"Of {count} features in {len(training.frame)} training rows and {len(evidence.frame)} of the holdout, "
        f"constant: {named}.",
        {"judged": count, "in_training": early, "in_holdout": len(constant) - early},
    )


every_feature_varies = Check(
    "TH405",
    "Every feature varies",
    _every_feature_varies,
    "constant_features",
    depends_on="confidence",
    remedy="Look at the join or the cast that fills it, or remove it from columns.",
)
