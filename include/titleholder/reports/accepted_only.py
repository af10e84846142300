"""What is not known where only accepted rows have outcomes: rows without one, and what they could change.

Source: Manski (1989), Anatomy of the selection problem, Journal of Human Resources 24(3): bounds without assumptions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from titleholder.reports.plots.swap_set import acceptance_sets
from titleholder.validation import metrics
from titleholder.validation.evidence import Evidence, UnobservedRows
from titleholder.validation.metrics import Array


class EventRateBounds(NamedTuple):
    """Rows that some models accept, how many have no outcome, and the event rate if none or all of these had events."""

    name: str
    rows: int
    unobserved: int
    lowest: float
    highest: float

    @property
    def share(self) -> float:
        """The share of the rows that have no outcome; NaN without rows."""
        return self.unobserved / self.rows if self.rows else float("nan")


class Assumption(NamedTuple):
    """Both models' deciding metric under an assumption about the rows without outcomes, and the challenger's gain."""

    name: str
    rows: int
    challenger: float
    champion: float | None
    gain: float | None


def event_rate_bounds(evidence: Evidence) -> list[EventRateBounds]:
    """The groups of the swap-set among all rows of the judged period, accepted or not.

    None without a cut-off, or where every row has an outcome. Of a regression the bounds are NaN.
    """
    unseen, cut_off = evidence.unobserved, evidence.spec.judgement.cut_off
    if unseen is None or not len(unseen.challenger) or cut_off is None:
        return []
    challenger, champion = _all_scores(evidence, unseen)
    without, weights = _without_outcome(evidence, unseen), _all_weights(evidence, unseen)
    found = []
    for name, rows in acceptance_sets(cut_off, challenger, champion).items():
        bounds = [
            float(
                np.average(_filled(evidence, unseen, value)[rows], weights=None if weights is None else weights[rows])
            )
            if rows.any() and evidence.classification
            else float("nan")
            for value in (0.0, 1.0)
        ]
        found.append(EventRateBounds(name, int(rows.sum()), int((rows & without).sum()), *bounds))
    return found


def assumptions(evidence: Evidence) -> list[Assumption]:
    """The deciding metric on accepted rows, and on all rows if every other row had no event, or each had one.

    None where nothing can be measured, where every row has an outcome, and of a regression.
    """
    unseen = evidence.unobserved
    if unseen is None or not len(unseen.challenger) or not (evidence.classification and evidence.measurable):
        return []
    whole, weights = _all_scores(evidence, unseen), _all_weights(evidence, unseen)
    return [
        _assumption(
            evidence, "accepted rows only", evidence.y, (evidence.challenger, evidence.champion), evidence.weights
        ),
        _assumption(evidence, "no other row had an event", _filled(evidence, unseen, 0.0), whole, weights),
        _assumption(evidence, "every other row had an event", _filled(evidence, unseen, 1.0), whole, weights),
    ]


def _assumption(
    evidence: Evidence, name: str, y: Array, scores: tuple[Array, Array | None], weights: Array | None
) -> Assumption:
    judgement = evidence.spec.judgement
    own, theirs = scores
    challenger = metrics.compute(judgement.metric, y, own, judgement, weights)
    if theirs is None:
        return Assumption(name, len(y), challenger, None, None)
    champion = metrics.compute(judgement.metric, y, theirs, judgement, weights)
    gain = challenger - champion if judgement.greater_is_better else champion - challenger
    return Assumption(name, len(y), challenger, champion, gain)


def _all_scores(evidence: Evidence, unseen: UnobservedRows) -> tuple[Array, Array | None]:
    champion, theirs = evidence.champion, unseen.champion
    both = None if champion is None or theirs is None else np.append(champion, theirs)
    return np.append(evidence.challenger, unseen.challenger), both


def _all_weights(evidence: Evidence, unseen: UnobservedRows) -> Array | None:
    if evidence.weights is None or unseen.weights is None:
        return None
    return np.append(evidence.weights, unseen.weights)


def _filled(evidence: Evidence, unseen: UnobservedRows, value: float) -> Array:
    return np.append(evidence.y, np.full(len(unseen.challenger), value))


def _without_outcome(evidence: Evidence, unseen: UnobservedRows) -> np.ndarray:
    return np.arange(len(evidence.y) + len(unseen.challenger)) >= len(evidence.y)
