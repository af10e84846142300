"""E-values: evidence against "nothing has changed" that one may look at whenever one likes.

An e-value is a non-negative number whose mean is at most one while nothing has changed. All are given by their natural
logarithms. An *e-process* is a sequence of them that stays one whenever one stops; the chance that it ever reaches
1 / alpha is then at most alpha (Ville).

Evidence about one feature is such a process for those who know that feature alone. Who stops because of what another
feature shows knows more, and the process need not be one any more. `at_any_time` makes e-values of them that hold
whenever and for whatever reason one stops.

Sources: Wang & Ramdas (2022), False discovery rate control with e-values, J. R. Statist. Soc. B 84(3), for e-BH, which
holds whatever the dependence of the e-values; Shin, Ramdas & Rinaldo (2024), E-detectors, New England J. Stat. Data
Sci. 2(2), for mixing over the beginning of a change; Shafer, Shen, Vereshchagin & Vovk (2011), Test martingales, Bayes
factors and p-values, Statist. Sci. 26(1), for the calibrator; Choe & Ramdas (2024), Combining evidence across
filtrations, arXiv 2402.09698, for why it is needed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from titleholder.validation.sequential import beginnings

Array = NDArray[np.float64]


def e_bh(log_e: Array, alpha: float) -> NDArray[np.bool_]:
    """Which of the e-values are taken for changes, shape (k,): the j largest, if the j-th is at least k / (alpha j).

    Of what is taken for a change, a share of at most `alpha` is none, on average. Where nothing has changed, the chance
    of taking anything for a change is at most `alpha`.

    >>> e_bh(np.log([100.0, 45.0, 1.0, 0.5]), 0.05).tolist()
    [True, True, False, False]
    """
    count = len(log_e)
    if not count:
        return np.zeros(0, dtype=bool)
    order = np.argsort(-log_e, kind="stable")
    enough = log_e[order] >= np.log(count) - np.log(alpha * np.arange(1, count + 1))
    taken = int(np.flatnonzero(enough).max()) + 1 if enough.any() else 0
    found = np.zeros(count, dtype=bool)
    found[order[:taken]] = True
    return found


def at_any_time(log_e: Array) -> Array:
    """E-values that hold at any time, of e-processes along the last axis, whatever else one knows; logarithms.

    By Ville's inequality the inverse of the greatest value m so far is a p-value at any time; the calibrator makes it
    the e-value (m - 1 - log m) / (log m)^2, which never falls.

    >>> np.exp(at_any_time(np.log([1.0, 1000.0, 10.0]))).round(2).tolist()
    [0.5, 20.79, 20.79]
    """
    highest = np.maximum(np.maximum.accumulate(log_e, axis=-1), 0.0)
    large = np.maximum(highest, 1e-2)
    found = large + np.log1p(-np.exp(-large) * (1 + large)) - 2 * np.log(large)
    return np.asarray(np.where(highest < 1e-2, -np.log(2), found))


def since_any(log_e_of: Callable[[int], float], runs: int) -> float:
    """The e-process of a change that may have begun with any of the runs so far.

    Half of the weight is on the first run, the rest is spread over the later ones (`sequential.beginnings`); what has
    not begun counts as one.

    Args:
        log_e_of: for the number of a run, from 0 on, the evidence of all rows since its beginning, a martingale.
        runs: how many there were.
    """
    weights = beginnings(runs) if runs else np.empty(0)
    logs = np.array([*(log_e_of(first) for first in range(runs)), 0.0])
    return float(special.logsumexp(logs, b=np.append(weights, 1 - weights.sum())))
