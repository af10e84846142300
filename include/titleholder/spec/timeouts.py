"""How long the query and the tasks of a run may take."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from titleholder.spec.types import ElapsedTime, StrictModel


class Timeouts(StrictModel):
    """What takes longer is ended, fails, and is tried again: nothing is decided, and the champion stays.

    >>> Timeouts(query="2 hours", task="1 hour")
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... query: 2 hours is longer than task, 1 hour...
    """

    query: ElapsedTime = ElapsedTime.parse("1 hour")
    """One statement in the warehouse: PostgreSQL ends the query itself, also when nobody waits for it any more."""
    task: ElapsedTime = ElapsedTime.parse("4 hours")
    """One try of any task but those below; people who are asked have the time of `approval.within`."""
    train: ElapsedTime = ElapsedTime.parse("12 hours")
    """One try of training a candidate, its search included."""

    @model_validator(mode="after")
    def _query_within_its_task(self) -> Self:
        if self.query > self.task:
            raise ValueError(f"query: {self.query} is longer than task, {self.task}, which waits for it")
        return self
