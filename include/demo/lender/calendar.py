"""Calendar arithmetic on arrays. Months are numbers (year * 12 + month - 1), days are datetime64[D]."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]
DAY = 86_400  # seconds


def start_of(month: Any) -> Array:
    """The first day of a month.

    >>> start_of(2025 * 12)
    np.datetime64('2025-01-01')
    """
    return (np.datetime64("1970-01", "M") + (month - 1970 * 12)).astype("M8[D]")  # type: ignore[no-any-return]


def month_of(days: Array) -> Array:
    """The month of each day."""
    return np.asarray(days.astype("M8[M]").astype(int) + 1970 * 12)


def add_months(days: Array, count: Any) -> Array:
    """The same day of a later month, or that month's last day: the rule of PostgreSQL's intervals.

    >>> add_months(np.array(["2025-01-31"], "M8[D]"), 1)
    array(['2025-02-28'], dtype='datetime64[D]')
    """
    month = days.astype("M8[M]")
    later = month + count
    length = (later + 1).astype("M8[D]") - later.astype("M8[D]")
    return np.asarray(later.astype("M8[D]") + np.minimum(days - month.astype("M8[D]"), length - 1))


def seconds(days: Any) -> Any:
    """Seconds since 1970 of each day's midnight."""
    return np.asarray(days).astype("M8[s]").astype(np.int64)


def utc(since_1970: Array) -> pd.DatetimeIndex:
    """Moments in UTC, in microseconds."""
    return pd.DatetimeIndex(since_1970.astype("M8[s]").astype("M8[us]"), tz="UTC")


def wave(month: Any, period: float, peak: float) -> Any:
    """A cycle of `period` months between -1 and 1, highest at month `peak`."""
    return np.cos(2 * np.pi * (np.asarray(month) - peak) / period)
