"""Who is accepted at a cut-off, and what that is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from titleholder.judgement import CutOff, Emp, Profit
from titleholder.metrics.curves import Counts
from titleholder.metrics.inputs import Array


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
    """What each row is worth, by what was answered and what happened; shape (n,)."""
    if_accepted = np.where(y == 1, terms.accepted_1, terms.accepted_0)
    if_declined = np.where(y == 1, terms.declined_1, terms.declined_0)
    return np.where(accepted(cut_off, p), if_accepted, if_declined)


def expected_maximum(terms: Emp, counts: Counts) -> Array:
    """Expected maximum profit per row, as a share of the amount lent; shape (B,).

    A higher score means likelier an event, so rows are declined from the highest score down. On the convex hull of the
    ROC curve every edge is declined when the loss given an event exceeds its own price, so that the expectation is a
    sum over edges; the hull is found by pooling adjacent violators.

    Source: Verbraken, Bravo, Weber & Baesens (2014), Development and application of consumer credit scoring models
    using profit-based classification measures, European Journal of Operational Research 238(2), equations 10 to 13.
    """
    return np.array([_one(terms, *row) for row in zip(*counts, strict=True)])


def _one(terms: Emp, events: Array, below: Array, through: Array, others: float) -> float:
    ends = np.stack([through, np.append(below[1:], others)], axis=1)
    starts = np.stack([below, through], axis=1)
    bad = np.stack([events, np.zeros_like(events)], axis=1).ravel()
    good = np.append(below[:1], (ends - starts).ravel())
    bad = np.append(0, bad)
    total = bad + good
    bad, good, total = (v[total > 0] for v in (bad, good, total))
    edges = isotonic_regression(bad / total, weights=total).blocks[:-1]
    size = total.sum()
    e, g = np.add.reduceat(bad, edges) / size, np.add.reduceat(good, edges) / size
    with np.errstate(divide="ignore"):
        price = terms.roi * g / e
    worth = price < 1
    e, g, price = e[worth], g[worth], price[worth]
    middling = (1 - terms.p0 - terms.p1) * (e * (1 - price**2) / 2 - terms.roi * g * (1 - price))
    return float((middling + terms.p1 * (e - terms.roi * g)).sum())
