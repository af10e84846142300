"""The tasks that ask people: whether a challenger, or a former version, may become champion, and about a rollback."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Param, timezone
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import CreateHITLDetailPayload

from titleholder.errors import SignatureError, UsageError
from titleholder.plain_text import TYPED, one_line
from titleholder_airflow import signing, versions
from titleholder_airflow.tasks import longest, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from titleholder.spec.model import ModelSpec
    from titleholder.spec.promotion import Approval, Person
    from titleholder.workflow.payloads import ApprovalRequest, ProposedDecision, RollbackOrder

DOC = """Ask the people whom the spec names whether the challenger, or a former version, may become champion, where the
proposal needs it.

Answer under *Required Actions*.

**Promises.** Only those named can answer, and no one for a run that they asked for unless the spec allows it; where
that may have been anybody, nobody can. No answer means no. A yes is void when the champion changed, or a newer
challenger was decided, since people were asked. A no stands for the run, also when it is cleared.

**When it is red.** PostgreSQL or MLflow is down: clear the task, and people are asked again. Otherwise the log says
which result (XCom) is not what its task handed on, or that another run is needed to ask again. A no is no error.
"""

ROLLBACK_DOC = """Ask the people whom the spec names (`promotion.rollback_approval`) whether it may take place.

Answer under *Required Actions*.

**Promises.** Only those named can answer, and no one for a rollback that they requested unless the spec allows it. No
answer means no. A yes is for the two versions that the request names, and void when another version became champion
meanwhile, or when the spec does not name that person any more. A no stands for the run, also when it is cleared.

**When it is red.** PostgreSQL or MLflow is down: clear the task, and people are asked again. Otherwise the log says
which result (XCom) is not what its task handed on. A no is no error.
"""


class Asking(ApprovalOperator, ABC):
    """Returns the proposal it got; with the people's answer where the proposal asks for one.

    Unlike its parent it never skips the tasks after it: a no, or no answer, is an answer like any other.
    The proposal that it gets is verified, and what it returns is signed (see `signing`). The answer is that of
    Airflow's own record of the question, with which Airflow resumes the task; an XCom says nothing about it.
    """

    template_fields = ("proposed",)  # a request's text is no template

    def __init__(self, *, proposed: Any, approval: Approval, **options: Any) -> None:
        comment = Param(  # nullable: Airflow's user interface accepts no answer while a plain string is empty
            None,
            type=["null", "string"],
            maxLength=500,
            pattern=TYPED,
            title="Comment",
            description_md="Kept in the ledger.",
        )
        within = longest(approval.within)
        super().__init__(
            defaults=self.REJECT,
            response_timeout=within,
            execution_timeout=None,  # people have their own time
            **{**options, "params": {"comment": comment}},  # Airflow passes the DAG's own form here
        )
        self.proposed, self.source, self.within = proposed, signing.source(proposed), within

    @abstractmethod
    def request(self, proposed: Any) -> ApprovalRequest | None:
        """What people are to be asked; None where they need not be."""

    @abstractmethod
    def facts(self, proposed: Any) -> dict[str, Any]:
        """What the notification says about the proposal; see `approval_message`."""

    @abstractmethod
    def read(self, payload: Any) -> Any:
        """The proposal, of its payload."""

    @abstractmethod
    def asked(self, proposed: Any) -> tuple[Person, ...]:
        """Who was asked."""

    @abstractmethod
    def barred(self, proposed: Any) -> set[str]:
        """The users who asked for it, by the names that Airflow gives them, where they may not approve it."""

    @versions.final()
    def execute(self, context: Any) -> Any:
        """Ask and wait; return the proposal as it is where no one need be asked."""
        signing.need_key()
        payload = self.received(context)
        proposed = self.read(payload)
        request = self.request(proposed)
        if request is None:
            return self.handed_on(proposed, context)
        if not request.asked:
            return self.handed_on(_with_answer(proposed, {"asked": (), "answer": "none"}), context)
        until = timezone.utcnow() + self.within
        self.subject, self.body = request.subject, request.body
        self.assigned_users = [{"id": p.id, "name": p.name} for p in request.asked]
        self.notice_facts = {
            **self.facts(proposed),
            "by": [p.name for p in request.asked],
            "until": f"{until:%Y-%m-%d %H:%M} UTC",
            "links": {"Model card": request.card},
        }
        if context["ti"].try_number > 1:
            self.refuse_another_question(context)
        try:
            return super().execute(context)
        except versions.WAITING as waiting:
            waiting.kwargs = {"about": signing.digest(payload)}
            raise

    @versions.final()
    def execute_complete(self, context: Any, event: dict[str, Any], about: str = "") -> Any:
        """The proposal with the answer and who gave it, or with the fact that there was none.

        Raises:
            SignatureError: it is not the proposal `about` which people were asked.
        """
        response = HITLOperator.execute_complete(self, context, event)
        payload = self.received(context)
        if signing.digest(payload) != about:
            raise SignatureError(
                f"{self.task_id} of the run {context['ti'].dag_id}/{context['ti'].run_id} asked about another proposal "
                "than the one that is there now as its input (XCom): it was replaced by one of an earlier try. Clear "
                "the task that proposes and the tasks after it. Nothing was decided"
            )
        proposed, person = self.read(payload), response["responded_by_user"]
        asked = {p.id: p.name for p in self.asked(proposed)}
        if person and person["name"] in self.barred(proposed):  # a spec may call a user by another name than Airflow
            asked.pop(person["id"], None)
        answer = {
            "asked": tuple(asked.values()),
            "answer": ("approve" if self.APPROVE in response["chosen_options"] else "reject") if person else "none",
            "by": asked.get(person["id"], f"{person['name']} (id {person['id']})") if person else "",
            "at": response["responded_at"],
            "comment": one_line(response["params_input"].get("comment") or ""),
        }
        return self.handed_on(_with_answer(proposed, answer), context)

    def received(self, context: Any) -> Any:
        """The payload of the proposal, verified."""
        return signing.received(self.proposed, self.source, context["ti"])

    def handed_on(self, proposed: Any, context: Any) -> dict[str, Any]:
        """A proposal as it is handed on by this task."""
        return signing.sign(proposed.model_dump(mode="json"), signing.Place.of(context["ti"]))

    def refuse_another_question(self, context: Any) -> None:
        """Airflow 3.3.2 keeps text and people of a question that an earlier try of the task asked.

        Raises:
            UsageError: that was another question than this one.
        """
        question = CreateHITLDetailPayload(
            ti_id=context["ti"].id, options=self.options, subject=self.subject, body=self.body, defaults=self.defaults,
            params=self.serialized_params, assigned_users=self.assigned_users,
        )  # fmt: skip
        kept: Any = task_runner.SUPERVISOR_COMMS.send(question)
        if (kept.subject, kept.body, kept.assigned_users) != (question.subject, question.body, question.assigned_users):
            raise UsageError(
                f"{self.task_id} of the run {context['ti'].dag_id}/{context['ti'].run_id} was cleared, and asks about "
                "something else now, but Airflow would show the text of its earlier question. Start another run: what "
                "was trained is found again. Nothing was decided"
            )


class Approve(Asking):
    """Asks whether a challenger, or a former version, may become champion."""

    def __init__(self, **options: Any) -> None:
        super().__init__(subject="May the proposed version become champion?", doc_md=DOC, **options)

    def request(self, proposed: ProposedDecision) -> ApprovalRequest | None:
        """The question about the proposal, with its model card."""
        from titleholder.workflow import steps

        return steps.ask(proposed, settings=settings())

    def facts(self, proposed: ProposedDecision) -> dict[str, Any]:
        """The challenger, and the former version where one is to be recalled."""
        return {
            "as_of": proposed.challenger.snapshot.as_of,
            "challenger_version": proposed.challenger.version,
            "recalled": proposed.recalled,
            "reason": proposed.reason,
        }

    def read(self, payload: Any) -> ProposedDecision:
        """The proposal of `validate`."""
        from titleholder.workflow.payloads import ProposedDecision

        return ProposedDecision.model_validate(payload)

    def asked(self, proposed: ProposedDecision) -> tuple[Person, ...]:
        """By the spec of this run, not the file as it is now."""
        from titleholder.workflow import decision_policy

        snapshot = proposed.challenger.snapshot
        approval = snapshot.spec.promotion.approval
        if approval == "automatic":
            return ()
        return decision_policy.approvers(approval, snapshot.origin.actor, snapshot.origin.requesters)

    def barred(self, proposed: ProposedDecision) -> set[str]:
        """By the spec of this run."""
        origin = proposed.challenger.snapshot.origin
        return _barred(proposed.challenger.snapshot.spec.promotion.approval, origin.actor, origin.requesters)


class ApproveRollback(Asking):
    """Asks whether a former champion may become champion again."""

    def __init__(self, *, spec: ModelSpec, **options: Any) -> None:
        super().__init__(subject="May the rollback take place?", doc_md=ROLLBACK_DOC, **options)
        self.spec = spec

    def request(self, proposed: RollbackOrder) -> ApprovalRequest | None:
        """The question about both versions."""
        from titleholder.workflow import interventions

        return interventions.ask_to_roll_back(self.spec, proposed, settings=settings())

    def facts(self, proposed: RollbackOrder) -> dict[str, Any]:
        """Both versions."""
        versions = {"challenger_version": proposed.leaving, "rolled_back_to": proposed.to}
        return {"as_of": "", **versions, "reason": proposed.reason}

    def read(self, payload: Any) -> RollbackOrder:
        """The order of `request`."""
        from titleholder.workflow.payloads import RollbackOrder

        return RollbackOrder.model_validate(payload)

    def asked(self, proposed: RollbackOrder) -> tuple[Person, ...]:
        """By the spec when the rollback was requested; an edit since then makes nobody an approver of this one."""
        return proposed.approvers or ()

    def barred(self, proposed: RollbackOrder) -> set[str]:
        """By the DAG's spec."""
        return _barred(self.spec.promotion.rollback_approval, proposed.actor, proposed.requesters)


def _barred(approval: Approval | str, actor: str, requesters: Sequence[str] | None) -> set[str]:
    own_runs = not isinstance(approval, str) and approval.own_runs
    return set() if own_runs else {actor, *(requesters or ())}


def _with_answer(proposed: Any, answer: dict[str, Any]) -> Any:
    from titleholder.ledger.decision import Answer

    return proposed.model_copy(update={"answer": Answer.model_validate(answer)})
