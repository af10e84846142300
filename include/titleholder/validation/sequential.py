"""Evidence that accumulates over a reign: is the line of challengers shown to be better than the champion?

Each challenge brings a *look*: the gain on the cohorts that matured since the look before it, so that no outcome
counts twice, and its standard error. Under the null hypothesis (no challenger gains more than `minimum_gain`) the
standardised looks z_i = (gain_i - minimum_gain) / error_i from look j on add up to S with variance t at most, t their
number, and

    M_j = 2 / sqrt(1 + k t) * exp(k S^2 / (2 (1 + k t))) * Phi(S sqrt(k / (1 + k t)))

is a non-negative supermartingale that starts at one: the likelihood ratio mixed over better challengers with a
half-normal weight of variance k. A champion ages: challengers may be no better at first and better later. So the M_j
are mixed over j, when they began to be better: half the weight on the first look, half spread over the later ones (a
twelfth of what is left on each). What has not begun counts as one. By Ville's inequality the chance that the mixture
ever reaches 1 / alpha is at most alpha, however often one looks and whenever one stops. Looks count equally (Stouffer's
weights): a challenger that hardly differs from the champion has a tiny error, and weights by information would let it
drown the rest.

With a *horizon*, less evidence is enough up to so many looks (see `horizon.py`), and 1 / alpha again after them. The
chance that a line that is no better ever wins stays at most alpha, for the whole reign.

Sources: Robbins (1970), Statistical methods related to the law of the iterated logarithm, Ann. Math. Statist. 41(5);
Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences, Ann.
Statist. 49(2), one-sided normal mixture; Shin, Ramdas & Rinaldo (2024), E-detectors, New England J. Stat. Data Sci.
2(2), for mixing over the beginning. Errors are estimated and gains only approximately normal, so the guarantee is
asymptotic in the events of a look: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Ann. Statist. 52(6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import optimize, special

from titleholder.validation.horizon import threshold

Array = NDArray[np.float64]
PLANNED = 3
"""The bound is at its tightest after this many looks, and but a tenth wider in standard errors after 36."""
LATER = 12
"""Challengers that become better later are expected to do so after about this many looks."""


class Look(BaseModel):
    """What one challenge added: the gain on cohorts [start, end) that no earlier look of the reign took.

    >>> months = [date(2024, month, 1) for month in range(1, 8)]
    >>> looks = [
    ...     Look(as_of=end, start=start, end=end, rows=900, events=90, metric="roc_auc", gain=0.02, error=0.01)
    ...     for start, end in zip(months, months[1:])
    ... ]
    >>> [accumulate(looks[:n], minimum_gain=0.0, confidence=0.95).shown for n in (1, 2, 6)]
    [False, False, True]
    """

    model_config = ConfigDict(frozen=True)

    as_of: date
    start: date
    end: date
    rows: int
    events: int
    metric: str
    gain: float
    error: float
    judged_after: int = 0
    """How many better candidates of its run were found unfit for use on the same rows before this one."""


class Accumulated(BaseModel):
    """All looks of a reign together: since when the challengers are ahead, by how much, and with what evidence.

    >>> month = date(2024, 2, 1)
    >>> found = Accumulated(
    ...     looks=3, since=month, counted=2, events=180, gain=0.02, lower=-0.001, log_evidence=2.9, needed=3.0
    ... )
    >>> found.shown
    False
    """

    model_config = ConfigDict(frozen=True)

    looks: int
    since: date
    counted: int
    later: int = 0
    """Of those counted: how many are of a later candidate, judged because a better one was unfit on the same rows."""
    events: int
    gain: float
    lower: float
    log_evidence: float
    needed: float

    @property
    def shown(self) -> bool:
        """Whether the evidence has reached what is needed."""
        return self.log_evidence >= self.needed


def accumulate(
    looks: Sequence[Look], *, minimum_gain: float, confidence: float, horizon: int | None = None
) -> Accumulated | None:
    """What all looks of a reign show together; None where there is none.

    `lower` is the largest minimum that the evidence excludes, `since` begins the suffix of looks with the strongest
    evidence, with its `counted` looks, their events and their mean `gain` (weighted by 1 / error). `log_evidence` is
    the natural logarithm of the mixture at `minimum_gain`, `needed` that of 1 / (1 - confidence),
    or of the smaller threshold that a horizon asks for while there are no more looks than that.

    Raises:
        ValueError: when a look's error is not a positive number.
    """
    if not looks:
        return None
    if bad := [look for look in looks if not 0 < look.error < np.inf]:
        raise ValueError(f"the look of {bad[0].as_of} has the error {bad[0].error}; it must be positive and finite")
    gains, errors = np.array([look.gain for look in looks]), np.array([look.error for look in looks])
    k, needed = mixing_variance(confidence), needed_evidence(len(looks), confidence=confidence, horizon=horizon)

    def evidence(minimum: float) -> Array:
        return _log_evidence((gains - minimum) / errors, k)

    lower = _root(lambda minimum: _mixed(evidence(minimum)) - needed, gains, errors)
    first = int(np.argmax(evidence(lower)))
    return Accumulated(
        looks=len(looks),
        since=looks[first].as_of,
        counted=len(looks) - first,
        later=sum(look.judged_after > 0 for look in looks[first:]),
        events=sum(look.events for look in looks[first:]),
        gain=float(np.average(gains[first:], weights=1 / errors[first:])),
        lower=lower,
        log_evidence=log_evidence(gains, errors, minimum_gain=minimum_gain, confidence=confidence),
        needed=needed,
    )


def needed_evidence(looks: int, *, confidence: float, horizon: int | None = None) -> float:
    """The logarithm of the evidence that is enough after so many looks.

    >>> [round(float(np.exp(needed_evidence(looks, confidence=0.95, horizon=36))), 1) for looks in (1, 36, 37)]
    [9.2, 9.2, 20.0]
    """
    alpha = 1 - confidence
    return float(np.log(1 / alpha if horizon is None or looks > horizon else threshold(alpha, horizon)))


def log_evidence(gains: Array, errors: Array, *, minimum_gain: float, confidence: float) -> float:
    """The logarithm of the mixture at `minimum_gain`; the gain is shown when it reaches -log(1 - confidence)."""
    return _mixed(_log_evidence((gains - minimum_gain) / errors, mixing_variance(confidence)))


def mixing_variance(confidence: float) -> float:
    """The variance of the half-normal weight that makes the bound tightest at `PLANNED` looks.

    Howard et al. (2021), proposition 3: V / rho = -W_-1(-alpha^2 / e) - 1, where k = 1 / rho.
    """
    alpha = 1 - confidence
    return (-float(special.lambertw(-(alpha**2) / np.e, k=-1).real) - 1) / PLANNED


def beginnings(looks: int) -> Array:
    """The weight of each look as the one at which challengers began to be better; what is left has not begun."""
    hazard = 1 / LATER
    return np.concatenate([[0.5], 0.5 * hazard * (1 - hazard) ** np.arange(looks - 1)])


def _log_evidence(z: Array, k: float) -> Array:
    """log M_j for every look j at which the challengers may have begun to be better; shape (looks,)."""
    scores, t = np.cumsum(z[::-1])[::-1], np.arange(len(z), 0, -1)
    standard = scores * np.sqrt(k / (1 + k * t))
    return np.asarray(np.log(2) - np.log1p(k * t) / 2 + standard**2 / 2 + special.log_ndtr(standard))


def _mixed(log_evidence: Array) -> float:
    """The logarithm of the mixture over j."""
    weights = beginnings(len(log_evidence))
    return float(special.logsumexp(np.append(log_evidence, 0.0), b=np.append(weights, 1 - weights.sum())))


def _root(excess: Callable[[float], float], gains: Array, errors: Array) -> float:
    """Where the evidence is just enough: it falls as the minimum rises."""
    far = 20 * float(errors.max())
    return float(optimize.brentq(excess, float(gains.min()) - far, float(gains.max()) + far, xtol=1e-12))
