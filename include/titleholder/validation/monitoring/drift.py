"""Has a feature, or the score, another distribution in use than in the reference? Evidence over the runs of a reign.

While nothing changes, the rows of the reference and those scored later are exchangeable. Then the randomised rank of
each new row among all rows before it, by the order of their bins,

    u = (rows before it in lower bins + v (rows before it in its bin + 1)) / (rows before it + 1),  v uniform,

is uniform and independent of the ranks before it, exactly, however few rows the reference has (Vovk's conformal
transducer). So the counts of ranks in `CELLS` equal parts of [0, 1] are multinomial with known chances, and the
likelihood ratio of Dirichlet alternatives is an e-value: its mean is one. Alternatives are mixed over concentrations,
for changes small and large, and over the run in which the change began.

Ranks of few rows cannot show a change, and rows that are themselves dependent (one customer's, one day's) look like
one. After a change the new rows join those that later ones are compared with, so evidence grows ever more slowly; the
less so, the larger the reference.

Sources: Vovk, Nouretdinov & Gammerman (2003), Testing exchangeability on-line, ICML; Vovk, Gammerman & Shafer (2022),
Algorithmic learning in a random world, 2nd ed., chapter 8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import special

from titleholder.validation.monitoring.bins import Places
from titleholder.validation.monitoring.evidence import since_any

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
CELLS = 10
CONCENTRATIONS = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
"""Of the Dirichlet alternatives, a cell's; the largest look for changes of one part in a hundred of a cell's share."""
CHUNK = 50_000
"""So many rows are ranked at a time."""


class Ranked(BaseModel):
    """What a run leaves: the counts of its ranks in each cell, and all rows so far in each bin.

    >>> Ranked(cells=(5, 7), seen=(40, 60, 0)).rows
    12
    """

    model_config = ConfigDict(frozen=True)

    cells: tuple[int, ...]
    seen: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How many rows the run had."""
        return sum(self.cells)


def rank(seen: Sequence[int], places: Places, rng: np.random.Generator) -> Ranked:
    """Rank the rows of a run among the reference and all rows since.

    Args:
        seen: rows so far in each bin: the reference's at first, then what the run before left.
        places: the bin of each row of this run, shape (m,), in any order that does not depend on the values.
        rng: for ties; a repeated run must have the same seed.
    """
    counts, cells = np.array(seen, dtype=np.int64), np.zeros(CELLS, dtype=np.int64)
    for start in range(0, len(places), CHUNK):
        part = places[start : start + CHUNK]
        ranks = _ranks(counts, part, rng)
        cells += np.bincount(np.minimum((ranks * CELLS).astype(int), CELLS - 1), minlength=CELLS)
        counts += np.bincount(part, minlength=len(counts))
    return Ranked(cells=tuple(cells.tolist()), seen=tuple(counts.tolist()))


def _ranks(counts: Counts, places: Places, rng: np.random.Generator) -> Array:
    """The randomised rank of each row among those counted and the rows before it, shape (m,)."""
    each = np.arange(len(places))
    own = np.zeros((len(places), len(counts)), dtype=np.int64)
    own[each, places] = 1
    before = counts + np.cumsum(own, axis=0) - own
    lower = (np.cumsum(before, axis=1) - before)[each, places]
    tied = before[each, places] + 1
    return np.asarray((lower + rng.random(len(places)) * tied) / (counts.sum() + each + 1))


def log_evidence(runs: Sequence[Sequence[int]]) -> float:
    """The logarithm of the e-process after these runs' counts of ranks by cell."""
    if not runs:
        return 0.0
    later = np.cumsum(np.array(runs, dtype=float)[::-1], axis=0)[::-1]
    since = _log_e(later)
    return since_any(lambda first: float(since[first]), len(runs))


def _log_e(counts: Array) -> Array:
    """The log likelihood ratio of the mixed alternatives to equal chances, of counts of shape (n, cells)."""
    total = counts.sum(axis=-1)
    a = np.array(CONCENTRATIONS)[:, None, None]
    own = (special.gammaln(a + counts) - special.gammaln(a)).sum(axis=-1)
    whole = special.gammaln(CELLS * a[..., 0] + total) - special.gammaln(CELLS * a[..., 0])
    mixed = special.logsumexp(own - whole, axis=0) - np.log(len(CONCENTRATIONS))
    return np.asarray(mixed + total * np.log(CELLS))
