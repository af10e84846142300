"""The champion's realised performance against what it promised when it was promoted, over a reign.

Each newly matured cohort is a look: what the promise exceeds the realised metric by (or what the promised gain exceeds
the realised one by, on the same rows), and its standard error. The looks accumulate as in `sequential`: the evidence
that more is missing than is tolerated can be looked at after every cohort.

The promise is an estimate too, and the same one in every look. So it is taken at its lower bound, and the budget is
divided: half for a bound that is above the truth, half for the evidence.

Outcomes that come early are not those of a random sample: only cohorts of which all outcomes are final are looks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from titleholder.validation.metrics import Gain
from titleholder.validation.sequential import Look, accumulate


class Shortfall(BaseModel):
    """What is missing of a promise.

    `promised` is its lower bound, `missing` the mean shortfall of the cohorts counted, `least` what is missing at
    least, all in the metric's unit; `since` is the first of the cohorts with the strongest evidence, by its place.

    >>> found = Shortfall(cohorts=3, since=1, promised=0.7, missing=0.03, least=0.004, tolerated=0.01, shown=False)
    >>> found.shown
    False
    """

    model_config = ConfigDict(frozen=True)

    cohorts: int
    since: int
    promised: float
    missing: float
    least: float
    tolerated: float
    shown: bool


def shortfall(promise: Gain, realised: Sequence[Look], *, tolerated: float, budget: float) -> Shortfall | None:
    """Whether it is shown that more is missing of a promise than is tolerated; None before the first cohort.

    Args:
        promise: the metric, or the gain, at promotion, more being better, with its error.
        realised: of each matured cohort in order of time the same quantity, as `gain`, with its error.
        tolerated: what may be missing, in the metric's unit.
        budget: the chance of saying so in the whole reign while no more is missing.

    Raises:
        ValueError: when an error is not a positive number.
    """
    promised = promise.lower_bound(1 - budget / 2)
    missing = [look.model_copy(update={"gain": promised - look.gain}) for look in realised]
    found = accumulate(missing, minimum_gain=tolerated, confidence=1 - budget / 2)
    if found is None:
        return None
    counted = missing[len(missing) - found.counted :]
    weights = np.array([1 / look.error for look in counted])
    return Shortfall(
        cohorts=len(missing),
        since=len(missing) - found.counted,
        promised=promised,
        missing=float(np.average([look.gain for look in counted], weights=weights)),
        least=found.lower,
        tolerated=tolerated,
        shown=found.shown,
    )
