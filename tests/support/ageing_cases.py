"""Versions of a model that is retrained every period, and what they do on the periods that follow, with planted decay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from titleholder.spec import windows
from titleholder.validation.ageing import Cell
from titleholder.workflow.backtest.periods import Period
from titleholder.workflow.backtest.policies import PeriodResult

MATURITY = timedelta(days=180)
FIRST = date(2020, 1, 1)


def days(schedule: str, number: int) -> list[date]:
    """The first so many as-of dates of a schedule, and the end of the last one's period."""
    found = [FIRST]
    while len(found) <= number:
        found.append(windows.next_tick(schedule, found[-1]))
    return found


def cells(
    periods: int, decay: float, *, seed: int = 0, versions: float = 0.0, noise: float = 0.0, schedule: str = "@monthly"
) -> list[Cell]:
    """One version a period, each measured on its own and all later periods.

    A month of age costs `decay`; the periods' levels, the versions (`versions`) and the cells (`noise`) vary, the last
    two with these standard deviations.
    """
    rng, dates = np.random.default_rng(seed), days(schedule, periods)
    level, own = 0.7 + 0.05 * rng.normal(size=periods), versions * rng.normal(size=periods)
    found = []
    for n, (start, end) in enumerate(pairwise(dates)):
        for version in range(n + 1):
            cell = Cell(version + 1, dates[version] - MATURITY, start, end, 0.0, 40.0 + n)
            value = level[n] - decay * cell.age + own[version] + noise * rng.normal()
            found.append(cell._replace(value=float(value)))
    return found


def results(
    of: Sequence[Cell], *, tolerated: float = 0.01, sign: float = 1.0, profit: float = 0.0
) -> list[PeriodResult]:
    """These cells as the results of a backtest's periods; a row's profit falls with age by `profit` a month."""
    found = []
    for start, end in dict.fromkeys((cell.start, cell.end) for cell in of):
        own = [cell for cell in of if cell.start == start]
        newest = own[-1].version
        found.append(
            PeriodResult(
                period=Period(
                    as_of=start,
                    end=end,
                    kind="promote",
                    versions=tuple(cell.version for cell in own),
                    gate=newest,
                    newest=newest,
                    never=1,
                ),
                end=end,
                rows=1000,
                events=60,
                weight=1000.0,
                informative=60,
                estimates={cell.version: sign * cell.value for cell in own},
                profits={cell.version: 5.0 - profit * cell.age for cell in own} if profit else {},
                tolerated=tolerated,
            )
        )
    return found


def trained(of: Sequence[Cell]) -> dict[int, date]:
    """The end of each version's training rows."""
    return {cell.version: cell.trained for cell in of}
