"""What the six verbs hand to one another: small and frozen, so that it can travel through XCom and the ledger."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from titleholder.policy import Kind
from titleholder.snapshots import Snapshot
from titleholder.verdict import Verdict


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
    """A judged challenger and what is to be done about it."""

    challenger: Challenger
    verdict: Verdict
    kind: Kind
    reason: str
