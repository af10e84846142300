"""The facts of a decision besides its verdict, and its headline."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from titleholder import formatting
from titleholder.plain_text import is_linkable
from titleholder.spec.windows import Intervals
from titleholder.validation.checks import docs_url
from titleholder.validation.verdict import Verdict

PROPOSED = "proposed "
"""The prefix of a kind that has not been decided yet."""


class Facts(BaseModel):
    """What the ledger knows about a decision and the verdict does not.

    `kind` is the kind of the decision, or `proposed ` and the kind it may become. `recalled` is the former version
    that became champion, or does so with an approval; None where it is none. `lineage` maps labels to values,
    `links` labels to addresses (only http and https become links), `environment` packages to versions. `docs_base`
    is the address of the documentation's folder; without it, the codes of checks are plain text. `refitted`: the
    challenger was judged by its twin, see `refit_note`. `remarks` are sentences
    about the windows and the tables, see `titleholder.spec.windows.remarks`. `known_after` maps
    the features that are known later than the event to how long after it; `scoring_delay` is the longest.

    >>> facts = Facts.model_construct(kind="proposed promote")
    >>> facts.proposed, facts.action
    (True, 'promote')
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
    recalled: int | None = None
    refitted: bool = False
    known_after: dict[str, str] = {}
    scoring_delay: str = ""
    remarks: tuple[str, ...] = ()
    spans: Intervals
    lineage: dict[str, str] = {}
    links: dict[str, str] = {}
    environment: dict[str, str] = {}
    docs_base: str = ""

    @property
    def proposed(self) -> bool:
        """Whether nothing has been decided yet."""
        return self.kind == "ask" or self.kind.startswith(PROPOSED)

    @property
    def action(self) -> str:
        """The kind without `proposed `."""
        return self.kind.removeprefix(PROPOSED)

    @property
    def refit_note(self) -> str:
        """What is in use and what was judged, where they are not the same model; else empty."""
        if not self.refitted:
            return ""
        return (
            f"Judged before the refit: version {self.challenger_version} was refitted on all rows before "
            f"{self.spans.matured}, the judged ones included, and this refit is what its users get. Every figure here "
            "is of the model before it, the same pipeline and parameters fitted on rows before "
            f"{self.spans.holdout_start}; so are those of a refitted champion."
        )

    @property
    def delay_note(self) -> str:
        """How long scoring must wait after an event, and for which features; empty where all are known then."""
        if not self.known_after:
            return ""
        late = ", ".join(f"{name} ({delay})" for name, delay in self.known_after.items())
        return f"Scoring must wait {self.scoring_delay} after the event: some features are known later: {late}."

    def documentation(self, code: str) -> str:
        """The address of the section about a check in the documentation."""
        return formatting.docs_address(self.docs_base, docs_url(code))


def headline(facts: Facts, verdict: Verdict) -> str:
    """The decision, or the proposal, in one line."""
    return f"{facts.model} as of {facts.as_of} (lane {facts.lane}): {outcome(facts, verdict)}"


def outcome(facts: Facts, verdict: Verdict) -> str:
    """What happens to the challenger and the champion."""
    reign = verdict.champion
    return formatting.outcome(
        facts.action,
        facts.challenger_version,
        reign.version if reign else None,
        recalled=facts.recalled,
        proposed=facts.kind.startswith(PROPOSED),
    )


def safe_links(facts: Facts) -> dict[str, str]:
    """The links with an http or https address."""
    return {label: url for label, url in facts.links.items() if is_linkable(url)}
