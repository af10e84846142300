"""Batch scoring: which rows a champion scores, and when."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from titleholder.spec.cadence import Schedule
from titleholder.spec.source import QUERY_FILE
from titleholder.spec.sql import BoundQuery
from titleholder.spec.types import LIVE, AssetName, Duration, Lane, StrictModel


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
