"""What the steps hand to one another: small and frozen, so that it can travel through XCom."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from titleholder.ledger.decision import Answer
from titleholder.ledger.nominee import Nominee
from titleholder.plain_text import typed
from titleholder.settings import code_version
from titleholder.spec.model import ModelSpec
from titleholder.spec.promotion import Person
from titleholder.spec.training import Choice
from titleholder.spec.types import LIVE
from titleholder.spec.windows import Intervals
from titleholder.validation.evidence import UnfitCandidate
from titleholder.validation.verdict import Verdict
from titleholder.workflow.decision_policy import Kind

Reason = Annotated[str, AfterValidator(lambda text: typed("the reason", text))]
"""What a person typed; UsageError for control characters."""
CarriedSpec = Annotated[
    ModelSpec, BeforeValidator(lambda value: ModelSpec.restore(value) if isinstance(value, dict) else value)
]
"""A spec, which travels in the form in which the ledger keeps it."""


class Payload(BaseModel):
    """What all of them are: frozen."""

    model_config = ConfigDict(frozen=True)


class Bundle(Payload):
    """A version of the files from which Airflow reads its DAGs, such as a commit of a Git bundle.

    >>> str(Bundle(name="models", version="3f2a9c1"))
    'models at 3f2a9c1'
    """

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} at {self.version}"


class Origin(Payload):
    """Who or what asked for a run, and why, and where people see more of it; and from which DAG bundle it runs.

    `requesters` are the people whom the run goes back to besides `actor`, None where it may be anybody: they may not
    approve it. `url` is the address of the Airflow run, `decisions` what a decision's number is appended to for the
    address of its page; both are for MLflow's pages only, never for the ledger.
    """

    actor: str
    requesters: tuple[str, ...] | None = ()
    airflow_run: str = ""
    reason: Reason = ""
    url: str = ""
    decisions: str = ""
    bundle: Bundle | None = None

    @property
    def code_version(self) -> str:
        """The version of the code, and of the DAG bundle."""
        return code_version(str(self.bundle or ""))


class Donor(Payload):
    """An earlier version whose searched parameters a run tries first; never its scores, which are from other rows.

    >>> Donor.model_validate_json('{"version": 3, "candidate": "trees", "params": {"depth": 4, "rate": 4.0}}').params
    {'depth': 4, 'rate': 4.0}
    """

    version: int
    candidate: str
    params: dict[str, Choice]


class Snapshot(Payload):
    """A reference to the rows of one run, and what the run is.

    `donors` are there where the spec has a warm start. It carries the spec as it was read by `extract`: a file that is
    edited in the middle of a run changes the next one.
    """

    spec: CarriedSpec
    lane: str
    as_of: date
    spans: Intervals
    candidates: tuple[str, ...]
    uri: str
    sha256: str
    rows: int
    key: str
    run_id: str
    origin: Origin
    donors: tuple[Donor, ...] = ()

    @property
    def model(self) -> str:
        """The model's name."""
        return self.spec.name


class PinnedChallenger(Payload):
    """A challenger that scores beside the champion, and the first decision about it."""

    version: int
    decision: int


class PinnedVersion(Payload):
    """The version with which a scoring run scores, and what the run is; None where the lane has no champion.

    `decision` made it champion, `trained_by` is the one about it as a challenger, which says how it was trained.
    `challengers` score the same rows beside it, the newest first.
    """

    spec: CarriedSpec
    lane: str
    as_of: date
    origin: Origin
    version: int | None = None
    decision: int | None = None
    trained_by: int | None = None
    challengers: tuple[PinnedChallenger, ...] = ()

    @property
    def no_champion(self) -> str:
        """A clause for the case that there is none."""
        when = f"at the end of {self.as_of}" if self.lane == LIVE else f"as of {self.as_of}"
        return f"{self.spec.name} had no champion in lane {self.lane} {when}"


class TrainedCandidate(Payload):
    """A fitted candidate: where its model is, and its score on time-ordered folds."""

    snapshot: Snapshot
    nominee: Nominee
    score: float

    @property
    def name(self) -> str:
        """Which candidate of the spec it is."""
        return self.nominee.name


class Challenger(Payload):
    """The best candidate that was not found unfit, registered as a model version.

    `ranking` has all candidates of the run, the best first; `unfit` are those at its head that were judged before this
    one, on the same rows, and `also_unfit` those after it, where all are unfit and this one stays.
    """

    snapshot: Snapshot
    name: str
    version: int
    trained_through: date
    ranking: tuple[Nominee, ...]
    unfit: tuple[UnfitCandidate, ...] = ()
    also_unfit: tuple[UnfitCandidate, ...] = ()

    @property
    def nominee(self) -> Nominee:
        """Its own models and training run."""
        return next(nominee for nominee in self.ranking if nominee.name == self.name)

    @property
    def is_last(self) -> bool:
        """Whether no other candidate of the run comes after this one."""
        return len(self.unfit) + 1 >= len(self.ranking)

    def at(self, version: int, verdict: Verdict) -> Self:
        """The challenger of the same run with this version, judged as this verdict says."""
        others = {"unfit": verdict.unfit, "also_unfit": verdict.also_unfit}
        if version == self.version:
            return self.model_copy(update=others)
        nominee = self.ranking[len(verdict.unfit)]
        return self.model_copy(update={"name": nominee.name, "version": version, **others})


class ValidatedChallenger(Payload):
    """A challenger and what was found about it."""

    challenger: Challenger
    verdict: Verdict


class ProposedDecision(Payload):
    """A validated challenger and what is to be done about it.

    `head` is the sequence number of the lane's last decision when it was proposed: an approval holds for that one.
    `if_approved` is what follows from a yes where people are asked.
    """

    challenger: Challenger
    verdict: Verdict
    kind: Kind
    reason: str
    if_approved: Kind = "promote"
    head: int = 0
    answer: Answer | None = None

    @property
    def recalled(self) -> int | None:
        """The former version that is to become champion, with an approval or without; None where none is."""
        kind = self.if_approved if self.kind == "ask" else self.kind
        return self.verdict.recall.version if kind == "recall" and self.verdict.recall else None


class ApprovalRequest(Payload):
    """What people are asked: who may answer, the report as Markdown, and the model card's address, if there is one."""

    subject: str
    body: str
    asked: tuple[Person, ...]
    card: str = ""


class RollbackOrder(Payload):
    """Who wants which version back, and why.

    `requesters` are as in `Origin`. `to` is None for the predecessor; `leaving`, where given, must be the champion, or
    nothing is done; `force` allows a version that was rolled back itself. `approvers` are those whom the spec named
    when the rollback was requested, None where nobody need approve; `answer` is theirs.
    """

    reason: Reason
    actor: str
    requesters: tuple[str, ...] | None = ()
    to: int | None = None
    leaving: int | None = None
    force: bool = False
    run: str = ""
    bundle: Bundle | None = None
    approvers: tuple[Person, ...] | None = None
    answer: Answer | None = None
