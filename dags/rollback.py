"""One `<model>.rollback` DAG for every spec in include/models: a form that gives an earlier champion its place back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, dag, get_current_context, get_parsing_context

from lifecycle_ui.notices import announcing
from lifecycle_ui.tasks import actor, may_crown, retries, settings, step, tell
from titleholder.specfiles import load_specs

if TYPE_CHECKING:
    from titleholder.spec import ModelSpec

DOC = """
### Give an earlier champion of {name} its place back

The predecessor by default, or any version that was champion before. Trains nothing and judges nothing: the ledger gets
a row of kind `rollback` with your name and reason, then the registry's alias follows.

**What it promises.** The version that goes is barred: no challenger wins that was trained on nothing newer. Only force
brings it back. Clearing a run of this DAG does not roll back again; trigger a new one.

**When it is red.** The request made no sense (the log says what would), or PostgreSQL or MLflow is away: then clear
the task.

Owner: {owner}. Who reigned when: `titleholder history {name}`.
"""


def build(spec: ModelSpec) -> DAG:
    """The rollback DAG of one model."""

    @dag(
        dag_id=f"{spec.name}.rollback",
        description=f"Give an earlier champion of {spec.name} its place back",
        doc_md=DOC.format(name=spec.name, owner=spec.owner),
        schedule=None,
        catchup=False,
        max_active_runs=1,
        params=_form(),
        tags=["titleholder", "rollback"],
        default_args={"owner": spec.owner, **retries()},
        is_paused_upon_creation=False,
    )
    def rollback() -> None:
        roll_back.override(outlets=[may_crown(spec.name)], on_success_callback=announcing(spec))(spec.name)

    return rollback()


@step(task_id="rollback", priority_weight=1000)  # before any training that waits for a slot
def roll_back(model: str) -> dict[str, Any]:
    """Write the rollback: the ledger first, under the line's lock, then the registry's alias."""
    from titleholder import steps
    from titleholder.references import Rollback

    context = get_current_context()
    run, form = context["dag_run"], context["params"]
    order = Rollback(
        reason=form["reason"],
        actor=actor(run),
        to=form["to"],
        leaving=form["leaving"],
        force=form["force"],
        run=f"{run.dag_id}/{run.run_id}",
    )
    return tell(steps.rollback(model, order, settings=settings()))


def _form() -> dict[str, Param]:
    """What a person fills in under Trigger; the reason must be given."""
    return {
        "reason": Param(
            type="string", minLength=3, maxLength=500, title="Reason",
            description_md="Kept in the ledger, with your name.",
        ),
        "to": Param(
            None, type=["null", "integer"], minimum=1, title="To version",
            description_md="A version that was champion before. Empty: the predecessor of the one that reigns.",
        ),
        "leaving": Param(
            None, type=["null", "integer"], minimum=1, title="Only if this version reigns",
            description_md="The run fails and changes nothing if another one has taken over. Empty: whichever reigns.",
        ),
        "force": Param(
            False, type="boolean", title="Force",
            description_md="Also bring back a version that was rolled back itself.",
        ),
    }  # fmt: skip


def _wanted() -> str | None:
    """The one model whose DAG a task process asks for; None when all are wanted."""
    asked = get_parsing_context().dag_id
    return asked.removesuffix(".rollback") if asked else None


for _spec in load_specs(only=_wanted()).models.values():
    globals()[f"{_spec.name}_rollback"] = build(_spec)
