"""The task that asks people whether a challenger, or a former version, may become champion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Param, timezone

if TYPE_CHECKING:
    from titleholder.spec.promotion import Approval
    from titleholder.workflow.payloads import ApprovalRequest, ProposedDecision

DOC = """Ask the people whom the spec names whether the challenger, or a former version, may become champion, where the
proposal needs it.

Answer under *Required Actions*.

**Promises.** Only those named can answer, and no one for a run of their own unless the spec allows it. No answer means
no. A yes is void when the champion changed, or a newer challenger was decided, since people were asked.

**When it is red.** PostgreSQL or MLflow is down: clear the task, and people are asked again. A no is no error.
"""


class Approve(ApprovalOperator):
    """Returns the proposal it got; with the people's answer where the proposal asks for one.

    Unlike its parent it never skips the tasks after it: a no, or no answer, is a decision that the ledger records.
    """

    template_fields = ("proposed",)  # a request's text is no template

    def __init__(self, *, proposed: Any, approval: Approval, **options: Any) -> None:
        comment = Param(  # nullable: Airflow's user interface accepts no answer while a plain string is empty
            None, type=["null", "string"], maxLength=500, title="Comment", description_md="Kept in the ledger."
        )
        within = timedelta(seconds=approval.within.total_seconds())  # Airflow cannot serialise a subclass
        super().__init__(
            subject="May the proposed version become champion?",
            defaults=self.REJECT,
            response_timeout=within,
            doc_md=DOC,
            **{**options, "params": {"comment": comment}},  # Airflow passes the DAG's own form here
        )
        self.proposed, self.within = proposed, within

    def execute(self, context: Any) -> Any:
        """Ask and wait; return the proposal as it is where no one need be asked."""
        from titleholder.settings import Settings
        from titleholder.workflow import steps
        from titleholder.workflow.payloads import ProposedDecision

        proposed = ProposedDecision.model_validate(self.proposed)
        request = steps.ask(proposed, settings=Settings.from_environment())
        if request is None:
            return self.proposed
        if not request.asked:
            return _with_answer(proposed, {"asked": (), "answer": "none"})
        self._prepare(request, proposed)
        return super().execute(context)

    def _prepare(self, request: ApprovalRequest, proposed: ProposedDecision) -> None:
        until = timezone.utcnow() + self.within
        self.subject, self.body = request.subject, request.body
        self.assigned_users = [{"id": p.id, "name": p.name} for p in request.asked]
        self.notice_facts = {
            "as_of": proposed.challenger.snapshot.as_of,
            "challenger_version": proposed.challenger.version,
            "recalled": proposed.recalled,
            "by": [p.name for p in request.asked],
            "until": f"{until:%Y-%m-%d %H:%M} UTC",
            "reason": proposed.reason,
            "links": {"Model card": request.card},
        }

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """The proposal with the answer and who gave it, or with the fact that there was none."""
        from titleholder.workflow import decision_policy
        from titleholder.workflow.payloads import ProposedDecision

        response = HITLOperator.execute_complete(self, context, event)
        proposed = ProposedDecision.model_validate(self.proposed)
        snapshot = proposed.challenger.snapshot
        approval = snapshot.spec.promotion.approval  # the spec of this run, not the file as it is now
        asked = () if approval == "automatic" else decision_policy.approvers(approval, snapshot.origin.actor)
        person = response["responded_by_user"]
        return _with_answer(
            proposed,
            {
                "asked": tuple(p.name for p in asked),
                "answer": ("approve" if self.APPROVE in response["chosen_options"] else "reject") if person else "none",
                "by": person["name"] if person else "",
                "at": response["responded_at"],
                "comment": response["params_input"].get("comment") or "",
            },
        )


def _with_answer(proposed: ProposedDecision, answer: dict[str, Any]) -> dict[str, Any]:
    from titleholder.ledger.decision import Answer

    return proposed.model_copy(update={"answer": Answer.model_validate(answer)}).model_dump(mode="json")
