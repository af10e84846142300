"""The types of the values in a spec."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self

from dateutil.relativedelta import relativedelta
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

from titleholder.plain_text import unprintable

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,59}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
LIVE, BACKTEST, WHAT_IF = "live", "backtest", "what-if"
"""The lane whose champion the registry's alias follows, that of backfills, that of runs with a chosen as-of date."""
DECLINE = "decline"
"""The kind of decision by which people decline a rollback: nothing changes."""
UNJUDGED = ("rollback", DECLINE, "withdraw")
"""Kinds of decision that people make: nothing was trained or judged. `withdraw` leaves a model without a champion."""
LANE_PATTERN = r"^[a-z][a-z0-9_-]{0,39}$"
Lane = Annotated[str, StringConstraints(pattern=LANE_PATTERN)]
"""The name of an independent line of decisions."""


def _printable(text: str) -> str:
    if found := unprintable(text):
        raise ValueError(found)
    return text


def _given(text: str) -> str:
    if not text.strip():
        raise ValueError("give a text of one line")
    return text


Line = Annotated[str, AfterValidator(_printable)]
"""One line of plain text."""
Column = Annotated[str, StringConstraints(min_length=1, max_length=63)]
MOST_COLUMNS = 1600
"""PostgreSQL's limit for the columns of a table."""
ColumnNames = Annotated[tuple[Column, ...], Field(max_length=MOST_COLUMNS)]
Words = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_given), AfterValidator(_printable)
]
"""A text of one line that is not empty, such as a person's name."""
Count = Annotated[int, Field(le=1_000_000_000)]
"""A number of rows or events."""
Amount = Annotated[float, Field(ge=-1e12, le=1e12)]
"""A number in any unit, such as money."""
Address = Annotated[str, StringConstraints(pattern=r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+$")]
"""An e-mail address."""
AssetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$")]
"""The name of an Airflow asset, as in `Asset("loans_loaded")`."""
CLASS_PATH = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,99}(\.[A-Za-z_][A-Za-z0-9_]{0,99}){1,9}$")
ClassPath = Annotated[str, StringConstraints(pattern=CLASS_PATH.pattern)]


class StrictModel(BaseModel):
    """A section of a spec: frozen and strict; an unknown key is an error.

    >>> class Limit(StrictModel):
    ...     rows: int
    >>> Limit(rows="200")
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... Input should be a valid integer...
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class WrittenTime:
    """A length of time that a spec has as text: one or more of `PART`, such as `1 year 6 months`."""

    PART: ClassVar[re.Pattern[str]]

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text`; a ValueError shows how it is written."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.to_string_ser_schema()
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=text)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        part = cls.PART.pattern
        return {"type": "string", "pattern": rf"^\s*{part}(\s+{part})*\s*$"}


class Duration(WrittenTime, relativedelta):
    """A length of calendar time, written as `90 days`, `18 months` or `1 year 6 months`.

    >>> from datetime import date
    >>> date(2024, 3, 31) - Duration.parse("1 month")
    datetime.date(2024, 2, 29)
    """

    PART: ClassVar[re.Pattern[str]] = re.compile(r"([0-9]{1,30}) (day|week|month|year)s?")
    LONGEST: ClassVar[int] = 100

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text`; a ValueError shows what a duration looks like."""
        units = _units(cls.PART, text)
        if not units and _units(ElapsedTime.PART, text):
            raise ValueError("a duration is whole days such as '90 days' or '18 months'; it has no hours or minutes")
        if not units:
            raise ValueError("a duration is written as '90 days', '12 weeks', '18 months' or '1 year 6 months'")
        duration = cls(**units)  # type: ignore[arg-type]
        if not duration:
            raise ValueError("a duration must be longer than zero")
        if duration.years + duration.months / 12 + duration.days / 365 > cls.LONGEST:
            raise ValueError(f"a duration is at most {cls.LONGEST} years")
        return duration

    def __str__(self) -> str:
        parts = ((getattr(self, unit), unit[:-1]) for unit in ("years", "months", "days"))
        return " ".join(f"{n} {unit}{'s' if n != 1 else ''}" for n, unit in parts if n)


class ElapsedTime(WrittenTime, timedelta):
    """A length of time by the clock, written as `30 minutes`, `12 hours`, `1 day 6 hours` or `2 weeks`.

    Months and years have no fixed length; a `Duration` has them.

    >>> ElapsedTime.parse("1 day 12 hours") == timedelta(hours=36)
    True
    """

    PART: ClassVar[re.Pattern[str]] = re.compile(r"([0-9]{1,30}) (minute|hour|day|week)s?")
    LONGEST: ClassVar[timedelta] = timedelta(days=366)

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text`; a ValueError shows what a span looks like."""
        units = _units(cls.PART, text)
        if not units:
            raise ValueError("a span of time is written as '30 minutes', '12 hours', '3 days' or '2 weeks'")
        if max(units.values()) > cls.LONGEST // timedelta(minutes=1) or (span := cls(**units)) > cls.LONGEST:
            raise ValueError(f"a span of time is at most {cls.LONGEST.days} days")
        if not span:
            raise ValueError("a span of time must be longer than zero")
        return span

    def __str__(self) -> str:
        hours, minutes = divmod(self.seconds // 60, 60)
        parts = ((self.days, "day"), (hours, "hour"), (minutes, "minute"))
        return " ".join(f"{n} {unit}{'s' if n != 1 else ''}" for n, unit in parts if n)


def _units(part: re.Pattern[str], text: object) -> dict[str, int]:
    """The amount of each unit in `text`, such as {"hours": 12}; empty when anything else is in it."""
    written = text if isinstance(text, str) else ""
    if " ".join(written.split()) != " ".join(m[0] for m in part.finditer(written)):
        return {}
    units: dict[str, int] = {}
    for number, unit in part.findall(written):
        units[f"{unit}s"] = units.get(f"{unit}s", 0) + int(number)
    return units
