"""What the six verbs hand to one another: small and frozen, so that it can travel through XCom and the ledger."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from titleholder.data.snapshots import Snapshot
from titleholder.ledger.decision import Answer
from titleholder.spec.model import Person
from titleholder.validation.verdict import Verdict
from titleholder.workflow.policy import Kind


class Reference(BaseModel):
    """What all of them are: frozen."""

    model_config = ConfigDict(frozen=True)


class Trained(Reference):
    """A fitted candidate: where its model is, and its score on time-ordered folds."""

    snapshot: Snapshot
    name: str
    run_id: str
    model_uri: str
    score: float


class Challenger(Reference):
    """The best candidate, registered as a model version."""

    snapshot: Snapshot
    name: str
    run_id: str
    version: int
    trained_through: date


class Judged(Reference):
    """A challenger and what was found about it."""

    challenger: Challenger
    verdict: Verdict


class Ruled(Reference):
    """A judged challenger and what is to be done about it.

    `head` is the sequence number of the lane's last decision when it was ruled: what an approval is good for.
    """

    challenger: Challenger
    verdict: Verdict
    kind: Kind
    reason: str
    head: int = 0
    answer: Answer | None = None


class Question(Reference):
    """What people are asked about a challenger: who may answer, and the report as Markdown."""

    subject: str
    body: str
    asked: tuple[Person, ...]


class Rollback(Reference):
    """Who wants which version back, and why.

    `to` is None for the predecessor; `leaving`, where given, must be the version that reigns, or nothing is done;
    `force` allows a version that was rolled back itself.
    """

    reason: str
    actor: str
    to: int | None = None
    leaving: int | None = None
    force: bool = False
    run: str = ""
