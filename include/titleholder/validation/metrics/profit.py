"""Who is accepted at a cut-off, and what that is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from titleholder.spec.criteria import CutOff, Emp, Profit
from titleholder.validation.metrics.curves import Counts
from titleholder.validation.metrics.inputs import Array, Sample


def accepted(cut_off: CutOff, p: Array) -> NDArray[np.bool_]:
    """Which rows are accepted, shape (n,).

    `below` a score: those strictly below; `above`: those at or above it. With a share: that share of the rows, to the
    nearest whole row (halves up), the lowest scores for `below` and the highest for `above`; of equal scores the
    earlier rows.
    """
    if cut_off.score is not None:
        return p < cut_off.score if cut_off.accept == "below" else p >= cut_off.score
    taken = int(np.floor((cut_off.share or 0.0) * len(p) + 0.5))
    best_first = np.argsort(p if cut_off.accept == "below" else -p, kind="stable")
    answer = np.zeros(len(p), dtype=bool)
    answer[best_first[:taken]] = True
    return answer


def amounts(terms: Profit, cut_off: CutOff, y: Array, p: Array) -> Array:
    """What each row is worth, by what is answered and what happened, in the unit of `terms`; shape (n,)."""
    if_accepted = np.where(y == 1, terms.accepted_1, terms.accepted_0)
    if_declined = np.where(y == 1, terms.declined_1, terms.declined_0)
    return np.where(accepted(cut_off, p), if_accepted, if_declined)


def at_stake(terms: Profit, sample: Sample) -> float:
    """What the answer about a row is worth on average: the mean of |accepted - declined|, weighted; never negative.

    An amount that is added to what accepted and declined rows are worth changes nothing.
    """
    of_events, of_others = abs(terms.accepted_1 - terms.declined_1), abs(terms.accepted_0 - terms.declined_0)
    return float(np.average(np.where(sample.y == 1, of_events, of_others), weights=sample.weights))


def expected_maximum(terms: Emp, counts: Counts) -> Array:
    """Expected maximum profit over accepting everybody, as a share of the amount of an average row; shape (B,).

    The higher the score the likelier an event, so rows are declined from the highest score down. Each edge of the ROC
    curve's convex hull is worth declining once the loss given an event exceeds what its other rows earn, whatever is
    done about the others: the expectation is a sum over edges. NaN where there are no rows.

    Source: Verbraken, Bravo, Weber & Baesens (2014), Development and application of consumer credit scoring models
    using profit-based classification measures, European Journal of Operational Research 238(2). The hull by
    pooling adjacent violators: Fawcett & Niculescu-Mizil (2007), PAV and the ROC convex hull, Machine Learning 68(1).
    """
    return np.array([_over_edges(terms, *_edges(*row)) for row in zip(*counts, strict=True)])


def _edges(events: Array, below: Array, through: Array, others: Array) -> tuple[Array, Array]:
    """Shares of all rows that are events, and that are not, by edge of the convex hull; each of shape (edges,)."""
    passed = np.append(np.stack([below, through], axis=1).ravel(), others)
    good = np.diff(passed, prepend=0)
    bad = np.append(np.stack([np.zeros_like(events), events], axis=1).ravel(), 0)
    size = bad + good
    bad, good, size = (values[size > 0] for values in (bad, good, size))
    if not len(size):
        return np.array([np.nan]), np.array([np.nan])
    starts = isotonic_regression(bad / size, weights=size).blocks[:-1]
    return np.add.reduceat(bad, starts) / size.sum(), np.add.reduceat(good, starts) / size.sum()


def _over_edges(terms: Emp, bad: Array, good: Array) -> float:
    with np.errstate(divide="ignore"):
        price = np.minimum(terms.roi * good / bad, 1.0)
    uniform = bad * (1 - price**2) / 2 - terms.roi * good * (1 - price)
    total = np.maximum(bad - terms.roi * good, 0.0)
    return float(((1 - terms.p0 - terms.p1) * uniform + terms.p1 * total).sum())
