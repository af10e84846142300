"""Is the challenger, or one feature alone, too good to be true?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from titleholder.data import features
from titleholder.spec.criteria import METRICS
from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.estimates import estimate_metric
from titleholder.validation.checks.groups import MOST, adjusted_confidence, as_text, group_numbers, listed
from titleholder.validation.evidence import Array, Evidence
from titleholder.validation.metrics import Interval


def _too_good(evidence: Evidence) -> Finding:
    """Fails when a metric is shown to lie beyond its ceiling: its whole interval does."""
    judgement, task = evidence.spec.judgement, evidence.spec.task
    ceilings = {n: c for n, c in judgement.checks.too_good.ceilings.items() if n in judgement.metrics(task)}
    if not ceilings:
        return not_applicable(f"The spec sets no ceiling for a metric of a {task}.")
    if not evidence.measurable:
        return NOT_MEASURABLE
    intervals = {name: estimate_metric(evidence, name, evidence.challenger) for name in ceilings}
    numbers: dict[str, float] = {}
    for name, interval in intervals.items():
        numbers |= {**interval.numbers(name), f"{name}_ceiling": ceilings[name]}
    values = ", ".join(f"{name} {interval.text()} (ceiling {ceilings[name]:g})" for name, interval in intervals.items())
    beyond = any(_beyond(name, interval, ceilings[name]) for name, interval in intervals.items())
    return found(beyond, f"On the holdout: {values}{', more likely a leak than a success' if beyond else ''}.", numbers)


def _beyond(name: str, interval: Interval, ceiling: float) -> bool:
    return interval.lower > ceiling if METRICS[name].greater_is_better else interval.upper < ceiling


def _single_feature(evidence: Evidence) -> Finding:
    """Fails when one feature alone is shown to reach the threshold on the judged rows.

    In ROC AUC in whichever direction, or in the share of variance that a straight line explains. A feature below the
    threshold needs no interval; the confidence of the others is adjusted for the number of all.
    """
    if not evidence.measurable or np.ptp(evidence.y) == 0:
        return NOT_MEASURABLE
    judgement = evidence.spec.judgement
    rule = judgement.checks.single_feature
    metric, threshold = ("roc_auc", rule.roc_auc) if evidence.classification else ("r2", rule.r2)
    values, suspects = _screened(evidence, metric, threshold)
    if not values:
        return not_applicable("Categories cannot be judged without training rows, and there is no other feature.")
    confidence = adjusted_confidence(judgement.confidence, len(values))
    intervals = {f: estimate_metric(evidence, metric, scores, confidence) for f, scores in suspects.items()}
    shown = [feature for feature, interval in intervals.items() if interval.lower >= threshold]
    first = dict(list(values.items())[:MOST])
    numbers = {"judged": len(values), "threshold": threshold, **{f"{f}:{metric}": v for f, v in first.items()}}
    named = listed([f"{f} {intervals[f].text()}" for f in shown]) + ", more likely a leak than a cause"
    nearest, value = next(iter(first.items()))
    none = f"none, nearest {nearest} {value:.4f}"
    sentence = f"Of {len(values)} features alone, shown to reach {metric} {threshold:g}: {named if shown else none}."
    return found(bool(shown), sentence, {**numbers, **group_numbers(intervals, metric)})


def _screened(evidence: Evidence, metric: str, threshold: float) -> tuple[dict[str, float], dict[str, Array]]:
    """The metric of each feature alone, the largest first, and the scores of those that reach the threshold."""
    values, suspects = {}, {}
    for feature, scores in _features_alone(evidence):
        value = metrics.compute(metric, evidence.y, scores, weights=evidence.weights)
        backwards = evidence.classification and value < 1 - value
        values[feature] = 1 - value if backwards else value
        if values[feature] >= threshold:
            suspects[feature] = 1 - scores if backwards else scores
    return dict(sorted(values.items(), key=lambda item: -item[1])), suspects


def _features_alone(evidence: Evidence) -> Iterator[tuple[str, Array]]:
    """Each feature with scores of the judged rows made of it alone, shape (n,).

    A number is its own score, a category has the mean outcome of its training rows (of all of them, where it has none):
    without training rows categories are left out. Missing numbers are the lowest, of a regression a value of their own.
    """
    X = features.design_matrix(evidence.frame, evidence.spec)
    for feature in evidence.spec.columns.numeric:
        yield feature, _scores(evidence, X[feature].to_numpy(dtype=np.float64))
    training = evidence.training
    if training is None or not len(training.y):
        return
    known = features.design_matrix(training.frame, evidence.spec)
    weights = features.weights(training.frame, evidence.spec)
    for feature in evidence.spec.columns.categorical:
        yield feature, _scores(evidence, _category_means(known[feature], training.y, weights, X[feature]))


def _category_means(known: pd.Series, y: Array, weights: Array | None, values: pd.Series) -> Array:
    """The mean outcome of the training rows, `known` and `y`, that have each row's category."""
    w = np.ones(len(y)) if weights is None else weights
    sums = pd.DataFrame({"value": as_text(known), "w": w, "wy": w * y}).groupby("value").sum()
    overall = sums["wy"].sum() / sums["w"].sum()
    return as_text(values).map(sums["wy"] / sums["w"]).fillna(overall).to_numpy(dtype=np.float64)


def _scores(evidence: Evidence, x: Array) -> Array:
    """Ranks over their number, or the straight line through the outcomes."""
    if not evidence.classification:
        return _line(x, evidence.y, evidence.weights)
    return np.asarray(stats.rankdata(np.where(np.isnan(x), -np.inf, x)) / len(x))


def _line(x: Array, y: Array, weights: Array | None) -> Array:
    """Least squares of `y` on `x`, with a mean of its own where `x` is not a finite number.

    The share of variance that it explains is the squared correlation where all are.
    """
    w = np.ones(len(y)) if weights is None else weights
    fitted, known = np.empty(len(y)), np.isfinite(x)
    for rows in (known, ~known):
        if rows.any():
            fitted[rows] = np.average(y[rows], weights=w[rows])
    if known.any() and np.ptp(x[known]) > 0:
        centred = x[known] - np.average(x[known], weights=w[known])
        fitted[known] += centred * (w[known] * centred * y[known]).sum() / (w[known] * centred**2).sum()
    return fitted


too_good = Check("TH501", "Not too good to be true", _too_good, "too_good", depends_on="confidence")
single_feature = Check(
    "TH502", "No feature alone explains it", _single_feature, "single_feature", depends_on="confidence"
)
