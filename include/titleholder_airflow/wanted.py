"""A retrain that the monitor asked for: who asked, and why, comes from the ledger and not from the asset's event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from titleholder.settings import need
from titleholder_airflow.tasks import wanted_asset

if TYPE_CHECKING:
    from titleholder.workflow.payloads import Origin

LONGEST = 500
"""Characters of a reason."""


def origin(known: Origin, model: str, run: Any) -> Origin:
    """The origin of a run; where the monitor asked for it, with its report as the actor and its reason.

    Anybody who may make asset events can start such a run. Its actor is the monitor only where a run of the monitor's
    DAG made the event, and the ledger has the report that it names, written by that run, which asks for a retrain.

    Raises:
        ServiceError: when the ledger does not answer.
    """
    for number, airflow_run in _reports(model, run):
        from titleholder.ledger import monitor_reports

        if reason := monitor_reports.asking(need("TITLEHOLDER_LEDGER_URL"), model, number, airflow_run):
            short = reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 1]}…"
            return known.model_copy(update={"actor": f"the monitor (report {number})", "reason": short})
    return known


def _reports(model: str, run: Any) -> list[tuple[int, str]]:
    """The reports that the events of a wanted retrain name, the newest first, and the run of the monitor behind each.

    An event that somebody made by hand has no run behind it, and names none.
    """
    if run.run_type != "asset_triggered":
        return []
    dag, asset = f"{model}.monitor", wanted_asset(model).uri
    events = [e for e in run.consumed_asset_events or [] if e.asset.uri == asset and e.source_dag_id == dag]
    named = {((event.extra or {}).get("report"), f"{dag}/{event.source_run_id}") for event in events}
    return sorted(((n, of) for n, of in named if isinstance(n, int) and not isinstance(n, bool)), reverse=True)
