"""A client of Airflow's REST API with the calls that the demo and the tests need."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import psutil
import requests

from localstack.keys import ADMIN
from localstack.ports import HOST
from localstack.settings import passwords
from localstack.state import State
from titleholder.errors import ServiceError

DONE = ("success", "failed")
_NOTICE = 2.0  # seconds within which the scheduler sees that a process has ended
_CREATION = 600.0  # seconds: Airflow makes every run of a backfill before it answers, and years have a thousand days
WAITING = ("awaiting_input", "deferred")
"""The state of a task that waits for people, in Airflow 3.3 and before it."""
TASK_DONE = (*DONE, "skipped", "upstream_failed", "removed")


class Airflow:
    """A logged-in user of one Airflow. Its methods raise ServiceError with Airflow's own message."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self.address = address
        self._session = requests.Session()
        self._login = {"username": user, "password": password}
        self._log_in()

    @classmethod
    def of(cls, state: State, user: str = ADMIN) -> Self:
        """A user of a local stack."""
        return cls(f"http://{HOST}:{state.read().ports['airflow']}", user, passwords(state)[user])

    def _log_in(self) -> None:
        answer = self._send("POST", "/auth/token", self._login)
        self._session.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, timeout: float = 60
    ) -> dict[str, Any]:
        try:
            answer = self._session.request(method, f"{self.address}{path}", json=body, timeout=timeout)
        except requests.RequestException as error:
            raise ServiceError(f"Airflow at {self.address} does not answer: {error}. Locally: `make up`.") from error
        if not answer.ok:
            raise ServiceError(f"Airflow refused {method} {path} ({answer.status_code}): {answer.text[:500]}")
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def get(self, path: str) -> dict[str, Any]:
        """GET below /api/v2."""
        return self._send("GET", f"/api/v2{path}")

    def wait_for_dag(self, dag: str, timeout: float = 120) -> None:
        """Return when Airflow has the DAG; a ServiceError after `timeout` seconds shows its import errors."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            known = self.get(f"/dags?dag_id_pattern={dag}&exclude_stale=true")["dags"]
            if dag in [found["dag_id"] for found in known]:
                return
            time.sleep(1)
        errors = [e["stack_trace"] for e in self.get("/importErrors")["import_errors"]]
        raise ServiceError(f"Airflow does not know the DAG {dag}. Import errors: {errors or 'none'}")

    def pause(self, dag: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._send("PATCH", f"/api/v2/dags/{dag}", {"is_paused": paused})

    def trigger(self, dag: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run as the form does, without a logical date; returns its id."""
        run = self._send("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": dict(conf or {})})
        return str(run["dag_run_id"])

    def update_asset(self, asset: int) -> None:
        """Report an update of an asset."""
        self._send("POST", "/api/v2/assets/events", {"asset_id": asset})

    def backfill(
        self, dag: str, first: str, last: str, *, at_once: int, reprocess: str = "failed", conf: Any = None
    ) -> int:
        """Start a native backfill of the ticks from `first` to `last` (dates, both included); returns its id."""
        body = {
            "dag_id": dag,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "max_active_runs": at_once,
            "reprocess_behavior": reprocess,
            "dag_run_conf": conf or {},
        }
        return int(self._send("POST", "/api/v2/backfills", body, timeout=_CREATION)["id"])

    def backfill_is_done(self, backfill: int) -> bool:
        """Whether every run of a backfill has ended."""
        return self.get(f"/backfills/{backfill}")["completed_at"] is not None

    def runs(self, dag: str, run_type: str | None = None) -> list[dict[str, Any]]:
        """A DAG's runs, newest first, at most 500."""
        only = f"&run_type={run_type}" if run_type else ""
        return list(self.get(f"/dags/{dag}/dagRuns?limit=500&order_by=-run_after{only}")["dag_runs"])

    def count(self, dag: str, run_type: str, states: Sequence[str] = ()) -> int:
        """How many of a DAG's runs of a type are in one of these states, or in any: it reads none of them."""
        among = "".join(f"&state={state}" for state in states)
        return int(self.get(f"/dags/{dag}/dagRuns?limit=1&run_type={run_type}{among}")["total_entries"])

    def have_ended(self, dag: str, run_type: str, at_least: int) -> bool:
        """Whether a DAG has so many runs of a type, and all have ended; Airflow marks a backfill later."""
        ended = self.count(dag, run_type, DONE)
        return ended >= at_least and ended == self.count(dag, run_type)

    def run(self, dag: str, run_id: str) -> dict[str, Any]:
        """One run."""
        return self.get(f"/dags/{dag}/dagRuns/{run_id}")

    def tasks(self, dag: str, run_id: str) -> list[dict[str, Any]]:
        """A run's task instances."""
        return list(self.get(f"/dags/{dag}/dagRuns/{run_id}/taskInstances?limit=500")["task_instances"])

    def clear(self, dag: str, run_id: str) -> None:
        """Clear a run's failed tasks and those after them, so that they run again."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
        self._send("POST", f"/api/v2/dags/{dag}/clearTaskInstances", body)

    def wait_for_question(self, dag: str, run_id: str, task: str, timeout: float = 300) -> dict[str, Any]:
        """The question of a task, once it waits for an answer; ServiceError after `timeout` seconds."""
        state = self._wait_for_task(dag, run_id, task, {*WAITING, *TASK_DONE}, timeout)
        if state not in WAITING:
            raise ServiceError(f"{dag} {run_id}: {task} asked no question and is {state}; see {self.address}")
        return self.get(f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/-1/hitlDetails")

    def answer(self, dag: str, run_id: str, task: str, chosen: str, comment: str = "", timeout: float = 300) -> None:
        """Answer a task's question, as this user, until the answer is accepted.

        An answer given before the asking process has ended can be lost: the LocalExecutor of Airflow 3.3.2 mistakes
        the end of that process for the end of the resumed one and retries the task, which asks again. So it is given
        once that process, which is one of this machine, is gone and Airflow has had a moment to notice.
        """
        place = f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/-1/hitlDetails"
        deadline, given = time.monotonic() + timeout, False
        while not given or self._wait_for_task(dag, run_id, task, {*WAITING, *TASK_DONE}, timeout) in WAITING:
            if time.monotonic() > deadline:
                raise ServiceError(f"{dag} {run_id}: {task} still waits after {timeout:.0f} s; see {self.address}")
            if given and self.get(place)["response_received"]:  # before Airflow 3.3 a trigger looks for it
                time.sleep(0.5)
                continue
            self._wait_for_exit(dag, run_id, task, timeout)
            answer = {"chosen_options": [chosen], "params_input": {"comment": comment}}
            self._send("PATCH", f"/api/v2{place}", answer)
            given = True

    def _wait_for_exit(self, dag: str, run_id: str, task: str, timeout: float) -> None:
        asking = self.get(f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}")["pid"]
        deadline = time.monotonic() + timeout
        while asking and psutil.pid_exists(asking) and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(_NOTICE)

    def _wait_for_task(self, dag: str, run_id: str, task: str, states: set[str], timeout: float) -> str:
        deadline = time.monotonic() + timeout
        while (state := self.get(f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}")["state"]) not in states:
            if time.monotonic() > deadline:
                raise ServiceError(f"{dag} {run_id}: {task} is still {state} after {timeout:.0f} s; see {self.address}")
            time.sleep(0.5)
        return str(state)

    def wait_for_run(self, dag: str, run_id: str, timeout: float = 600) -> str:
        """The final state of a run; ServiceError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while (state := self.run(dag, run_id)["state"]) not in DONE:
            if time.monotonic() > deadline:
                raise ServiceError(f"{dag} {run_id} is still {state} after {timeout:.0f} s; see {self.address}")
            time.sleep(0.5)
        return str(state)

    def wait_for_success(self, dag: str, run_id: str, timeout: float = 600) -> None:
        """Return when a run has succeeded; a ServiceError if it failed shows why, or that it is not done in time."""
        if self.wait_for_run(dag, run_id, timeout) == "failed":
            raise ServiceError(f"{dag} {run_id} failed. {self.failures(dag, run_id)}")

    def failures(self, dag: str, run_id: str, lines: int = 12) -> str:
        """Of every failed task of a run, the last lines of the log of its last try."""
        found = [t for t in self.tasks(dag, run_id) if t["state"] == "failed"]
        return "\n".join(self._end_of_log(dag, run_id, task, lines) for task in found)

    def _end_of_log(self, dag: str, run_id: str, task: Mapping[str, Any], lines: int) -> str:
        path = f"/dags/{dag}/dagRuns/{run_id}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        content = self.get(f"{path}?map_index={task['map_index']}&full_content=true")["content"]
        said = [text for line in content for text in _said(line)]
        return "\n".join([f"Task {task['task_id']}, try {task['try_number']}:", *said[-lines:]])


def _said(line: Any) -> list[str]:
    """The texts of one line of a task's log: what happened, and the errors that it was about."""
    if not isinstance(line, dict):
        return [str(line)]
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or ()]
    return [str(line.get("event", line)), *errors]
