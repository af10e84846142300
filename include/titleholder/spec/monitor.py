"""Monitoring a champion in use: what counts as an alarm, and whether an alarm asks for a retrain."""

from __future__ import annotations

from pydantic import Field

from titleholder.spec.types import Count, Duration, StrictModel


class AskForRetrain(StrictModel):
    """How often the alarms of the live lane may start the DAG `<model>.retrain`. Nothing is promoted by it.

    >>> AskForRetrain().per_year
    4
    """

    cooldown: Duration = Duration.parse("3 months")
    """At least this time lies between two requests, and between a live decision and the request after it."""
    per_year: int = Field(default=4, ge=1, le=366)
    """At most so many requests in the 12 months before an as-of date."""


class Monitor(StrictModel):
    """What the DAG `<model>.monitor` does, which follows every scoring run. Without this section there is none.

    >>> Monitor().ask_for_retrain is None
    True
    """

    false_alarms: float = Field(default=0.05, gt=0.0, lt=1.0)
    """The chance of any false alarm in the whole reign of a champion; half for drift, half for its performance."""
    persistence: int = Field(default=2, ge=1, le=100)
    """So many looks in a row must show a drift before it is an alarm."""
    minimum_rows: Count = Field(default=200, ge=1)
    """Scored rows wait for later ones until there are so many; then they are one look."""
    minimum_psi: float = Field(default=0.1, ge=0.0, le=10.0)
    """A drift with a smaller population stability index than this is no alarm."""
    tolerated_shortfall: float | None = Field(default=None, ge=0.0, lt=1.0)
    """What the realised metric may lack of the promise; null: the tolerated loss of `judgement`, in the same unit."""
    ask_for_retrain: AskForRetrain | None = None
    """Whether a new alarm of the live lane asks for a retrain."""
