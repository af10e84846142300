"""The `<model>.retrain` DAG: one task per step of `titleholder.workflow.steps`, which does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, TaskGroup, TriggerRule, dag, get_current_context

from titleholder.plain_text import markdown
from titleholder.spec.metrics import METRICS
from titleholder_airflow import bundles, forms, versions
from titleholder_airflow.approval import Approve
from titleholder_airflow.links import DecisionLink, MlflowRunLink, ModelVersionLink
from titleholder_airflow.notify import approval_notifiers, deadline_of, decision_callbacks
from titleholder_airflow.placement import InTask
from titleholder_airflow.schedule import schedule_of
from titleholder_airflow.tasks import (
    champion_outlet,
    connection_url,
    longest,
    origin,
    publish,
    settings,
    step,
    task_arguments,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from titleholder.ledger.queries import ReignRecord
    from titleholder.spec.model import ModelSpec
    from titleholder_airflow.placement import Placement

Reference = dict[str, Any]
"""A payload of `titleholder.workflow.payloads` as JSON: what travels through XCom, signed (`signing`)."""

DOC = """
### {name}: {description}

Trains {candidates} and nominates the best as challenger. The challenger becomes champion only when it beats the
champion on rows that neither has seen: {metric}, on the newest {holdout} of matured outcomes (final after
{label_maturity}). {rule}

**Promises.** Whatever fails, the champion stays. A repeated run finds what it made before: no second model version, no
second decision. A backfill goes to the lane `backtest` and cannot change the live champion. A run whose form has an
as-of date goes to the lane `what-if`, unless its form also says `live`. A run by hand works on any day, also when the
schedule has ended.

**When it is red.** *extract*: the warehouse is down, or the snapshot broke its contract; the log lists every violation.
*train*: that candidate cannot be fitted; the others continue. *nominate*, *validate*, *promote*: MLflow or PostgreSQL
is down. *report*: the decision stands, only its model card is missing. Fix the cause and clear the task; the run
continues from there. Where a result (XCom) is not what its task handed on, the log says which task to clear. "Not
better" is not an error: the run is green, and `titleholder history {name}` says why.

Owner: {owner}.
"""

RULES = {
    "record": "The challenger must be better by more than {minimum_gain:g} on the holdout. On the record of all "
    "versions it must be expected to do better in use, and the probability that it loses more than {loss:g}{unit} must "
    "not exceed {error:.0%}. A former version of which more is expected is recalled.",
    "fresh": "The challenger must be better by more than {minimum_gain:g} on the holdout, and shown not to be worse "
    "than the champion by {loss:g}{unit} (at {confidence:.0%}, one-sided).",
    "sequential": "Over the new cohorts of the champion's reign together, the gain must be shown to exceed "
    "{minimum_gain:g} (at {confidence:.0%}, valid at every look).",
}


def build(spec: ModelSpec, folder: Path, reigns: Sequence[ReignRecord] | None, place: Placement | None = None) -> DAG:
    """The retrain DAG of a model whose spec is in `folder`; its form names the last of `reigns` as champion.

    Its steps run where `place` says, by default in their tasks.
    """
    run = (place or InTask()).task

    @dag(
        dag_id=f"{spec.name}.retrain",
        description=spec.description,
        doc_md=_doc(spec),
        schedule=schedule_of(spec),
        catchup=False,
        max_active_runs=4,
        params=forms.retrain(spec, reigns),
        deadline=deadline_of(spec),
        tags=["titleholder", spec.task],
        default_args=task_arguments(spec),
        **versions.KEPT_VERSION,
    )
    def retrain() -> None:
        snapshot = run(extract, spec.name, str(folder))
        with TaskGroup("train", tooltip="The candidates, side by side"):
            candidates = [
                run(
                    train, snapshot, name,
                    task_id=name, execution_timeout=longest(spec.timeouts.train),
                    needs=spec.training.resources_of(name),
                )
                for name in spec.training.candidates
            ]  # fmt: skip
        challenger = run(nominate, candidates)
        proposed = run(validate, challenger)
        if (approval := spec.promotion.approval) != "automatic":
            proposed = Approve(
                task_id="approve", proposed=proposed, approval=approval, notifiers=approval_notifiers(spec)
            ).output
        decision = run(
            promote, proposed,
            outlets=[champion_outlet(spec.name)], on_success_callback=decision_callbacks(spec),
        )  # fmt: skip
        run(report, decision)

    return retrain()


@step(links=(MlflowRunLink(),))
def extract(model: str, models: str) -> Reference:
    """Read what was known at as_of, and no later, into an immutable snapshot that fulfils its contract.

    Reads the model's spec from the folder `models`; every later task takes it from the snapshot, which also names the
    candidates that the form left switched on.

    **Promises.** Nothing is trained on rows that break the contract. Equal rows give an equal file, so a retry finds
    the first try's snapshot and MLflow run.

    **When it is red.** The form has an invalid value or an unknown key, or the rows broke the contract: the log names
    what is valid, or lists every violation. Start another run with valid values, or fix the SQL, the YAML or the data
    and clear the task. Otherwise the warehouse or MLflow is down: clear the task when it is back.
    """
    from titleholder.workflow import steps
    from titleholder_airflow import orders

    spec, order = orders.extract(model, models, get_current_context())
    snapshot = steps.extract(
        spec,
        order.as_of,
        order.lane,
        url=connection_url(spec.source.connection),
        candidates=order.candidates,
        origin=order.origin,
        settings=settings(),
    )
    return snapshot.model_dump(mode="json")


@step(links=(MlflowRunLink(),))
def train(snapshot: Reference, name: str) -> Reference | None:
    """Search and fit one candidate on time-ordered folds; nothing where the form switched it off.

    **Promises.** It sees no row of the holdout. The same snapshot and seed give the same model. A retry continues in
    the MLflow run that the first try opened, and a model that was logged is not trained again.

    **When it is red.** This candidate cannot be fitted; the log says why, and the others continue without it. Fix the
    spec and start another run. To have the candidate judged in this run, clear the task before `nominate` has run.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Snapshot
    from titleholder_airflow import orders

    if orders.switched_off(snapshot, name):
        return None
    taken = Snapshot.model_validate(snapshot)
    trained = steps.train(taken, name, settings=settings(), connections=connection_url)
    return trained.model_dump(mode="json")


@step(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS, links=(MlflowRunLink(), ModelVersionLink()))
def nominate(candidates: list[Reference]) -> Reference:
    """Register the best candidate as a model version: the challenger.

    **Promises.** The best score on the folds, by the metric of the search, wins; the candidate that the spec names
    first wins a tie. The same candidates give one version, however often the task is tried. Candidates that failed are
    left out.

    **When it is red.** No candidate could be trained (see `train`), or MLflow is down: clear the task when it is back.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import TrainedCandidate

    trained = [TrainedCandidate.model_validate(c) for c in candidates if c]
    return steps.nominate(trained, settings=settings()).model_dump(mode="json")


@step(links=(MlflowRunLink(), ModelVersionLink()))
def validate(challenger: Reference) -> Reference:
    """Judge challenger against champion on the same rows, which neither has seen, and propose what follows.

    A challenger that is unfit for use (too badly calibrated, for example) gives way to the next candidate. What is
    proposed is to promote, to keep, to reject, to recall a former version, or to ask a person.

    **Promises.** Every check of the spec runs and explains its result in one sentence. The proposal follows from the
    verdict, the spec and the ledger, and nothing else; it is not in force before `promote` has written it. When another
    candidate was judged before on the same rows, the verdict says so and demands more.

    **When it is red.** MLflow, PostgreSQL or the snapshots' storage is down: clear the task when it is back. When the
    log says that a snapshot changed, start another run. A challenger that is not better is no error.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Challenger

    return steps.propose(Challenger.model_validate(challenger), settings=settings()).model_dump(mode="json")


@step(links=(MlflowRunLink(), ModelVersionLink(), DecisionLink()))
def promote(proposed: Reference) -> Reference:
    """Write the decision: to the ledger first, then to the registry's alias.

    **Promises.** One decision for a challenger, however often the task is tried; never two champions. When the
    champion changed meanwhile, the challenger is re-judged first. Nothing is decided where the DAG bundle is another
    version than it was for `extract`.

    **When it is red.** PostgreSQL or MLflow is down, or other runs kept writing to the lane: clear the task. What is in
    the ledger stands; the next try makes the alias follow it.
    """
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import ProposedDecision

    taken = ProposedDecision.model_validate(proposed)
    bundles.refuse_changed(taken, get_current_context()["ti"])
    return publish(steps.promote(taken, settings=settings()))


@step
def report(decision: Reference) -> None:
    """Write the decision to its MLflow run and model version as tags and note, and attach the model card.

    **Promises.** It changes neither ledger nor alias: the decision and the champion stand, whether it succeeds or
    fails. A retry writes the same report again.

    **When it is red.** MLflow, PostgreSQL or the snapshots' storage is down, or the card could not be drawn: the log
    says which. The decision stands without its card; clear the task when the cause is fixed.
    """
    from titleholder.workflow import steps

    steps.report(decision["id"], origin=origin(get_current_context()), settings=settings())


def _doc(spec: ModelSpec) -> str:
    judgement = spec.judgement
    share_of = METRICS[judgement.metric].share_of
    unit = f" of {share_of}" if share_of else ""
    limits = {"loss": judgement.tolerance, "unit": unit, "error": 1 - judgement.confidence}
    rule = RULES[judgement.rule].format(**judgement.model_dump(), **limits)
    return DOC.format(
        name=spec.name, description=markdown(spec.description), owner=markdown(spec.owner),
        candidates=", ".join(spec.training.candidates),
        holdout=spec.windows.holdout, label_maturity=spec.windows.label_maturity,
        metric=spec.judgement.metric, rule=rule + _approval(spec),
    )  # fmt: skip


def _approval(spec: ModelSpec) -> str:
    approval = spec.promotion.approval
    if approval == "automatic":
        return ""
    people = ", ".join(markdown(p.name) for p in approval.people)
    own = "" if approval.own_runs else ", and not whoever asked for the run"
    return f" Then one of {people} must approve within {approval.within}{own}; no answer means no."
