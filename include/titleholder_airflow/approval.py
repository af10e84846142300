"""The task that asks people whether a challenger may become champion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Param, timezone

if TYPE_CHECKING:
    from titleholder.spec.model import Approval
    from titleholder.workflow.payloads import Question, Ruled

DOC = """Ask the people whom the spec names whether the challenger may become champion, where the ruling needs it.

Answer under *Required Actions*.

**Promises.** Only those named can answer, and nobody for a run of their own unless the spec allows it. No answer means
no. A yes is void when the champion changed, or a newer challenger was decided, since the question.

**When it is red.** PostgreSQL or MLflow is down: clear the task, and people are asked again. A no is no error.
"""


class Approve(ApprovalOperator):
    """Returns the ruling it got; with the people's answer where the ruling asks for one.

    Unlike its parent it never skips the tasks after it: a no, or no answer, is a decision that the ledger records.
    """

    template_fields = ("ruled",)  # a question's text is no template

    def __init__(self, *, ruled: Any, approval: Approval, **options: Any) -> None:
        comment = Param(  # nullable: Airflow's user interface accepts no answer while a plain string is empty
            None, type=["null", "string"], maxLength=500, title="Comment", description_md="Kept in the ledger."
        )
        super().__init__(
            subject="May the challenger become champion?",
            defaults=self.REJECT,
            response_timeout=timedelta(seconds=approval.within.total_seconds()),  # Airflow cannot serialise a subclass
            doc_md=DOC,
            **{**options, "params": {"comment": comment}},  # Airflow passes the DAG's own form here
        )
        self.ruled, self._approval = ruled, approval

    def execute(self, context: Any) -> Any:
        """Ask and wait; return the ruling as it is where nobody need be asked."""
        from titleholder.settings import Settings
        from titleholder.workflow import steps
        from titleholder.workflow.payloads import Ruled

        ruled = Ruled.model_validate(self.ruled)
        question = steps.ask(ruled, settings=Settings.from_environment())
        if question is None:
            return self.ruled
        if not question.asked:
            return _with_answer(ruled, {"asked": (), "answer": "none"})
        self._prepare(question, ruled)
        return super().execute(context)

    def _prepare(self, question: Question, ruled: Ruled) -> None:
        until = timezone.utcnow() + self.response_timeout
        self.subject, self.body = question.subject, question.body
        self.assigned_users = [{"id": p.id, "name": p.name} for p in question.asked]
        self.notice_facts = {
            "as_of": ruled.challenger.snapshot.as_of,
            "challenger_version": ruled.challenger.version,
            "by": [p.name for p in question.asked],
            "until": f"{until:%Y-%m-%d %H:%M} UTC",
        }

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """The ruling with the answer and who gave it, or with the fact that nobody did."""
        from titleholder.workflow import policy
        from titleholder.workflow.payloads import Ruled

        response = HITLOperator.execute_complete(self, context, event)
        ruled = Ruled.model_validate(self.ruled)
        asked = policy.approvers(self._approval, ruled.challenger.snapshot.origin.actor)
        person = response["responded_by_user"]
        return _with_answer(
            ruled,
            {
                "asked": tuple(p.name for p in asked),
                "answer": ("approve" if self.APPROVE in response["chosen_options"] else "reject") if person else "none",
                "by": person["name"] if person else "",
                "at": response["responded_at"],
                "comment": response["params_input"].get("comment") or "",
            },
        )


def _with_answer(ruled: Ruled, answer: dict[str, Any]) -> dict[str, Any]:
    from titleholder.ledger.decision import Answer

    return ruled.model_copy(update={"answer": Answer.model_validate(answer)}).model_dump(mode="json")
