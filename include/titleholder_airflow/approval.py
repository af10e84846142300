"""The tasks that ask people: whether a challenger, or a former version, may become champion, and about a rollback."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Param, timezone

from titleholder.plain_text import TYPED, one_line
from titleholder_airflow.tasks import longest, settings

if TYPE_CHECKING:
    from titleholder.spec.model import ModelSpec
    from titleholder.spec.promotion import Approval, Person
    from titleholder.workflow.payloads import ApprovalRequest, ProposedDecision, RollbackOrder

DOC = """Ask the people whom the spec names whether the challenger, or a former version, may become champion, where the
proposal needs it.

Answer under *Required Actions*.

**Promises.** Only those named can answer, and no one for a run of their own unless the spec allows it. No answer means
no. A yes is void when the champion changed, or a newer challenger was decided, since people were asked.

**When it is red.** PostgreSQL or MLflow is down: clear the task, and people are asked again. A no is no error.
"""

ROLLBACK_DOC = """Ask the people whom the spec names (`promotion.rollback_approval`) whether it may take place.

Answer under *Required Actions*.

**Promises.** Only those named can answer, and no one for a run of their own unless the spec allows it. No answer means
no. A yes is for the two versions that the request names, and void when another version became champion meanwhile, or
when the spec does not name that person any more.

**When it is red.** PostgreSQL or MLflow is down: clear the task, and people are asked again. A no is no error.
"""


class Asking(ApprovalOperator, ABC):
    """Returns the proposal it got; with the people's answer where the proposal asks for one.

    Unlike its parent it never skips the tasks after it: a no, or no answer, is an answer like any other.
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
        self.proposed, self.within = proposed, within

    @abstractmethod
    def request(self, proposed: Any) -> ApprovalRequest | None:
        """What people are to be asked; None where they need not be."""

    @abstractmethod
    def facts(self, proposed: Any) -> dict[str, Any]:
        """What the notification says about the proposal; see `approval_message`."""

    @abstractmethod
    def read(self) -> Any:
        """The proposal as a payload."""

    @abstractmethod
    def asked(self, proposed: Any) -> tuple[Person, ...]:
        """Who was asked."""

    def execute(self, context: Any) -> Any:
        """Ask and wait; return the proposal as it is where no one need be asked."""
        proposed = self.read()
        request = self.request(proposed)
        if request is None:
            return self.proposed
        if not request.asked:
            return _with_answer(proposed, {"asked": (), "answer": "none"})
        until = timezone.utcnow() + self.within
        self.subject, self.body = request.subject, request.body
        self.assigned_users = [{"id": p.id, "name": p.name} for p in request.asked]
        self.notice_facts = {
            **self.facts(proposed),
            "by": [p.name for p in request.asked],
            "until": f"{until:%Y-%m-%d %H:%M} UTC",
            "links": {"Model card": request.card},
        }
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """The proposal with the answer and who gave it, or with the fact that there was none."""
        response = HITLOperator.execute_complete(self, context, event)
        proposed = self.read()
        person = response["responded_by_user"]
        return _with_answer(
            proposed,
            {
                "asked": tuple(p.name for p in self.asked(proposed)),
                "answer": ("approve" if self.APPROVE in response["chosen_options"] else "reject") if person else "none",
                "by": person["name"] if person else "",
                "at": response["responded_at"],
                "comment": one_line(response["params_input"].get("comment") or ""),
            },
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

    def read(self) -> ProposedDecision:
        """The proposal of `validate`."""
        from titleholder.workflow.payloads import ProposedDecision

        return ProposedDecision.model_validate(self.proposed)

    def asked(self, proposed: ProposedDecision) -> tuple[Person, ...]:
        """By the spec of this run, not the file as it is now."""
        from titleholder.workflow import decision_policy

        snapshot = proposed.challenger.snapshot
        approval = snapshot.spec.promotion.approval
        return () if approval == "automatic" else decision_policy.approvers(approval, snapshot.origin.actor)


class ApproveRollback(Asking):
    """Asks whether a former champion may become champion again."""

    def __init__(self, *, spec: ModelSpec, **options: Any) -> None:
        super().__init__(subject="May the rollback take place?", doc_md=ROLLBACK_DOC, **options)
        self.spec = spec

    def request(self, proposed: RollbackOrder) -> ApprovalRequest | None:
        """The question about both versions."""
        from titleholder.workflow import steps

        return steps.ask_to_roll_back(self.spec, proposed, settings=settings())

    def facts(self, proposed: RollbackOrder) -> dict[str, Any]:
        """Both versions."""
        versions = {"challenger_version": proposed.leaving, "rolled_back_to": proposed.to}
        return {"as_of": "", **versions, "reason": proposed.reason}

    def read(self) -> RollbackOrder:
        """The order of `request`."""
        from titleholder.workflow.payloads import RollbackOrder

        return RollbackOrder.model_validate(self.proposed)

    def asked(self, proposed: RollbackOrder) -> tuple[Person, ...]:
        """By the spec when the rollback was requested; an edit since then makes nobody an approver of this one."""
        return proposed.approvers or ()


def _with_answer(proposed: Any, answer: dict[str, Any]) -> dict[str, Any]:
    from titleholder.ledger.decision import Answer

    found: dict[str, Any] = proposed.model_copy(update={"answer": Answer.model_validate(answer)}).model_dump(
        mode="json"
    )
    return found
