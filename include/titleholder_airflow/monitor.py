"""The `<model>.monitor` DAG: looks at the champion in use after every scoring run."""

from __future__ import annotations

import logging
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import DAG, Asset, AssetAlias, dag, get_current_context

from titleholder.plain_text import markdown
from titleholder.spec.loader import load_specs
from titleholder.spec.types import LANE_PATTERN
from titleholder_airflow import forms, versions
from titleholder_airflow.notify import alarm_callbacks
from titleholder_airflow.schedule import monitor_schedule_of
from titleholder_airflow.score import scores_asset
from titleholder_airflow.tasks import connection_url, origin, settings, step, task_arguments, wanted_asset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from titleholder.ledger.monitor_reports import MonitorRecord
    from titleholder.ledger.queries import ReignRecord
    from titleholder.spec.model import ModelSpec

log = logging.getLogger(__name__)
Reference = dict[str, Any]

DOC = """
### Monitor the champion of {name}

Each scoring run is looked at: have the features or the score drifted, what performance do the scores lead to expect,
and does the performance that came true keep the promise of the promotion? Reports are in the table
`titleholder.monitor_reports` of the ledger's database.

**Promises.** While nothing changes, the chance of any alarm in the whole reign of a champion is at most
{false_alarms:.0%}. Only cohorts of which all outcomes are final count. Nothing is trained or promoted; {asks}. A
repeated run finds its report.

**When it is red.** `look`: the input of a scoring run is gone, or the warehouse, MLflow or PostgreSQL is down: the log
says which. Clear the task when it is back. `outcomes`: the report stands without outcomes, which could not be read; so
is every run until they can be. Where nothing was scored the run is green, and says so in the log.

Owner: {owner}. What stands now: `titleholder monitor {name}`.
"""


def alarms_asset(model: str) -> Asset:
    """What other DAGs schedule on: it is updated when a new alarm stands in the lane that the spec scores."""
    return Asset(name=f"{model}.alarms", uri=f"titleholder://{model}/alarms")


def build(spec: ModelSpec, folder: Path, reigns: Sequence[ReignRecord] | None) -> DAG | None:  # noqa: ARG001
    """The monitoring DAG of a model whose spec is in `folder`; None where the spec has no section `monitor`."""
    if (monitor := spec.monitor) is None:
        return None
    rule = monitor.ask_for_retrain
    asks = (
        f"an alarm of the lane live may start {spec.name}.retrain, at most {rule.per_year} times a year"
        if rule
        else "no alarm starts a retrain"
    )

    @dag(
        dag_id=f"{spec.name}.monitor",
        description=f"Monitor the champion of {spec.name}",
        doc_md=DOC.format(name=spec.name, owner=markdown(spec.owner), false_alarms=monitor.false_alarms, asks=asks),
        schedule=monitor_schedule_of(spec, scores_asset(spec.name)),
        catchup=False,
        max_active_runs=4,
        params=forms.monitor(spec),
        tags=["titleholder", "monitoring"],
        default_args=task_arguments(spec),
        **versions.KEPT_VERSION,
    )
    def monitor_champion() -> None:
        outlets = [AssetAlias(alarms_asset(spec.name).name), AssetAlias(wanted_asset(spec.name).name)]
        looked = look.override(
            outlets=outlets, max_active_tis_per_dag=1, on_success_callback=alarm_callbacks(spec)
        )(spec.name, str(folder))  # fmt: skip
        outcomes(looked)

    return monitor_champion()


class Target(NamedTuple):
    """What is to be looked at."""

    lane: str
    as_of: date


def targets(run: Any, form: dict[str, Any], usual: str) -> list[Target]:
    """What a run looks at: what its form says, else what the scoring runs that started it have scored, else its own
    date in the `usual` lane. Of several scoring runs of a lane, the newest as-of date has them all. The usual lane is
    the last one."""
    from titleholder.spec.windows import resolve_as_of

    events = [] if form["as_of"] or form["lane"] else getattr(run, "consumed_asset_events", None) or []
    newest: dict[str, date] = {}
    for event in events:
        if found := _scored(event, run.dag_id):
            newest[found.lane] = max(found.as_of, newest.get(found.lane, found.as_of))
    if newest:
        return sorted((Target(*one) for one in newest.items()), key=lambda one: (one.lane == usual, one))
    return [Target(form["lane"] or usual, resolve_as_of(form["as_of"], run.data_interval_end, run.run_after))]


def _scored(event: Any, monitor: str) -> Target | None:
    """What the event of a scoring run says; None where no run of the model's scoring DAG made it.

    An event by hand may name any day, such as one in the future, which would end the look at what was scored.
    """
    if event.source_dag_id != f"{monitor.removesuffix('.monitor')}.score":
        return None
    lane, as_of = (event.extra or {}).get("lane"), (event.extra or {}).get("as_of")
    try:
        day = date.fromisoformat(str(as_of))
    except ValueError:
        return None
    return Target(str(lane), day) if isinstance(lane, str) and re.fullmatch(LANE_PATTERN, lane) else None


@step
def look(model: str, models: str) -> Reference:
    """Look at what was scored since the look before, and write what stands to the ledger.

    Reads the model's spec from the folder `models`.

    **Promises.** A repeated try finds the report of the first. Nothing is trained, decided or promoted. The asset of
    the alarms is updated when a new one stands; that of a wanted retrain where the ledger's row asks for one. Outcomes
    that cannot be used, such as rows that break the data contract, cost the look nothing but the part that needs them:
    the report says so, and what the task returns, under `without_outcomes`. Where scoring runs of several lanes started
    it, a lane that cannot be looked at is an error in the log and in what the task returns, under `failed`, and does
    not keep the lane of the spec from being looked at.

    **When it is red.** The form has an invalid value or an unknown key, or the as-of date lies in the future: start
    another run. The input of a scoring run is gone: restore it from a backup. Otherwise the warehouse, MLflow or
    PostgreSQL is down: clear the task when it is back.
    """
    from titleholder.data.scoring_contract import scoring_of
    from titleholder.errors import DataError, UsageError, one_line
    from titleholder.workflow.monitoring import run as monitoring

    context = get_current_context()
    run, form = context["dag_run"], context["params"]
    spec = load_specs(Path(models), only=model)[model]
    forms.refuse_unknown(run.conf, forms.monitor(spec))
    usual, backfill = scoring_of(spec).lane, run.run_type == "backfill"
    url, here, where = connection_url(spec.source.connection), origin(context), settings()
    found: list[MonitorRecord] = []
    failed: list[str] = []
    without: list[str] = []
    wanted = targets(run, dict(form), usual)
    for lane, as_of in wanted:
        try:
            record = monitoring.run(spec, as_of, lane, url=url, origin=here, settings=where, backfill=backfill)
        except (DataError, UsageError) as error:
            if lane == wanted[-1].lane:
                raise
            failed.append(f"lane {lane}, as of {as_of}: {one_line(error)}")
            log.error("%s, %s. The looks at the other lanes go on.", model, failed[-1])  # noqa: TRY400
            continue
        if record is None:
            log.info("%s, lane %s: nothing was scored until %s.", model, lane, as_of)
            continue
        log.info("%s, lane %s, as of %s: %s. %s", model, lane, as_of, record.state, record.report.reason)
        if record.report.unavailable:
            without.append(f"lane {lane}, as of {as_of}: {record.report.unavailable.sentence}")
        if record.airflow_run == here.airflow_run:  # another run's report is no news
            _announce(record, usual, backfill=backfill)
            found.append(record)
    lists = {"failed": failed, "without_outcomes": without}
    return {"reports": [record.id for record in found], **{name: said for name, said in lists.items() if said}}


@step
def outcomes(looked: Reference) -> None:
    """Whether the look had the outcomes that are final: it fails where it had not, with the reason.

    **Promises.** The report of the look stands, and its alarms were notified. A look without outcomes is no step of the
    evidence about performance: its budget holds, and a later look judges the months that are missing.

    **When it is red.** The training query fails, its rows break the data contract, or the input of a scoring run is
    gone: the log says which. Correct it, and clear `look`, or wait for the next run.
    """
    from titleholder.errors import DataError

    if without := looked.get("without_outcomes"):
        raise DataError("; ".join(without))


def _announce(record: MonitorRecord, usual: str, *, backfill: bool) -> None:
    """Update the assets. A try that is repeated may do it twice: consumers find what they made of the first."""
    events = get_current_context()["outlet_events"]
    about: dict[str, Any] = {"report": record.id, "lane": record.lane, "as_of": str(record.as_of)}
    if record.new_alarms and record.lane == usual and not backfill:
        asset = alarms_asset(record.model)
        events[AssetAlias(asset.name)].add(asset, extra={**about, "alarms": list(record.new_alarms)})
    if record.asks_retrain:
        asset = wanted_asset(record.model)
        events[AssetAlias(asset.name)].add(asset, extra=about)
