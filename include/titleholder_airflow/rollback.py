"""The `<model>.rollback` DAG: a form that makes an earlier champion champion again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, dag, get_current_context

from titleholder.plain_text import markdown
from titleholder.spec.loader import load_specs
from titleholder_airflow import bundles, forms, versions
from titleholder_airflow.approval import ApproveRollback
from titleholder_airflow.links import DecisionLink, ModelVersionLink
from titleholder_airflow.notify import approval_notifiers, decision_callbacks
from titleholder_airflow.requesters import requesters
from titleholder_airflow.tasks import actor, champion_outlet, publish, settings, step, task_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from titleholder.ledger.queries import ReignRecord
    from titleholder.spec.model import ModelSpec
    from titleholder.workflow.payloads import RollbackOrder

DOC = """
### Make an earlier champion of {name} champion again

The predecessor by default, or any version that was champion before: the form lists them, and Airflow refuses others.
The list follows the ledger within a minute or two; while the ledger does not answer, the field takes any number.
Nothing is trained or judged: the ledger gets a row of kind `rollback` with your name and reason, then the registry's
alias follows.{approval}

**Promises.** The version that is rolled back is barred: no challenger wins that was trained on nothing newer. Only
force brings it back. Clearing a run of this DAG does not roll back again; trigger a new one.

**When it is red.** The request is invalid (the log names what is valid), or PostgreSQL or MLflow is down: then clear
the task when it is back.

Owner: {owner}. All reigns: `titleholder history {name}`.
"""


def build(spec: ModelSpec, folder: Path, reigns: Sequence[ReignRecord] | None) -> DAG:
    """The rollback DAG of a model whose spec is in `folder`.

    Its form offers the versions of `reigns`, or any number where that is None.
    """

    @dag(
        dag_id=f"{spec.name}.rollback",
        description=f"Make an earlier champion of {spec.name} champion again",
        doc_md=DOC.format(name=spec.name, owner=markdown(spec.owner), approval=_approval(spec)),
        schedule=None,
        catchup=False,
        max_active_runs=1,
        params=forms.rollback(reigns),
        tags=["titleholder", "rollback"],
        default_args=task_arguments(spec),
        is_paused_upon_creation=False,
        **versions.KEPT_VERSION,
    )
    def rollback() -> None:
        order = None
        if (approval := spec.promotion.rollback_approval) != "automatic":
            order = ApproveRollback(
                task_id="approve", spec=spec, proposed=request(spec.name, str(folder)), approval=approval,
                notifiers=approval_notifiers(spec),
            ).output  # fmt: skip
        roll_back.override(outlets=[champion_outlet(spec.name)], on_success_callback=decision_callbacks(spec))(
            spec.name, str(folder), order
        )

    return rollback()


def _approval(spec: ModelSpec) -> str:
    approval = spec.promotion.rollback_approval
    if approval == "automatic":
        return ""
    people = ", ".join(markdown(p.name) for p in approval.people)
    return f" First one of {people} must approve within {approval.within}; no answer means no, and nothing changes."


@step(priority_weight=1000)  # before any training that waits for a slot
def request(model: str, models: str) -> dict[str, Any]:
    """Read the form: which version is to give way to which, and why; and the spec: who may approve it.

    **Promises.** Nothing is changed. An invalid request fails before anybody is asked.

    **When it is red.** The request is invalid, and the log names the versions that can come back: start another run.
    Otherwise PostgreSQL is down: clear the task when it is back.
    """
    from titleholder.workflow import interventions

    spec = load_specs(Path(models), only=model).models.get(model)  # a broken one must not stop a rollback
    return interventions.order_rollback(model, _order(), settings=settings(), spec=spec).model_dump(mode="json")


@step(task_id="rollback", priority_weight=1000, links=(ModelVersionLink(), DecisionLink()))
def roll_back(model: str, models: str, order: dict[str, Any] | None) -> dict[str, Any]:
    """Write the rollback: to the ledger first, under the lane's lock, then to the registry's alias.

    **Promises.** One run rolls back once, however often the task is tried. An invalid request changes nothing. Where
    people must approve and did not, a row of kind `decline` says so, and nothing else changes.

    **When it is red.** The request is invalid, and the log names the versions that can come back: start another run.
    Otherwise PostgreSQL or MLflow is down: clear the task when it is back.
    """
    from titleholder.workflow import interventions
    from titleholder.workflow.payloads import RollbackOrder

    spec = load_specs(Path(models), only=model).models.get(model)  # a broken one must not stop a rollback
    wanted = RollbackOrder.model_validate(order) if order else _order()
    return publish(interventions.rollback(model, wanted, settings=settings(), spec=spec))


def _order() -> RollbackOrder:
    """What the form of the run says."""
    from titleholder.workflow.payloads import RollbackOrder

    context = get_current_context()
    run, form = context["dag_run"], context["params"]
    forms.refuse_unknown(run.conf, forms.rollback(None))
    return RollbackOrder(
        reason=form["reason"],
        actor=actor(run),
        requesters=requesters(run),
        to=form["to"],
        leaving=form["leaving"],
        force=form["force"],
        run=f"{run.dag_id}/{run.run_id}",
        bundle=bundles.current(context["ti"]),
    )
