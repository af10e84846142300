"""How many rows were to be expected of scoring runs, from those before them (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import numpy as np
from scipy import special

from titleholder.validation.monitoring.report import Volume

FEWEST = 5
"""Earlier looks from which on a range is given."""
CONFIDENCE = 0.99


def expected(rows: int, runs: int, start: date, end: date, earlier: Sequence[Volume]) -> Volume:
    """The volume of a look with the range in which it was to be expected.

    The range is a prediction interval (Student's t) for the logarithm of rows a day, whose variance is at least that of
    a count. Days are those of the look; earlier looks without rows are left out.

    >>> months = [date(2024, month, 1) for month in range(1, 8)]
    >>> earlier = [Volume(rows=1000, runs=1, start=a, end=b) for a, b in zip(months, months[1:])]
    >>> found = expected(500, 1, months[-1], date(2024, 8, 1), earlier)
    >>> found.expected
    False
    """
    known = [one for one in earlier if one.rows and one.end > one.start]
    days = (end - start).days
    made = Volume(rows=rows, runs=runs, start=start, end=end)
    if len(known) < FEWEST or days <= 0:
        return made
    rates = np.log([one.rows / (one.end - one.start).days for one in known])
    mean = float(rates.mean())
    variance = max(float(rates.var(ddof=1)), 1 / (math.exp(mean) * days))
    reach = float(special.stdtrit(len(known) - 1, 0.5 + CONFIDENCE / 2)) * math.sqrt(variance * (1 + 1 / len(known)))
    low, high = (days * math.exp(mean + side * reach) for side in (-1, 1))
    return made.model_copy(update={"lower": math.floor(low), "upper": math.ceil(high)})
