"""What must be true of a run whatever it suffered, compared with one that nothing disturbed."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import date
from typing import Any

from localstack.airflow import DONE, Airflow
from support.holds import Holds
from support.retraining import retrain
from titleholder.errors import ServiceError
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.spec.types import LIVE
from titleholder.workflow.audit import audit

log = logging.getLogger(__name__)
FIRST, SECOND = date(2024, 2, 1), date(2024, 3, 1)
ONE = {"train_boosting": False}  # the quicker candidate alone: it is not training that is tested


@dataclass
class Calm:
    """The decisions of two months that nothing disturbed."""

    rows: list[Decision]


def outcome(row: Decision, rows: list[Decision]) -> dict[str, Any]:
    """What must not depend on failures: everything but ids, times and version numbers."""
    as_of = {r.challenger_version: r.as_of for r in rows}
    verdict = row.judged
    return {
        "as_of": row.as_of,
        "kind": row.kind,
        "champion": as_of.get(row.champion_after),
        "snapshot": row.snapshot_sha256,
        "metrics": verdict.challenger_metrics,
        "champion_metrics": verdict.champion_metrics,
        "gain": verdict.gain,
        "checks": [(r.code, r.status) for r in verdict.checks],
    }


def first_month(model: str, settings: Settings) -> Decision:
    """A champion for a model, before anything is broken; the one there is, if there is one."""
    rows = store.read(settings.ledger_url, model, LIVE)
    return rows[0] if rows else retrain(model, FIRST, LIVE, settings, report=True)


def trigger(airflow: Airflow, model: str, reason: str, *, as_of: date = SECOND, lane: str = LIVE) -> str:
    """Start a run that is known by its reason."""
    return airflow.trigger(f"{model}.retrain", {"as_of": str(as_of), "lane": lane, "reason": reason, **ONE})


def ended(stack: Holds, model: str, run_id: str, timeout: float = 300) -> str:
    """The final state of a run; services that die meanwhile are started again."""
    deadline, state = time.monotonic() + timeout, ""
    while state not in DONE:
        assert time.monotonic() < deadline, stack.airflow.tasks(f"{model}.retrain", run_id)
        time.sleep(0.5)
        stack.supervise()
        with contextlib.suppress(ServiceError):  # the API server may be starting
            state = stack.airflow.run(f"{model}.retrain", run_id)["state"]
    return state


def reached(stack: Holds, model: str, run_id: str, point: str) -> int:
    """The process id of the task that waits at a point, once it does; a run that is red before is cleared."""
    while True:
        with contextlib.suppress(TimeoutError):
            return stack.reached(model, point, timeout=5)
        clear_if_red(stack, model, run_id)


def ended_green(stack: Holds, model: str, run_id: str) -> None:
    """Wait for a run's end; one that is red because its tries were over is cleared."""
    while ended(stack, model, run_id) != "success":
        clear_if_red(stack, model, run_id)


def clear_if_red(stack: Holds, model: str, run_id: str) -> None:
    """Clear the failed tasks of a run whose tries were over, as a person does; the tests' log says so."""
    dag = f"{model}.retrain"
    with contextlib.suppress(ServiceError):  # the API server may be starting
        if stack.airflow.run(dag, run_id)["state"] == "failed":
            log.warning("%s %s is red, and is cleared: %s", dag, run_id, stack.airflow.failures(dag, run_id, lines=2))
            stack.airflow.clear(dag, run_id)


def assert_nothing_lost(
    model: str, run_id: str, expected: list[Decision], settings: Settings, lane: str = LIVE
) -> None:
    """One decision, one version, one champion, the alias at it, the numbers of an undisturbed run, a clean audit."""
    airflow_run = f"{model}.retrain/{run_id}"
    rows, registry = store.read(settings.ledger_url, model, lane), Registry(settings.tracking_uri)
    assert [outcome(r, rows) for r in rows] == [outcome(r, expected) for r in expected]
    assert [r.airflow_run for r in rows].count(airflow_run) == 1
    versions = [v for v in registry.models.of_model(model) if v.tags.get(names.AIRFLOW_RUN) == airflow_run]
    assert [int(v.version) for v in versions] == [rows[-1].challenger_version]
    assert versions[0].tags[names.DECISION] == versions[0].tags[names.REPORTED] == str(rows[-1].id)
    live = store.champion(settings.ledger_url, model, LIVE)
    assert registry.models.champion(model) == live
    runs = [run for run in registry.runs.of_model(model) if run.tags.get(names.AIRFLOW_RUN) == airflow_run]
    assert {run.status for run in runs} == {"FINISHED"}
    assert len(runs) == 2, "one for the month, one for the candidate"
    assert audit([model], settings=settings).findings == ()
