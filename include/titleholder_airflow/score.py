"""The `<model>.score` DAG: the champion, pinned from the ledger, scores the rows of a window."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, Asset, dag, get_current_context

from titleholder.plain_text import markdown
from titleholder.spec.loader import load_specs
from titleholder_airflow import forms, versions
from titleholder_airflow.schedule import scoring_schedule_of
from titleholder_airflow.tasks import champion_asset, connection_url, origin, settings, step, task_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from titleholder.ledger.queries import ReignRecord
    from titleholder.spec.model import ModelSpec

log = logging.getLogger(__name__)
Reference = dict[str, Any]
SUMMARY = {"id", "model", "lane", "as_of", "role", "version", "decision", "rows"}
"""What tasks hand on of a scoring run, and what its assets say."""

DOC = """
### Score with the champion of {name}

The champion of the lane `{lane}` scores the events of the {window} before the as-of date, which the query `{query}`
returns. The scores are in the table `titleholder.scores` of the ledger's database, the run in `titleholder.score_runs`,
the newest score of each entity in the view `titleholder.current_scores`.

**Promises.** The version comes from the ledger, once at the beginning of the run: a champion that changes meanwhile
changes the next run. A run and all its scores are written together, or nothing is. A repeated run finds its result. A
backfill of past days scores with the champion of those days and changes no decision.{shadow}

**When it is red.** *score*: the rows broke their contract; the log lists every violation. Otherwise the warehouse,
MLflow or PostgreSQL is down: clear the task when it is back. Without a champion nothing is scored, *score* is skipped
and the run is green.

Owner: {owner}. All runs: `titleholder scores {name}`.
"""


SHADOW = """ Afterwards the {number} newest challengers score the same
rows in shadow: as runs of their own, which `current_scores` leaves out."""


def scores_asset(model: str) -> Asset:
    """What other DAGs schedule on: it is updated by every run that has scored rows."""
    return Asset(name=f"{model}.scores", uri=f"titleholder://{model}/scores")


def days_asset(model: str) -> Asset:
    """The same for DAGs with a partitioned schedule; the key is the as-of date.

    It is an asset of its own, because Airflow starts no DAG with an ordinary schedule for an event with a key.
    """
    return Asset(name=f"{model}.scores.days", uri=f"titleholder://{model}/scores/days")


def build(spec: ModelSpec, folder: Path, reigns: Sequence[ReignRecord] | None) -> DAG | None:  # noqa: ARG001
    """The scoring DAG of a model whose spec is in `folder`; None where the spec has no section `scoring`."""
    if (scoring := spec.scoring) is None:
        return None

    @dag(
        dag_id=f"{spec.name}.score",
        description=f"Score with the champion of {spec.name}",
        doc_md=DOC.format(
            name=spec.name,
            owner=markdown(spec.owner),
            lane=scoring.lane,
            window=scoring.window,
            query=scoring.query,
            shadow=SHADOW.format(number=scoring.shadow) if scoring.shadow else "",
        ),
        schedule=scoring_schedule_of(spec, champion_asset(spec.name)),
        catchup=False,
        max_active_runs=4,
        params=forms.score(spec),
        tags=["titleholder", "scoring"],
        default_args=task_arguments(spec),
        **versions.KEPT_VERSION,
    )
    def score_with_champion() -> None:
        pinned = pin(spec.name, str(folder))
        scored = score.override(outlets=[scores_asset(spec.name), days_asset(spec.name)])(pinned)
        if scoring.shadow:
            scored >> shadow(pinned)

    return score_with_champion()


@step
def pin(model: str, models: str) -> Reference:
    """Read from the ledger which version is champion of the lane at the as-of date.

    Reads the model's spec from the folder `models`; the next task takes both from what this one hands on.

    **Promises.** Nothing is changed. Which version scores is settled here: a try of the next task that is repeated
    scores with the same one.

    **When it is red.** The form has an invalid value or an unknown key, or the as-of date lies in the future: start
    another run. Otherwise PostgreSQL is down: clear the task when it is back.
    """
    from titleholder.data.scoring_contract import scoring_of
    from titleholder.spec.windows import resolve_as_of
    from titleholder.workflow import batch_scoring

    context = get_current_context()
    run, form = context["dag_run"], context["params"]
    spec = load_specs(Path(models), only=model)[model]
    forms.refuse_unknown(run.conf, forms.score(spec))
    pinned = batch_scoring.pin(
        spec,
        resolve_as_of(form["as_of"], run.data_interval_end, run.run_after),
        form["lane"] or scoring_of(spec).lane,
        url=connection_url(spec.source.connection),
        origin=origin(context),
        settings=settings(),
    )
    return pinned.model_dump(mode="json")


@step
def score(pinned: Reference) -> Reference:
    """Score the rows of the query with the pinned version, and write the run with all its scores.

    **Promises.** Rows that break their contract are not scored. The run and its scores are written in one transaction:
    a try that is killed leaves nothing, a repeated one finds the result. Then the asset of the scores is updated.

    **When it is red.** The rows broke their contract, and the log lists every violation: fix the SQL or the data and
    clear the task. Otherwise the warehouse, MLflow or PostgreSQL is down: clear it when that is back. It is skipped
    where the lane had no champion.
    """
    from titleholder.workflow import batch_scoring
    from titleholder.workflow.payloads import PinnedVersion

    taken = PinnedVersion.model_validate(pinned)
    if taken.version is None:
        raise AirflowSkipException(f"{taken.no_champion}: nothing is scored")
    spec = taken.spec
    run = batch_scoring.score(taken, url=connection_url(spec.source.connection), settings=settings())
    summary = run.model_dump(mode="json", include=SUMMARY)
    events = get_current_context()["outlet_events"]
    for asset in (scores_asset(spec.name), days_asset(spec.name)):
        events[asset].extra = summary
    versions.add_partition(events[days_asset(spec.name)], str(run.as_of))
    return summary


@step
def shadow(pinned: Reference) -> Reference:
    """Let the pinned challengers score the rows of the champion's run, each as a run of its own.

    **Promises.** The champion's scores are there already and stay as they are. A challenger that cannot score, because
    its model is gone or needs a column that the rows lack, is in the log and in what this task returns, under `failed`;
    the task is green. A repeated try finds the runs that are there.

    **When it is red.** MLflow, PostgreSQL or the store of the snapshots is down, or the snapshot of the champion's run
    is gone: clear the task when it is back.
    """
    from titleholder.workflow import shadow_scoring
    from titleholder.workflow.payloads import PinnedVersion

    found = shadow_scoring.shadow(PinnedVersion.model_validate(pinned), settings=settings())
    return {
        "runs": [run.model_dump(mode="json", include=SUMMARY) for run in found.runs],
        "failed": [one.model_dump() for one in found.failed],
    }
