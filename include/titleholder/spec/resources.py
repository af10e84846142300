"""Where a candidate is trained, and with how much: in the words of Airflow's scheduler and executors."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from titleholder.spec.types import StrictModel

Named = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,249}$")]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
"""An amount as Kubernetes writes it: `500m`, `4`, `32Gi`."""
Image = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-/:@]{0,499}$")]


class Pod(StrictModel):
    """The pod of a Kubernetes executor, where it is to differ from that of other tasks.

    Memory and processors are both what is reserved and what it may use: a training that takes more is ended.

    >>> Pod(memory="32Gi", cpu="8").memory
    '32Gi'
    """

    memory: Quantity | None = None
    cpu: Quantity | None = None
    image: Image | None = None
    node_selector: dict[Named, Named] = Field(default={}, max_length=50)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.memory or self.cpu or self.image or self.node_selector):
            raise ValueError("an empty pod: set memory, cpu, image or node_selector, or leave it out")
        return self


class Resources(StrictModel):
    """Where a candidate is trained, and with how much. What is left out is as for every other task.

    >>> Resources(queue="training", pool_slots=2)
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... pool_slots needs a pool, and none is named...
    """

    queue: Named | None = None
    """Of the Celery executor: workers that listen to it take the training."""
    pool: Named | None = None
    """A pool that exists in Airflow; without one the training waits for no other."""
    pool_slots: int = Field(default=1, ge=1, le=10_000)
    priority_weight: int | None = Field(default=None, ge=1, le=1_000_000)
    pod: Pod | None = None

    @model_validator(mode="after")
    def _slots_of_a_pool(self) -> Self:
        if self.pool_slots > 1 and self.pool is None:
            raise ValueError("pool_slots needs a pool, and none is named")
        return self
