"""Somebody with the role op edits what one task hands to the next, by Airflow's REST API: nothing is promoted by it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from localstack.airflow import Airflow
from localstack.state import State
from support.stacks import users_of
from titleholder.ledger import store
from titleholder.registry.client import Registry
from titleholder.settings import Settings

pytestmark = pytest.mark.slow
MODEL = "tiny_signed"
DAG, ROLLBACK = f"{MODEL}.retrain", f"{MODEL}.rollback"
NOBODY = {"asked": ["mallory"], "answer": "approve", "by": "mallory"}
REFUSED = "was not handed on by it: it was edited, or is of another task or run"


class Editor:
    """A user who edits the results of tasks and clears them."""

    def __init__(self, airflow: Airflow) -> None:
        self.airflow = airflow

    def _send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return self.airflow._send(method, f"/api/v2/dags/{path}", body)

    @staticmethod
    def _results(run: tuple[str, str], task: str) -> str:
        return f"{run[0]}/dagRuns/{run[1]}/taskInstances/{task}/xcomEntries"

    def read(self, run: tuple[str, str], task: str) -> Any:
        return self._send("GET", f"{self._results(run, task)}/return_value")["value"]

    def write(self, run: tuple[str, str], task: str, value: Any) -> None:
        self._send("PATCH", f"{self._results(run, task)}/return_value", {"value": value, "map_index": -1})

    def make(self, run: tuple[str, str], task: str, value: Any) -> None:
        body = {"key": "return_value", "value": value, "map_index": -1}
        self._send("POST", self._results(run, task), body)

    def delete(self, run: tuple[str, str], task: str) -> None:
        self._send("DELETE", f"{self._results(run, task)}/return_value")

    def clear(self, run: tuple[str, str], *tasks: str) -> None:
        """Clear tasks and those after them."""
        body = {"dry_run": False, "dag_run_id": run[1], "task_ids": [*tasks], "only_failed": False,
                "include_downstream": True, "reset_dag_runs": True}  # fmt: skip
        self._send("POST", f"{run[0]}/clearTaskInstances", body)

    def mark_successful(self, run: tuple[str, str], task: str) -> None:
        self._send("PATCH", f"{run[0]}/dagRuns/{run[1]}/taskInstances/{task}", {"new_state": "success"})

    def refused(self, run: tuple[str, str], *tasks: str) -> str:
        """Clear tasks and those after them; return what the log of the failed one says. It was not tried again."""
        before = self._tries(run)
        self.clear(run, *tasks)
        assert self.airflow.wait_for_run(*run) == "failed"
        after = self._tries(run)
        for task in tasks:
            assert after[task] == before[task] + 1, task
        return self.failure(run)

    def failure(self, run: tuple[str, str]) -> str:
        """The logs of the failed tasks, with their exceptions."""
        failed = [t for t in self.airflow.tasks(*run) if t["state"] == "failed"]
        paths = [f"{t['task_id']}/logs/{t['try_number']}?full_content=true" for t in failed]
        return "".join(str(self._send("GET", f"{run[0]}/dagRuns/{run[1]}/taskInstances/{path}")) for path in paths)

    def _tries(self, run: tuple[str, str]) -> dict[str, int]:
        return {t["task_id"]: t["try_number"] for t in self.airflow.tasks(*run)}


@pytest.fixture(scope="module")
def users(state: State) -> dict[str, Airflow]:
    return users_of(state, (DAG, ROLLBACK), "risk-lead", "cfo", "intern")


@pytest.fixture(scope="module")
def op(users: dict[str, Airflow]) -> Editor:
    return Editor(users["intern"])


def forged(value: Any, **changes: Any) -> dict[str, Any]:
    """A signed value with another payload."""
    return {**value, "payload": json.dumps({**json.loads(value["payload"]), **changes})}


def asked(users: dict[str, Airflow], as_of: str) -> tuple[str, str]:
    run_id = users["admin"].trigger(DAG, {"as_of": as_of, "lane": "live"})
    users["admin"].wait_for_question(DAG, run_id, "approve")
    return DAG, run_id


def decided(users: dict[str, Airflow], as_of: str, answer: str) -> tuple[str, str]:
    run = asked(users, as_of)
    users["cfo"].answer(*run, "approve", answer)
    users["admin"].wait_for_success(*run)
    return run


@pytest.fixture(scope="module")
def approved(users: dict[str, Airflow]) -> tuple[str, str]:
    """A run whose challenger is champion by a yes of the cfo."""
    return decided(users, "2024-03-10", "Approve")


@pytest.fixture(scope="module")
def declined(users: dict[str, Airflow], approved: tuple[str, str]) -> tuple[str, str]:
    """A later run to which the cfo said no."""
    return decided(users, "2024-03-11", "Reject")


Told = Callable[[], tuple[Any, ...]]


@pytest.fixture
def told(settings: Settings) -> Told:
    """The live lane's rows, and the champion by the registry."""
    return lambda: (
        store.read(settings.ledger_url, MODEL, "live"),
        Registry(settings.tracking_uri).models.champion(MODEL),
    )


def test_nobody_forges_an_approval(
    op: Editor, approved: tuple[str, str], declined: tuple[str, str], told: Told
) -> None:
    before, answered = told(), op.read(declined, "approve")
    ours = {
        "edited": forged(answered, answer=NOBODY, head=10**6),
        "without a signature": json.loads(forged(answered, answer=NOBODY, head=10**6)["payload"]),
        "of another task of this run": op.read(declined, "validate"),
        "of another run": op.read(approved, "approve"),
    }
    for what, value in ours.items():
        op.write(declined, "approve", value)
        assert REFUSED in op.refused(declined, "promote"), what
        assert told() == before, what
    op.delete(declined, "approve")
    assert "approve of the run" in (log := op.refused(declined, "promote"))
    assert "returned nothing: it was marked as successful, or its result (XCom) was deleted" in log
    assert told() == before
    op.make(declined, "approve", forged(answered, answer=NOBODY, head=10**6))
    assert REFUSED in op.refused(declined, "promote")
    assert told() == before
    op.write(declined, "approve", answered)
    op.clear(declined, "promote")
    assert op.airflow.wait_for_run(*declined) == "success", "what the task did hand on is taken"
    assert told() == before, "and its decision stands"


def test_nobody_forges_a_verdict_or_a_spec(op: Editor, declined: tuple[str, str], told: Told) -> None:
    before, proposed = told(), op.read(declined, "validate")
    payload = json.loads(proposed["payload"])
    payload["challenger"]["snapshot"]["spec"]["promotion"]["approval"] = "automatic"
    payload["verdict"]["checks"] = []
    op.write(declined, "validate", {**proposed, "payload": json.dumps({**payload, "kind": "promote"})})
    assert REFUSED in op.refused(declined, "approve")
    op.write(declined, "validate", proposed)
    for task, after in (("train.scorecard", "nominate"), ("extract", "train.scorecard")):
        value = op.read(declined, task)
        edited = json.loads(value["payload"])
        snapshot = edited if task == "extract" else edited["snapshot"]
        snapshot["origin"]["actor"] = "somebody"
        op.write(declined, task, {**value, "payload": json.dumps(edited)})
        assert REFUSED in op.refused(declined, after), task
        op.write(declined, task, value)
    assert told() == before


def test_a_no_of_a_person_stands_for_the_run(
    op: Editor, users: dict[str, Airflow], declined: tuple[str, str], told: Told
) -> None:
    """Nobody knows who cleared it, so it could be asked until somebody says yes."""
    before = told()
    op.clear(declined, "train.scorecard")
    users["admin"].wait_for_success(*declined)
    assert told() == before


def test_an_approval_that_is_marked_as_successful_approves_nothing(
    op: Editor, users: dict[str, Airflow], told: Told
) -> None:
    before, run = told(), asked(users, "2024-03-12")
    op.mark_successful(run, "approve")
    assert users["admin"].wait_for_run(*run) == "failed"
    assert "returned nothing: it was marked as successful" in op.failure(run)
    assert told() == before
    op.clear(run, "approve")
    users["admin"].wait_for_question(*run, "approve")
    users["cfo"].answer(*run, "approve", "Reject")
    users["admin"].wait_for_success(*run)
    assert told()[1] == before[1]


def test_people_are_not_shown_the_question_of_an_earlier_try(op: Editor, users: dict[str, Airflow], told: Told) -> None:
    """Airflow keeps the text of a question that was cleared, and people would approve something else than they read."""
    waiting = asked(users, "2024-03-14")
    changed = decided(users, "2024-03-13", "Approve")
    op.clear(waiting, "validate")
    assert users["admin"].wait_for_run(*waiting) == "failed"
    assert "asks about something else now, but Airflow would show the text of its earlier question" in op.failure(
        waiting
    )
    rows, champion = told()
    assert rows[-1].airflow_run == "/".join(changed)
    assert champion == rows[-1].champion_after


def test_nobody_forges_the_approval_of_a_rollback(
    op: Editor, users: dict[str, Airflow], approved: tuple[str, str], told: Told
) -> None:
    present = told()[1]
    run = ROLLBACK, users["risk-lead"].trigger(ROLLBACK, {"reason": "it saw the future", "leaving": present})
    users["admin"].wait_for_question(*run, "approve")
    users["cfo"].answer(*run, "approve", "Reject")
    users["admin"].wait_for_success(*run)
    before, answered = told(), op.read(run, "approve")
    yes = {**json.loads(answered["payload"])["answer"], "answer": "approve"}
    op.write(run, "approve", forged(answered, answer=yes, force=True))
    assert REFUSED in op.refused(run, "rollback")
    order = op.read(run, "request")
    op.write(run, "request", forged(order, approvers=[{"id": "intern", "name": "intern"}], actor="nobody"))
    assert REFUSED in op.refused(run, "approve")
    assert told() == before


@pytest.mark.usefixtures("recent")
def test_a_run_that_anybody_may_have_asked_for_is_approved_by_nobody(users: dict[str, Airflow], told: Told) -> None:
    """The last test of this model: its lane is decided up to today now."""
    before = told()[1]
    (asset,) = [a for a in users["admin"].get("/assets")["assets"] if a["name"] == "tiny_told"]
    users["risk-lead"].update_asset(asset["id"])
    deadline = time.monotonic() + 120
    while not (runs := users["admin"].runs(DAG, "asset_triggered")):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    users["admin"].wait_for_success(DAG, runs[0]["dag_run_id"])
    rows, champion = told()
    assert rows[-1].airflow_run == f"{DAG}/{runs[0]['dag_run_id']}"
    assert rows[-1].kind == "keep"
    assert rows[-1].reason.startswith("No person may approve: it is not known who requested this run")
    assert "Trigger the DAG by hand, or set own_runs in the spec's approval. " in rows[-1].reason
    assert champion == before
