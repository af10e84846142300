"""One `<model>.rollback` DAG for every spec in include/models: a form that gives an earlier champion its place back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, dag, get_current_context, get_parsing_context

from titleholder.spec.loader import load_specs
from titleholder_airflow import forms
from titleholder_airflow.notify import announcing
from titleholder_airflow.tasks import actor, may_crown, retries, settings, step, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from titleholder.ledger.queries import Reigned
    from titleholder.spec.model import ModelSpec

DOC = """
### Give an earlier champion of {name} its place back

The predecessor by default, or any version that was champion before: the form lists them, and Airflow refuses others.
The list follows the ledger within a minute or two; while the ledger does not answer, the field takes any number. Trains
nothing and judges nothing: the ledger gets a row of kind `rollback` with your name and reason, then the registry's
alias follows.

**Promises.** The version that goes is barred: no challenger wins that was trained on nothing newer. Only force
brings it back. Clearing a run of this DAG does not roll back again; trigger a new one.

**When it is red.** The request made no sense (the log says what would), or PostgreSQL or MLflow is away: then clear
the task.

Owner: {owner}. Who reigned when: `titleholder history {name}`.
"""


def build(spec: ModelSpec, reigns: Sequence[Reigned] | None) -> DAG:
    """The rollback DAG of one model, whose form offers those who reigned, if that is known."""

    @dag(
        dag_id=f"{spec.name}.rollback",
        description=f"Give an earlier champion of {spec.name} its place back",
        doc_md=DOC.format(name=spec.name, owner=spec.owner),
        schedule=None,
        catchup=False,
        max_active_runs=1,
        params=forms.rollback(reigns),
        tags=["titleholder", "rollback"],
        default_args={"owner": spec.owner, **retries()},
        is_paused_upon_creation=False,
    )
    def rollback() -> None:
        roll_back.override(outlets=[may_crown(spec.name)], on_success_callback=announcing(spec))(spec.name)

    return rollback()


@step(task_id="rollback", priority_weight=1000)  # before any training that waits for a slot
def roll_back(model: str) -> dict[str, Any]:
    """Write the rollback: the ledger first, under the line's lock, then the registry's alias.

    **Promises.** One run rolls back once, however often the task is tried. A request that makes no sense changes
    nothing.

    **When it is red.** The request made no sense, and the log names the versions that can come back: start another run.
    Else PostgreSQL or MLflow is away: clear the task when it is back.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Rollback

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


def _wanted() -> str | None:
    """The one model whose DAG a task process asks for; None when all are wanted."""
    asked = get_parsing_context().dag_id
    return asked.removesuffix(".rollback") if asked else None


_models = load_specs(only=_wanted()).models
# Not in a task: Airflow holds a run's form to the DAG that the task's process reads, and whom a rollback has just
# brought back reigns now, and is no choice any more. The run could not be tried again.
_reigns = None if _wanted() else forms.reigns(_models)
for _spec in _models.values():
    globals()[f"{_spec.name}_rollback"] = build(_spec, _reigns and _reigns[_spec.name])
