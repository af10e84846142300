"""One `<model>.retrain` DAG for every spec in include/models. `titleholder.workflow.steps` does the work."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseHook, TriggerRule, dag, get_current_context, get_parsing_context

from titleholder.spec.loader import load_specs
from titleholder_airflow import forms, urls
from titleholder_airflow.approval import Approve
from titleholder_airflow.notify import announcing, asking, deadline_of
from titleholder_airflow.tasks import actor, may_crown, retries, schedule_of, settings, step, tell

if TYPE_CHECKING:
    from titleholder.spec.model import ModelSpec

Reference = dict[str, Any]
"""A frozen reference of titleholder.workflow.steps as JSON: what travels through XCom."""

DOC = """
### {name}: {description}

Trains {candidates}, nominates the best, and lets it reign only when it beats the champion on rows that neither has
seen: {metric}, on the newest {holdout} of matured outcomes (final after {label_maturity}). {rule}

**Promises.** Whatever fails, the champion stays. A run that is repeated finds what it made before: no second
model version, no second decision. A backfill goes to the lane `backtest` and cannot move the live champion.

**When it is red.** *extract*: the warehouse is away, or the snapshot broke its contract; the log lists every violation.
*train*: that candidate does not fit; the others go on. *nominate*, *validate*, *promote*: MLflow or PostgreSQL is away.
Mend the cause, clear the task, and the run goes on where it was. "Not better" is not an error: the run is green, and
`titleholder history {name}` says why.

Owner: {owner}. Spec: `include/models/{name}.yaml`.
"""


RULES = {
    "single": "The lower {confidence:.0%} bound of the gain must exceed {minimum_gain:g}.",
    "sequential": "Over the new cohorts of the champion's reign together, the challengers must be shown to gain more "
    "than {minimum_gain:g} ({confidence:.0%}, whenever one looks).",
}


def build(spec: ModelSpec) -> DAG:
    """The retrain DAG of one model."""

    @dag(
        dag_id=f"{spec.name}.retrain",
        description=spec.description,
        doc_md=_doc(spec),
        schedule=schedule_of(spec),
        start_date=datetime.combine(spec.start_date, time(), tzinfo=UTC),
        end_date=datetime.combine(spec.end_date, time(), tzinfo=UTC) if spec.end_date else None,
        catchup=False,
        max_active_runs=4,
        params=forms.retrain(spec),
        deadline=deadline_of(spec),
        tags=["titleholder", spec.task],
        default_args={"owner": spec.owner, **retries()},
    )
    def retrain() -> None:
        snapshot = extract(spec.name)
        candidates = train.expand_kwargs(snapshot)
        challenger = nominate(candidates)
        judged = validate(challenger)
        ruled = decide(judged)
        if (approval := spec.promotion.approval) != "automatic":
            ruled = Approve(task_id="approve", ruled=ruled, approval=approval, notifiers=asking(spec)).output
        promote.override(outlets=[may_crown(spec.name)], on_success_callback=announcing(spec))(ruled)

    return retrain()


@step
def extract(model: str) -> list[Reference]:
    """Read what was known at as_of, and no later, into an immutable snapshot that keeps its contract.

    Gives the snapshot once for each candidate that the form left on: what `train` is mapped over.

    **Promises.** Nothing is trained on rows that break the contract. Equal rows give an equal file, so a second try
    finds the first one's snapshot and MLflow run.

    **When it is red.** The form made no sense, or the rows broke the contract: the log says what would do, or lists
    every violation. Start another run with better values, or mend the SQL, the YAML or the data and clear the task.
    Else the warehouse or MLflow is away: clear the task when it is back.
    """
    from titleholder.errors import UsageError
    from titleholder.spec.windows import resolve_as_of
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Origin

    context = get_current_context()
    run, form = context["dag_run"], context["params"]
    spec = load_specs(only=model)[model]
    backfill = run.run_type == "backfill"
    if backfill and (form["lane"] == "live" or form["as_of"]):
        raise UsageError(
            "a backfill takes each tick's own date as as_of, and any lane but live; leave both fields empty"
        )
    snapshot = steps.extract(
        model,
        resolve_as_of(form["as_of"], run.data_interval_end, run.run_after),
        form["lane"] or ("backtest" if backfill else "live"),
        url=BaseHook.get_connection(spec.source.connection).get_uri(),
        candidates=forms.candidates(spec, form),
        origin=Origin(
            actor=actor(run),
            airflow_run=f"{run.dag_id}/{run.run_id}",
            reason=form["reason"] or "",
            url=urls.run(run.dag_id, run.run_id),
            decisions=urls.decisions(),
        ),
        settings=settings(),
    )
    return [{"snapshot": snapshot.model_dump(mode="json"), "name": name} for name in snapshot.candidates]


@step(map_index_template="{{ task.op_kwargs['name'] }}")
def train(snapshot: Reference, name: str) -> Reference:
    """Search and fit one candidate on time-ordered folds.

    **Promises.** It sees no row of the holdout. The same snapshot and seed give the same model. A second try goes on in
    the MLflow run that the first one began, and a model that was logged is not trained again.

    **When it is red.** This candidate does not fit; the log says why, and the others go on without it. Mend the spec
    and start another run. To have it judged in this one, clear it before `nominate` has run.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Snapshot

    return steps.train(Snapshot.model_validate(snapshot), name, settings=settings()).model_dump(mode="json")


@step(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
def nominate(candidates: list[Reference]) -> Reference:
    """Register the best candidate as a model version: the challenger.

    **Promises.** The best score on the folds wins; the candidate named first wins a tie. The same candidates give one
    version, however often the task is tried. Candidates that failed are left out.

    **When it is red.** No candidate could be trained (see `train`), or MLflow is away: clear the task when it is back.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Trained

    trained = [Trained.model_validate(c) for c in candidates if c]
    return steps.nominate(trained, settings=settings()).model_dump(mode="json")


@step
def validate(challenger: Reference) -> Reference:
    """Judge challenger against champion on the same rows, which neither has seen.

    **Promises.** Every check of the spec is run and says in one sentence what it found. Nothing is changed by it.

    **When it is red.** MLflow, PostgreSQL or the snapshots' store is away: clear the task when it is back. When the log
    says that the spec or a snapshot changed, start another run. A challenger that is not better is no error.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Challenger

    return steps.validate(Challenger.model_validate(challenger), settings=settings()).model_dump(mode="json")


@step
def decide(judged: Reference) -> Reference:
    """Rule on the verdict: promote, keep, reject, or ask a person.

    **Promises.** The ruling follows from the verdict, the spec and the ledger, and nothing else. It is not in force
    before `promote` has written it.

    **When it is red.** PostgreSQL is away, or the spec changed during the run: the log says which. Clear the task, or
    start another run.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Judged

    return steps.decide(Judged.model_validate(judged), settings=settings()).model_dump(mode="json")


@step
def promote(ruled: Reference) -> Reference:
    """Write the decision: the ledger first, under the line's lock, then the registry's alias.

    **Promises.** One decision for a challenger, however often the task is tried; never two champions. A challenger
    whose champion changed meanwhile is judged anew first.

    **When it is red.** PostgreSQL or MLflow is away, or another run held the line's lock for ten minutes: clear the
    task. What the ledger has stands; the next try lets the alias and MLflow follow.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Ruled

    return tell(steps.promote(Ruled.model_validate(ruled), settings=settings()))


def _doc(spec: ModelSpec) -> str:
    rule = RULES[spec.judgement.rule].format(**spec.judgement.model_dump())
    return DOC.format(
        name=spec.name, description=spec.description, owner=spec.owner, candidates=", ".join(spec.training.candidates),
        holdout=spec.windows.holdout, label_maturity=spec.windows.label_maturity,
        metric=spec.judgement.metric, rule=rule + _asked(spec),
    )  # fmt: skip


def _asked(spec: ModelSpec) -> str:
    approval = spec.promotion.approval
    if approval == "automatic":
        return ""
    people = ", ".join(p.name for p in approval.people)
    return f" Then one of {people} must approve within {approval.within}; silence means no."


def _wanted() -> str | None:
    """The one model whose DAG a task process asks for; None when all are wanted."""
    asked = get_parsing_context().dag_id
    return asked.removesuffix(".retrain") if asked else None


for _spec in load_specs(only=_wanted()).models.values():
    globals()[f"{_spec.name}_retrain"] = build(_spec)
