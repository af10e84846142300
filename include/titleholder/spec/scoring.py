"""Batch scoring: which rows a champion scores, when, and with which reasons."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from titleholder.spec.cadence import Schedule
from titleholder.spec.source import QUERY_FILE
from titleholder.spec.sql import BoundQuery
from titleholder.spec.types import LIVE, MOST_COLUMNS, AssetName, Column, Duration, Lane, StrictModel, Words

Toward = Literal["high", "low"]
"""Which scores reasons are for: `high` names what raised a score, `low` what lowered it."""


class ReasonsAsked(NamedTuple):
    """So many reasons for a score at most, and in which direction."""

    most: int
    toward: Toward = "high"


class Scoring(StrictModel):
    """What the DAG `<model>.score` does. Without this section there is none.

    >>> Scoring(query="loans_scoring.sql", window="1 day", sql="select :as_of, :window_start, :window_end").lane
    'live'
    """

    query: str
    """The file of the query for rows without an outcome; it binds :as_of, :window_start and :window_end."""
    window: Duration
    """A run scores the events of this time before its as-of date: [as_of - window, as_of)."""
    schedule: Schedule | None = None
    """A cron of five fields in UTC, or an alias such as @daily."""
    assets: tuple[AssetName, ...] = Field(default=(), max_length=100)
    """Airflow assets by name; once all of them were updated, a run starts."""
    after_champion: bool = False
    """Whether a run also starts when another version becomes live champion."""
    lane: Lane = LIVE
    """The lane whose champion scores, unless a run names another."""
    shadow: int = Field(default=0, ge=0, le=20)
    """So many of the newest challengers score the same rows beside the champion; their scores are kept apart."""
    parquet: bool = False
    """Whether the scores are also kept as a Parquet file beside the input's."""
    reasons: Annotated[int, Field(ge=1, le=20)] | None = None
    """So many reasons are given for each of the champion's scores at most; see docs/reasons.md."""
    reasons_for: Toward = "high"
    """`high`: features that raised the score; `low`: those that lowered it."""
    reason_texts: dict[Column, Words] = Field(default={}, max_length=MOST_COLUMNS)
    """What a feature is called where it is a reason; one without a text is called by its own name."""
    sql: BoundQuery

    @field_validator("query")
    @classmethod
    def _a_file_beside_the_spec(cls, value: str) -> str:
        if not QUERY_FILE.fullmatch(value):
            raise ValueError("query names an .sql file in the same folder, such as 'my_model_scoring.sql'")
        return value

    @model_validator(mode="after")
    def _follows_its_own_lane(self) -> Self:
        if self.after_champion and self.lane != LIVE:
            raise ValueError(f"after_champion: that asset is the live champion's, but lane is {self.lane!r}")
        return self

    @property
    def reasons_asked(self) -> ReasonsAsked | None:
        """The reasons that each score gets; None where the spec asks for none."""
        return None if self.reasons is None else ReasonsAsked(self.reasons, self.reasons_for)
