"""Are the features still distributed, and as often missing, as they were in training?"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.design import judged_facts, judged_feature, training_features
from titleholder.validation.checks.groups import adjusted_confidence, group_numbers, shown_or_estimated
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Interval, Psi

NO_TRAINING = not_applicable("There are no training rows to compare with.")


class MissingRate(NamedTuple):
    """A feature's share of missing values among training rows and judged rows, and the difference with its interval.

    >>> MissingRate(0.01, 0.2, Interval(0.19, 0.15, 0.23)).least_change
    0.15
    """

    before: float
    after: float
    change: Interval

    @property
    def least_change(self) -> float:
        """The smallest change in either direction that the interval allows; 0 where it allows none."""
        return max(self.change.lower, -self.change.upper, 0.0)


class _Compared(NamedTuple):
    """The design matrix of the training rows, and the confidence adjusted for the number of features."""

    training: pd.DataFrame
    confidence: float


def stability(evidence: Evidence) -> dict[str, Psi]:
    """Each feature's stability index from training rows to judged rows; what is shown to have moved most comes first.

    Intervals hold for all features together (Bonferroni). Missing values are a bin. Empty without rows of either kind.
    """
    known, bins = _compared(evidence), evidence.spec.judgement.checks.feature_drift.bins
    if known is None:
        return {}
    found = {
        str(name): metrics.psi(
            column.to_numpy(), judged_feature(evidence, str(name)).to_numpy(), bins=bins, confidence=known.confidence
        )
        for name, column in known.training.items()
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1].lower, -item[1].value)))


def missing_rates(evidence: Evidence) -> dict[str, MissingRate]:
    """Each feature's missing rate in training and now; what is shown to have changed most comes first.

    Intervals hold for all features together (Bonferroni). Empty without rows of either kind.
    """
    known = _compared(evidence)
    if known is None:
        return {}
    found, n, m = {}, len(known.training), len(evidence.frame)
    for name, column in known.training.items():
        before, after = int(column.isna().sum()), judged_facts(evidence, str(name)).missing
        change = metrics.difference_of_rates(after, m, before, n, confidence=known.confidence)
        found[str(name)] = MissingRate(before / n, after / m, change)
    return dict(sorted(found.items(), key=lambda item: (-item[1].least_change, -abs(item[1].change.estimate))))


def _compared(evidence: Evidence) -> _Compared | None:
    spec, training = evidence.spec, evidence.training
    if training is None or not len(training.frame) or not len(evidence.frame):
        return None
    return _Compared(
        training_features(evidence, training),
        adjusted_confidence(spec.judgement.confidence, len(spec.columns.features)),
    )


def _nothing_to_compare(evidence: Evidence) -> Finding:
    return NOT_MEASURABLE if evidence.training is not None else NO_TRAINING


def _feature_stability(evidence: Evidence) -> Finding:
    """Fails when a feature's stability index from training to judged rows is shown to exceed the threshold."""
    values, most = stability(evidence), evidence.spec.judgement.checks.feature_drift.psi
    if not values:
        return _nothing_to_compare(evidence)
    moved = [name for name, psi in values.items() if psi.lower > most]
    said = shown_or_estimated(
        {name: _moved(name, psi) for name, psi in values.items()},
        moved,
        [name for name, psi in values.items() if psi.value > most],
    )
    numbers = {"judged": len(values), "maximum": most, "moved": len(moved)}
    return found(
        bool(moved),
        f"Population stability index of {len(values)} features from training to holdout, shown to exceed {most:g}: "
        f"{said}.",
        {**numbers, **group_numbers({name: psi.interval for name, psi in values.items()}, "psi")},
    )


def _moved(name: str, psi: Psi) -> str:
    label, before, after = psi.most_moved
    return f"{name} {psi.interval.text()} ({label}: {before:.1%} to {after:.1%})"


def _missing(evidence: Evidence) -> Finding:
    """Fails when a feature's missing rate is shown to have changed by more than the threshold, in either direction."""
    values, most = missing_rates(evidence), evidence.spec.judgement.checks.missing_rates.change
    if not values:
        return _nothing_to_compare(evidence)
    jumps = [name for name, rate in values.items() if rate.least_change > most]
    said = shown_or_estimated(
        {name: _rate(name, rate) for name, rate in values.items()},
        jumps,
        [name for name, rate in values.items() if abs(rate.change.estimate) > most],
    )
    numbers = {"judged": len(values), "maximum": most, "changed": len(jumps)}
    return found(
        bool(jumps),
        f"Change of the share of missing values in {len(values)} features from training to holdout, shown to exceed "
        f"{most:.1%}: {said}.",
        {**numbers, **group_numbers({name: rate.change for name, rate in values.items()}, "missing_change")},
    )


def _rate(name: str, rate: MissingRate) -> str:
    return f"{name} {rate.before:.1%} to {rate.after:.1%} ({rate.change.text('+.4f')})"


feature_stability = Check(
    "TH403",
    "Features stable from training to holdout",
    _feature_stability,
    "feature_drift",
    depends_on="confidence",
    remedy="Find out whether the population or the source changed; leave out a feature that grows with time.",
)
feature_missing_rates = Check(
    "TH404",
    "Features as often missing as in training",
    _missing,
    "missing_rates",
    depends_on="confidence",
    remedy="Look at the source: the model has learned what a missing value meant.",
)
