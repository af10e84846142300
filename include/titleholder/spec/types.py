"""The kinds of value that a spec is written with."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self

from dateutil.relativedelta import relativedelta
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
LIVE, BACKTEST = "live", "backtest"
"""The lane whose champion the registry's alias follows, and the lane of backfills."""
Column = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Address = Annotated[str, StringConstraints(pattern=r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+$")]
"""Where e-mail goes."""
AssetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]{0,199}$")]
"""What an Airflow asset is called, as in `Asset("loans_loaded")`."""
ClassPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]


class Part(BaseModel):
    """A part of a spec: frozen and strict; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Duration(relativedelta):
    """A length of calendar time in plain words: `90 days`, `18 months`, `1 year 6 months`."""

    _PART: ClassVar[re.Pattern[str]] = re.compile(r"(\d+) (day|week|month|year)s?")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text`; a ValueError says what a duration looks like."""
        units = _units(cls._PART, text)
        if not units and _units(Span.PART, text):
            raise ValueError("a duration is whole days such as '90 days' or '18 months'; it knows no hours or minutes")
        if not units:
            raise ValueError(
                "a duration is plain words such as '90 days', '12 weeks', '18 months' or '1 year 6 months'"
            )
        duration = cls(**units)  # type: ignore[arg-type]
        if not duration:
            raise ValueError("a duration must be longer than nothing")
        return duration

    def __str__(self) -> str:
        parts = ((getattr(self, unit), unit[:-1]) for unit in ("years", "months", "days"))
        return " ".join(f"{n} {unit}{'s' if n != 1 else ''}" for n, unit in parts if n)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _in_words(cls.parse)


class Span(timedelta):
    """A length of time by the clock, in plain words: `30 minutes`, `12 hours`, `1 day 6 hours`, `2 weeks`.

    Months and years have no fixed length: they are a `Duration`'s.
    """

    PART: ClassVar[re.Pattern[str]] = re.compile(r"(\d+) (minute|hour|day|week)s?")
    LONGEST: ClassVar[timedelta] = timedelta(days=366)

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text`; a ValueError says what a span looks like."""
        units = _units(cls.PART, text)
        if not units:
            raise ValueError("a span of time is plain words such as '30 minutes', '12 hours', '3 days' or '2 weeks'")
        if max(units.values()) > cls.LONGEST // timedelta(minutes=1) or (span := cls(**units)) > cls.LONGEST:
            raise ValueError(f"a span of time is at most {cls.LONGEST.days} days")
        if not span:
            raise ValueError("a span of time must be longer than nothing")
        return span

    def __str__(self) -> str:
        hours, minutes = divmod(self.seconds // 60, 60)
        parts = ((self.days, "day"), (hours, "hour"), (minutes, "minute"))
        return " ".join(f"{n} {unit}{'s' if n != 1 else ''}" for n, unit in parts if n)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _in_words(cls.parse)


def _units(part: re.Pattern[str], text: object) -> dict[str, int]:
    """How much of each unit `text` names, such as {"hours": 12}; nothing where it says anything else."""
    written = text if isinstance(text, str) else ""
    if " ".join(written.split()) != " ".join(m[0] for m in part.finditer(written)):
        return {}
    units: dict[str, int] = {}
    for number, unit in part.findall(written):
        units[f"{unit}s"] = units.get(f"{unit}s", 0) + int(number)
    return units


def _in_words(parse: Callable[[object], Any]) -> CoreSchema:
    return core_schema.no_info_plain_validator_function(parse, serialization=core_schema.to_string_ser_schema())
