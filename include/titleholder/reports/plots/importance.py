"""Permutation importance: how much worse the challenger's metric becomes when one feature is shuffled.

Sources: Breiman (2001), Random forests, Machine Learning 45, section 10; Fisher, Rudin & Dominici (2019), All models
are wrong, but many are useful, J. Mach. Learn. Res. 20 (for any model).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titleholder.formatting import metric, short
from titleholder.reports.plots.drawing import CHALLENGER, INK, Picture, picture, whiskers
from titleholder.spec.metrics import METRICS
from titleholder.validation import metrics
from titleholder.validation.changed_columns import predict_each
from titleholder.validation.evidence import Evidence, measurable
from titleholder.validation.metrics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPEATS = 5
ROWS = 5_000
"""At most so many of the judged rows, drawn at random."""
FEWEST = 500
BUDGET = 1_000_000
"""At most so many predictions in all: with many features there are fewer rows, though never fewer than `FEWEST`."""
SHOWN = 20


class FeatureImportance(NamedTuple):
    """The loss when a feature is shuffled: the mean of the repeats, their lowest and their highest."""

    feature: str
    loss: Interval


def importances(evidence: Evidence) -> list[FeatureImportance]:
    """Every feature of the challenger, the greatest loss first; none if nothing can be predicted or measured.

    The loss is in units of the spec's metric, positive where the metric becomes worse.
    """
    chosen = sample(evidence)
    if evidence.predict is None or not measurable(evidence.spec, evidence.y[chosen]):
        return []
    features = evidence.spec.columns.features
    rows = evidence.frame.take(chosen)[features].reset_index(drop=True)
    unshuffled = _metric(evidence, chosen, evidence.challenger[chosen])
    rng = np.random.default_rng(evidence.spec.training.seed)
    orders = np.concatenate([rng.permutation(len(rows)) for _ in range(REPEATS)])
    repeated = pd.concat([rows] * REPEATS, ignore_index=True)
    sign = 1 if METRICS[evidence.spec.judgement.metric].greater_is_better else -1
    shuffled = {feature: rows[feature].take(orders) for feature in features}
    found = []
    for feature, scores in predict_each(evidence.predict, repeated, shuffled):
        loss = [sign * (unshuffled - _metric(evidence, chosen, p)) for p in np.split(scores, REPEATS)]
        found.append(FeatureImportance(feature, Interval(float(np.mean(loss)), min(loss), max(loss))))
    return sorted(found, key=lambda i: (-i.loss.estimate, i.feature))


def sample(evidence: Evidence) -> NDArray[np.intp]:
    """Positions of the judged rows that are used, ascending: all of them if they are few."""
    features = max(len(evidence.spec.columns.features), 1)
    return evidence.sampled(min(ROWS, max(FEWEST, BUDGET // (REPEATS * features))))


def importance_picture(evidence: Evidence, found: Sequence[FeatureImportance]) -> Picture:
    """The features that matter most, with the range of the repeats."""
    shown = found[:SHOWN]
    at = np.arange(len(shown))
    name = metric(evidence.spec.judgement.metric)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.barh(at, [i.loss.estimate for i in shown], height=0.6, color=CHALLENGER, alpha=0.35)
        whiskers(axes, at, [i.loss for i in shown], horizontal=True, color=CHALLENGER, fmt="none")
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(at, [short(i.feature) for i in shown])
        axes.set(xlabel=f"{name}: loss when shuffled", ylim=(len(shown) - 0.4, -0.6))
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")

    caption = f"Loss of {name} when a feature is shuffled; the whiskers span {REPEATS} repeats."
    alt = f"Permutation importance; the most important are {', '.join(i.feature for i in shown[:3])}."
    return picture(alt, caption, draw, height=0.75 + 0.25 * len(shown))


def _metric(evidence: Evidence, rows: NDArray[np.intp], scores: metrics.Array) -> float:
    judgement = evidence.spec.judgement
    weights = None if evidence.weights is None else evidence.weights[rows]
    return metrics.compute(judgement.metric, evidence.y[rows], scores, judgement, weights)
