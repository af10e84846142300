"""Groups of rows that share a value, and the confidence at which many of them are judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from pandas.api import types

from titleholder.data.lazy_frame import LazyFrame
from titleholder.spec.cadence import cadence
from titleholder.spec.model import ModelSpec
from titleholder.validation.metrics import Interval
from titleholder.validation.metrics.inputs import Rows

MISSING = "(missing)"
MOST = 20
"""At most so many groups of a check are in its numbers, the worst ones."""
NAMED = 3
"""At most so many are named in its sentence."""
CALENDAR = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}
Bounded = TypeVar("Bounded", bound=Interval)


class Group(NamedTuple):
    """The rows whose `column` has this value.

    >>> frame = pd.DataFrame({"region": ["north", None, "north"]})
    >>> [(group.name, group.rows.tolist()) for group in groups(frame, ["region"])]
    [('region=(missing)', [1]), ('region=north', [0, 2])]
    """

    column: str
    value: str
    rows: Rows

    @property
    def name(self) -> str:
        """`region=north`."""
        return f"{self.column}={self.value}"


def groups(frame: pd.DataFrame | LazyFrame, columns: Iterable[str]) -> list[Group]:
    """The groups of each column in the order of their values; missing values are a group of their own."""
    return [
        Group(column, str(value), np.asarray(rows))
        for column in dict.fromkeys(columns)
        for value, rows in sorted(pd.Series(range(len(frame))).groupby(as_text(frame[column])).indices.items())
    ]


def by_calendar(frame: pd.DataFrame | LazyFrame, time: str, period: str) -> list[Group]:
    """The rows of each calendar day, ISO week (from Monday), month, quarter or year of a column of times, in UTC.

    >>> frame = pd.DataFrame({"at": pd.to_datetime(["2024-12-29", "2024-12-30"], utc=True)})
    >>> [group.value for group in by_calendar(frame, "at", "week")]
    ['2024-W52', '2025-W01']
    """
    at = frame[time].dt
    label = at.strftime("%Y-Q") + at.quarter.astype(str) if period == "quarter" else at.strftime(CALENDAR[period])
    return groups(pd.DataFrame({period: label}), [period])


def cohort_periods(spec: ModelSpec) -> tuple[str, ...]:
    """The calendar periods by which cohorts may be judged, the first choice first.

    The spec's own; by default that of its schedule, of a daily or weekly model also the longer ones up to a month, for
    a day may have too few events. Without even ticks, months.
    """
    own = spec.judgement.checks.cohorts.period
    if own != "schedule":
        return (own,)
    noun = cadence(spec.schedule).noun
    short = ("day", "week", "month")
    return (
        short[short.index(noun) :] if noun in short else (noun,) if noun in CALENDAR or noun == "quarter" else short[2:]
    )


def as_text(values: pd.Series) -> pd.Series:
    """Values as text, the missing ones as `(missing)`; whole numbers that came as floats lose their point."""
    if types.is_float_dtype(values.dtype) and values.dropna().mod(1).eq(0).all():
        values = values.astype("Int64")
    return values.astype(object).where(values.notna(), MISSING).map(str).reset_index(drop=True)


def adjusted_confidence(confidence: float, tests: int) -> float:
    """The confidence of each of so many intervals that keeps the chance of any false alarm below 1 - confidence.

    Source: Dunn (1961), Multiple comparisons among means, J. Am. Stat. Assoc. 56(293), by Bonferroni's inequality.
    """
    return 1 - (1 - confidence) / max(tests, 1)


def worst_first(values: Mapping[str, Bounded], key: Callable[[Bounded], float]) -> dict[str, Bounded]:
    """The same groups in ascending order of their key."""
    return dict(sorted(values.items(), key=lambda item: key(item[1])))


def group_numbers(values: Mapping[str, Interval], name: str) -> dict[str, float]:
    """Numbers of the first `MOST` groups: `region=north:gain` and its bounds."""
    first = list(values)[:MOST]
    return {key: number for group in first for key, number in values[group].numbers(f"{group}:{name}").items()}


def listed(things: Sequence[str]) -> str:
    """The first `NAMED` things, and how many more there are."""
    more = len(things) - NAMED
    return ", ".join(things[:NAMED]) + (f" and {more} more" if more > 0 else "")


def shown_or_estimated(texts: Mapping[str, str], shown: Collection[str], estimated: Collection[str]) -> str:
    """Those that are shown to fail; else none, with those that do by their estimate, or else the nearest to failing.

    `texts` says each by its name, the worst first.

    >>> texts = {"north": "north -0.02", "south": "south -0.01"}
    >>> shown_or_estimated(texts, ["north"], ["north", "south"])
    'north -0.02'
    >>> shown_or_estimated(texts, [], ["north"])
    'none; by the estimate alone, which is not shown: north -0.02'
    >>> shown_or_estimated(texts, [], [])
    'none, nearest north -0.02'
    """
    if shown:
        return listed([text for name, text in texts.items() if name in shown])
    if estimated:
        named = listed([text for name, text in texts.items() if name in estimated])
        return f"none; by the estimate alone, which is not shown: {named}"
    return f"none, nearest {next(iter(texts.values()))}" if texts else "none"
