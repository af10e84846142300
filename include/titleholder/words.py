"""The kinds of value that a spec is written with."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Self

from dateutil.relativedelta import relativedelta
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=63)]
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
        written = text if isinstance(text, str) else ""
        found = cls._PART.findall(written)
        if not found or " ".join(written.split()) != " ".join(m[0] for m in cls._PART.finditer(written)):
            raise ValueError(
                "a duration is plain words such as '90 days', '12 weeks', '18 months' or '1 year 6 months'"
            )
        units: dict[str, int] = {}
        for number, unit in found:
            units[f"{unit}s"] = units.get(f"{unit}s", 0) + int(number)
        duration = cls(**units)  # type: ignore[arg-type]
        if not duration:
            raise ValueError("a duration must be longer than nothing")
        return duration

    def __str__(self) -> str:
        parts = ((getattr(self, unit), unit[:-1]) for unit in ("years", "months", "days"))
        return " ".join(f"{n} {unit}{'s' if n != 1 else ''}" for n, unit in parts if n)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=core_schema.to_string_ser_schema())
