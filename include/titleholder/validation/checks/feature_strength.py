"""How well one feature alone predicts the outcome of some rows: in ROC AUC in either direction, or in R2."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from titleholder.data import features
from titleholder.spec.cadence import cadence
from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.checks.design import judged_facts, training_features
from titleholder.validation.checks.groups import as_text
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Estimation, Interval, Sample


class KnownOutcomes(NamedTuple):
    """The outcomes and weights of some rows; `feature` gives a column of their design matrix by its name.

    >>> frame = pd.DataFrame({"amount": [1.0, 2.0]})
    >>> rows = KnownOutcomes(frame.__getitem__, Sample(np.array([0.0, 1.0]), np.array([1.0, 3.0])))
    >>> rows.joined(rows).sample.weights, rows.joined(rows).feature("amount").tolist()
    (array([1., 3., 1., 3.]), [1.0, 2.0, 1.0, 2.0])
    >>> rows.joined(KnownOutcomes(rows.feature, Sample(rows.sample.y))).sample.weights is None
    True
    """

    feature: Callable[[str], pd.Series]
    sample: Sample

    @classmethod
    def of_holdout(cls, evidence: Evidence) -> KnownOutcomes:
        """Those of the judged rows."""
        frame, spec = evidence.frame, evidence.spec  # not the evidence, whose memo will have this
        return cls(lambda name: features.feature(frame, name, spec), evidence.sample)

    @classmethod
    def of_training(cls, evidence: Evidence) -> KnownOutcomes | None:
        """Those of the training rows; None where there are none."""
        spec, training = evidence.spec, evidence.training
        if training is None or not len(training.y):
            return None
        sample = Sample(training.y, features.weights(training.frame, spec))
        return cls(training_features(evidence, training).__getitem__, sample)

    def at(self, rows: NDArray[np.bool_]) -> KnownOutcomes:
        """The same of some rows."""
        return KnownOutcomes(lambda name: self.feature(name)[rows], self.sample.at(rows))

    def joined(self, other: KnownOutcomes) -> KnownOutcomes:
        """These rows and others together."""
        y = np.r_[self.sample.y, other.sample.y]
        mine, theirs = self.sample.weights, other.sample.weights
        weights = None if mine is None or theirs is None else np.r_[mine, theirs]
        return KnownOutcomes(
            lambda name: pd.concat([self.feature(name), other.feature(name)], ignore_index=True), Sample(y, weights)
        )


def delivery_period(spec: ModelSpec) -> Literal["week", "month"]:
    """By which the delivery of a feature is looked at: weeks of a daily or weekly model, else months."""
    return "week" if cadence(spec.schedule).noun in ("day", "week") else "month"


class Delivery(NamedTuple):
    """Which training rows lie in periods in which a feature was delivered, shape (n,).

    It was not in a period that has fewer than half as many values as the judged rows have, of thirty or more expected.
    """

    rows: NDArray[np.bool_]
    missed: int
    """Periods of the training rows in which it was not delivered."""
    began: bool
    """Whether it was not in the first of them that has rows enough to say."""

    @classmethod
    def of(cls, evidence: Evidence, feature: str) -> Delivery | None:
        """That of a feature; None where there are no training rows."""
        return evidence.once(("delivery", feature), lambda: cls._of(evidence, feature))

    @classmethod
    def _of(cls, evidence: Evidence, feature: str) -> Delivery | None:
        if evidence.training is None or not len(evidence.training.y):
            return None
        frame = evidence.training.frame
        present = frame[feature].notna()
        if present.all():
            return cls(present.to_numpy(), 0, began=False)
        time = frame[evidence.spec.columns.event_time]
        frequency = delivery_period(evidence.spec)[0].upper()
        number = time.dt.tz_localize(None).dt.to_period(frequency).astype("int64").to_numpy()
        values = present.groupby(number).agg(["sum", "size"])
        judged = len(evidence.frame)
        expected = values["size"] * ((judged - judged_facts(evidence, feature).missing) / judged)
        known = expected >= 30
        missed = values.index[known & (values["sum"] < expected / 2)]
        return cls(~np.isin(number, missed), len(missed), began=bool(known.any()) and values.index[known][0] in missed)


class FeatureStrength:
    """The metric of each feature alone on some rows: `roc_auc` of a classification, `r2` of a regression.

    A number is its own score, a category has the mean outcome of its training rows (of all of them, where it has none):
    without training rows, categories are left out. Missing numbers are the lowest; of a regression, a value of their
    own. The ROC AUC is that of whichever direction predicts better, so it is at least 0.5.
    """

    def __init__(self, spec: ModelSpec, rows: KnownOutcomes, training: KnownOutcomes | None) -> None:
        self._spec, self._rows, self._training = spec, rows, training
        self._classification = spec.task == "classification"
        self.metric = "roc_auc" if self._classification else "r2"
        self.features = (*spec.columns.numeric, *(spec.columns.categorical if training else ()))
        self._known: dict[str, float] = {}

    @classmethod
    def on_holdout(cls, evidence: Evidence) -> FeatureStrength:
        """That on the judged rows."""
        rows, training = KnownOutcomes.of_holdout, KnownOutcomes.of_training
        return evidence.once("strength on holdout", lambda: cls(evidence.spec, rows(evidence), training(evidence)))

    @classmethod
    def on_older_half(cls, evidence: Evidence, of: NDArray[np.bool_] | None = None) -> FeatureStrength | None:
        """That on the older half of the training rows, where their outcomes differ; a leak may have begun since.

        Of some of the training rows, where `of` names them.
        """
        return evidence.once(("strength on older half", _key(of)), lambda: cls._on_older_half(evidence, of))

    @classmethod
    def _on_older_half(cls, evidence: Evidence, of: NDArray[np.bool_] | None) -> FeatureStrength | None:
        training, known = evidence.training, KnownOutcomes.of_training(evidence)
        if training is None or known is None:
            return None
        time = training.frame[evidence.spec.columns.event_time]
        chosen = np.ones(len(time), dtype=bool) if of is None else of
        older = known.at(chosen & (time <= time[chosen].median()).to_numpy())
        return cls(evidence.spec, older, known) if len(older.sample.y) and np.ptp(older.sample.y) > 0 else None

    @classmethod
    def on_all_rows(cls, evidence: Evidence, of: NDArray[np.bool_] | None = None) -> FeatureStrength:
        """That on the training rows, or some of them, and the judged rows together."""
        return evidence.once(("strength on all rows", _key(of)), lambda: cls._on_all_rows(evidence, of))

    @classmethod
    def _on_all_rows(cls, evidence: Evidence, of: NDArray[np.bool_] | None) -> FeatureStrength:
        holdout, training = KnownOutcomes.of_holdout(evidence), KnownOutcomes.of_training(evidence)
        if training is None:
            return cls(evidence.spec, holdout, None)
        chosen = training if of is None else training.at(of)
        return cls(evidence.spec, chosen.joined(holdout), training)

    def values(self, names: Iterable[str] | None = None) -> dict[str, float]:
        """The metric of these features, of all unless they are given; the largest first."""
        found = {f: self.value(f) for f in (self.features if names is None else names)}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def value(self, feature: str) -> float:
        """The metric of one feature, computed once; its scores, one for each row, are not kept."""
        if feature not in self._known:
            self._known[feature] = self._value(self._scores(feature))
        return self._known[feature]

    def interval(self, feature: str, confidence: float) -> Interval:
        """The same with its interval."""
        return metrics.interval(
            self.metric, self._rows.sample, self._scores(feature), Estimation.of(self._spec, confidence)
        )

    def _value(self, scores: Array) -> float:
        return metrics.compute(self.metric, self._rows.sample.y, scores, weights=self._rows.sample.weights)

    def _scores(self, feature: str) -> Array:
        x, known = self._rows.feature(feature), self._training
        numeric = feature in self._spec.columns.numeric
        values = x.to_numpy(dtype=np.float64) if numeric or known is None else _category_means(known, feature, x)
        if not self._classification:
            return _line(values, self._rows.sample)
        ranks = np.asarray(stats.rankdata(np.where(np.isnan(values), -np.inf, values)) / len(values))
        return 1 - ranks if self._value(ranks) < 0.5 else ranks


def _key(rows: NDArray[np.bool_] | None) -> bytes | None:
    return None if rows is None else rows.tobytes()


def _category_means(known: KnownOutcomes, feature: str, values: pd.Series) -> Array:
    """The mean outcome of the training rows that have each row's category."""
    y, weights = known.sample.y, known.sample.weights
    w = np.ones(len(y)) if weights is None else weights
    sums = pd.DataFrame({"value": as_text(known.feature(feature)), "w": w, "wy": w * y}).groupby("value").sum()
    overall = sums["wy"].sum() / sums["w"].sum()
    return as_text(values).map(sums["wy"] / sums["w"]).fillna(overall).to_numpy(dtype=np.float64)


def _line(x: Array, sample: Sample) -> Array:
    """Least squares of the outcomes on `x`, with a mean of its own where `x` is not a finite number.

    The share of variance that it explains is the squared correlation where all are.
    """
    y = sample.y
    w = np.ones(len(y)) if sample.weights is None else sample.weights
    fitted, known = np.empty(len(y)), np.isfinite(x)
    for rows in (known, ~known):
        if rows.any():
            fitted[rows] = np.average(y[rows], weights=w[rows])
    if known.any() and np.ptp(x[known]) > 0:
        centred = x[known] - np.average(x[known], weights=w[known])
        fitted[known] += centred * (w[known] * centred * y[known]).sum() / (w[known] * centred**2).sum()
    return fitted
