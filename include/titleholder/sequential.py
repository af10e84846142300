"""Evidence that accumulates over a reign: is the line of challengers shown to be better than the champion?

Each challenge brings a *look*: the gain on the cohorts that matured since the look before it, so that no outcome counts
twice, and its standard error. Under the null hypothesis (no challenger gains more than `minimum_gain`) the standardised
looks z_i = (gain_i - minimum_gain) / error_i add up to S_t with variance t at most, and

    M_t = 2 / sqrt(1 + k t) * exp(k S_t^2 / (2 (1 + k t))) * Phi(S_t sqrt(k / (1 + k t)))

is a non-negative supermartingale that starts at one: the likelihood ratio mixed over better challengers with a
half-normal weight of variance k. By Ville's inequality the chance that it ever reaches 1 / alpha is at most alpha, however
often one looks and whenever one stops. Looks count alike (Stouffer's weights): a challenger that hardly differs from the
champion has a tiny error, and weights by information would let it drown the others.

Sources: Robbins (1970), Statistical methods related to the law of the iterated logarithm, Ann. Math. Statist. 41(5);
Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences, Ann. Statist.
49(2), one-sided normal mixture. Errors are estimated and gains only approximately normal, so the guarantee is
asymptotic in the events of a look: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Ann. Statist. 52(6).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import optimize, special

PLANNED = 3
"""The bound is at its tightest after this many looks, and but a tenth wider in standard errors after 36."""


class Look(BaseModel):
    """What one challenge added: the gain on cohorts [start, end) that no earlier challenge of the reign was judged on."""

    model_config = ConfigDict(frozen=True)

    as_of: date
    start: date
    end: date
    rows: int
    events: int
    metric: str
    gain: float
    error: float


class Accumulated(BaseModel):
    """All looks of a reign together: the mean gain, its always-valid lower bound, and the evidence."""

    model_config = ConfigDict(frozen=True)

    looks: int
    events: int
    gain: float
    lower: float
    log_evidence: float
    needed: float

    @property
    def shown(self) -> bool:
        """Whether the evidence has reached what is needed."""
        return self.log_evidence >= self.needed


def accumulate(looks: Sequence[Look], *, minimum_gain: float, confidence: float) -> Accumulated | None:
    """What all looks of a reign show together; None where there is none.

    `gain` is the mean weighted by 1 / error, `lower` the largest minimum that the evidence excludes, `log_evidence` the
    natural logarithm of M_t, `needed` that of 1 / (1 - confidence).

    Raises:
        ValueError: when a look's error is not a positive number.
    """
    if not looks:
        return None
    if bad := [look for look in looks if not 0 < look.error < np.inf]:
        raise ValueError(f"the look of {bad[0].as_of} has the error {bad[0].error}; it must be positive and finite")
    weights = np.array([1 / look.error for look in looks])
    mean = float(np.average([look.gain for look in looks], weights=weights))
    t, k, needed = len(looks), _mixing_variance(confidence), float(-np.log1p(-confidence))
    return Accumulated(
        looks=t,
        events=sum(look.events for look in looks),
        gain=mean,
        lower=mean - _reach(t, k, needed) / float(weights.sum()),
        log_evidence=_log_evidence(float(weights.sum()) * (mean - minimum_gain), t, k),
        needed=needed,
    )


def _mixing_variance(confidence: float) -> float:
    """The variance of the mixture that makes the bound tightest at `PLANNED` looks.

    Howard et al. (2021), proposition 3: V / rho = -W_-1(-alpha^2 / e) - 1, where k = 1 / rho.
    """
    alpha = 1 - confidence
    return (-float(special.lambertw(-(alpha**2) / np.e, k=-1).real) - 1) / PLANNED


def _log_evidence(score: float, t: int, k: float) -> float:
    z = score * np.sqrt(k / (1 + k * t))
    return float(np.log(2) - np.log1p(k * t) / 2 + z**2 / 2 + special.log_ndtr(z))


def _reach(t: int, k: float, needed: float) -> float:
    """The sum of standardised looks at which the evidence is just enough: it grows with that sum."""
    far = np.sqrt((1 + k * t) / k) * (np.sqrt(2 * needed + np.log1p(k * t)) + 2)
    return float(optimize.brentq(lambda score: _log_evidence(score, t, k) - needed, -far, far, xtol=1e-12))
