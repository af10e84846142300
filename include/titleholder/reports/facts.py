"""What the ledger knows of a decision beside its verdict, and how a decision is told in two lines."""

from __future__ import annotations

from datetime import date, datetime
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from titleholder import formatting
from titleholder.spec.windows import Intervals
from titleholder.validation.verdict import Verdict

PROPOSED = "proposed "
"""A kind that begins so has not been decided yet."""


class Facts(BaseModel):
    """What the ledger knows of a decision and the verdict does not.

    `kind` is what was decided, or `proposed ` and what may be. `lineage` maps labels to values, `links` labels to
    addresses (only http and https become links), `environment` packages to versions.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    description: str
    owner: str
    as_of: date
    lane: str
    kind: str
    reason: str
    actor: str
    asked_because: str = ""
    decision_id: int | None = None
    sequence: int | None = None
    decided_at: datetime | None = None
    challenger_version: int
    spans: Intervals
    lineage: dict[str, str] = {}
    links: dict[str, str] = {}
    environment: dict[str, str] = {}

    @property
    def proposed(self) -> bool:
        """Whether nothing has been decided yet."""
        return self.kind == "ask" or self.kind.startswith(PROPOSED)

    @property
    def action(self) -> str:
        """The kind without `proposed `."""
        return self.kind.removeprefix(PROPOSED)


def what(facts: Facts, verdict: Verdict) -> str:
    """What was decided, or is proposed, in one line."""
    return f"{facts.model} as of {facts.as_of} (lane {facts.lane}): {outcome(facts, verdict)}"


def outcome(facts: Facts, verdict: Verdict) -> str:
    """What becomes of the challenger and of whoever reigns."""
    reign = verdict.champion
    return formatting.outcome(
        facts.action,
        facts.challenger_version,
        reign.version if reign else None,
        proposed=facts.kind.startswith(PROPOSED),
    )


def addresses(facts: Facts) -> dict[str, str]:
    """The links that may be followed: http and https only."""
    return {label: url for label, url in facts.links.items() if followed(url)}


def followed(url: str) -> bool:
    """Whether an address becomes a link: http and https only."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
