"""Which features are taken for changed over a reign, with a budget for all false alarms of the whole reign.

After every run e-BH looks at the evidence of all features and of the score, by e-values that hold at any time and never
fall (`at_any_time`). So what it takes for changed it would also take for changed at the end of the reign: while nothing
changes, the chance of any alarm in the whole reign is at most the budget, however the features depend on each other and
however often one looks. An alarm asks for more: that e-BH takes the feature for changed after so many runs in a row,
that its evidence of today alone is still beyond the budget, and that the change is large enough to matter. All three
can only make alarms rarer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from titleholder.validation.monitoring.drift import log_evidence
from titleholder.validation.monitoring.evidence import at_any_time, e_bh

Cells = Sequence[Sequence[int]]
"""The counts of ranks by cell of each run so far."""


class Alarm(BaseModel):
    """A feature that has changed: since which run (from 0 on) that is called, and the evidence of that time.

    >>> Alarm(name="income", run=3, log_evidence=6.2).run
    3
    """

    model_config = ConfigDict(frozen=True)

    name: str
    run: int
    log_evidence: float


def drift_alarms(
    runs: Mapping[str, Cells],
    *,
    budget: float,
    in_a_row: int = 2,
    sizes: Mapping[str, Sequence[float]] | None = None,
    least: float = 0.0,
) -> list[Alarm]:
    """The alarms of a reign in order of time, each feature's first one only.

    Args:
        runs: for each feature, and the score, its counts by run.
        budget: the chance of any alarm in the whole reign while nothing changes.
        in_a_row: after so many runs in a row a feature must have been taken for changed.
        sizes: for each feature the size of its change in each run, such as its stability index.
        least: a change smaller than this is no alarm.
    """
    names = list(runs)
    logs = np.array([[log_evidence(cells[: n + 1]) for n in range(len(cells))] for cells in runs.values()])
    if not logs.size:
        return []
    taken = np.stack([e_bh(column, budget) for column in at_any_time(logs).T], axis=1) & (logs >= -np.log(budget))
    if sizes is not None:
        taken &= np.array([[size >= least for size in sizes[name]] for name in names])
    found = []
    for name, own, log_e in zip(names, taken, logs, strict=True):
        first = _first(own.tolist(), in_a_row)
        if first is not None:
            found.append(Alarm(name=name, run=first, log_evidence=float(log_e[first])))
    return sorted(found, key=lambda alarm: alarm.run)


def _first(taken: Sequence[bool], in_a_row: int) -> int | None:
    """The first run that ends so many in a row."""
    length = 0
    for run, one in enumerate(taken):
        length = length + 1 if one else 0
        if length >= in_a_row:
            return run
    return None
