"""Does the model know anything at all?"""

from __future__ import annotations

import numpy as np

from titleholder.data import features
from titleholder.validation.checks import means, measured
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding
from titleholder.validation.evidence import Array, Evidence

RANKING = frozenset({"roc_auc", "gini", "ks", "pr_auc", "emp", "profit"})
"""Metrics by which a constant has no meaning, or hardly any: these are judged by the order of the scores."""
RANDOM = 0.5
"""ROC AUC of an order by chance."""


def _beats_baseline(evidence: Evidence) -> Finding:
    """Passes when the lower bound of the gain over a trivial model exceeds `minimum_gain`.

    The trivial model is an order by chance for metrics of ranking (in ROC AUC), else the constant that the metric likes
    best on the training rows: their mean, for `mae` their median, for `pinball` their quantile. Where those rows are
    not at hand, the constant of the judged rows, which is harder to beat.
    """
    if not evidence.measurable:
        return NOT_MEASURABLE
    judgement = evidence.spec.judgement
    minimum = judgement.checks.baseline.minimum_gain
    if judgement.metric in RANKING:
        metric, trivial = "roc_auc", RANDOM
        area = measured.interval(evidence, metric, evidence.challenger)
        gain, lower, upper = area.estimate - RANDOM, area.lower - RANDOM, area.upper - RANDOM
    else:
        metric, trivial = judgement.metric, _constant(evidence)
        won = measured.gain(evidence, metric, np.full(len(evidence.y), trivial))
        gain, lower, upper = won.estimate, won.lower, won.upper
    against = "an order by chance" if judgement.metric in RANKING else f"the constant {trivial:.4f}"
    return Finding(
        "pass" if lower > minimum else "fail",
        f"{metric}: gain {gain:+.4f} [{lower:+.4f}, {upper:+.4f}] over {against}; "
        f"the lower bound must exceed {minimum:g}.",
        {"gain": gain, "lower": lower, "upper": upper, "baseline": trivial, "minimum": minimum},
    )


def _constant(evidence: Evidence) -> float:
    spec, seen = evidence.spec, evidence.training
    y: Array = evidence.y if seen is None else seen.y
    weights = evidence.weights if seen is None else features.weights(seen.frame, spec)
    share = {"mae": 0.5, "pinball": spec.judgement.quantile}.get(spec.judgement.metric)
    if share is None:
        return means.mean(y, weights)
    return float(np.quantile(y, share, weights=weights, method="inverted_cdf"))


beats_baseline = Check("TH202", "Beats a trivial baseline", _beats_baseline, "baseline")
