"""Who approves a winner, how long a champion rests, and who is notified of what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from titleholder.spec.types import Address, Duration, ElapsedTime, Name, StrictModel, Words


class Person(StrictModel):
    """A user of Airflow whose id is not its name, as with the FAB auth manager, whose ids are numbers."""

    id: Words
    name: Words


class Approval(StrictModel):
    """Who must approve, and how long they have. Silence means no.

    >>> Approval(by=("ana", Person(id="7", name="ben")), within="2 days").people
    (Person(id='ana', name='ana'), Person(id='7', name='ben'))
    """

    by: Annotated[tuple[Words | Person, ...], Field(min_length=1, max_length=100)]
    within: ElapsedTime
    own_runs: bool = False
    """Whether somebody may approve the challenger of a run that they requested themselves."""

    @property
    def people(self) -> tuple[Person, ...]:
        """Who may approve."""
        return tuple(p if isinstance(p, Person) else Person(id=p, name=p) for p in self.by)


class Promotion(StrictModel):
    """How a winning challenger, or a former version that is recalled, takes over.

    >>> from datetime import date
    >>> date(2024, 1, 31) + Promotion(cooldown="1 month").cooldown
    datetime.date(2024, 2, 29)
    """

    approval: Literal["automatic"] | Approval = "automatic"
    rollback_approval: Literal["automatic"] | Approval = "automatic"
    """Who must approve a rollback before it takes place; it can only be requested in Airflow then."""
    cooldown: Duration | None = None
    """How long after a change of champion no other version may take over, by as-of dates."""


class Email(StrictModel):
    """Who gets e-mail, and the Airflow connection (SMTP) that sends it."""

    to: Annotated[tuple[Address, ...], Field(min_length=1, max_length=100)]
    connection: Name = "smtp_default"


class Slack(StrictModel):
    """The Airflow connection (Slack Incoming Webhook) that posts; the webhook belongs to one channel."""

    connection: Name = "slack_webhook_default"


class Notifications(StrictModel):
    """Who is notified of the decisions of live runs and of late runs; see `titleholder.workflow.notifications`.

    >>> Notifications(deadline="1 month")
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... a span of time is written as '30 minutes'...
    """

    deadline: ElapsedTime | None = None
    """How long after its start a run must have decided."""
    email: Email | None = None
    slack: Slack | None = None
