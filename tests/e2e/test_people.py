"""Approval, rollback and overlapping live runs from the real Airflow scheduler, asked and answered by its REST API."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from localstack import processes
from localstack import stack as local
from localstack.airflow import Airflow
from localstack.cli import migrate_ledger
from localstack.state import State
from support.stacks import read_again, users_of
from titleholder.errors import ServiceError
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.settings import Settings

pytestmark = pytest.mark.slow
DAG, HASTY, AMOUNT = "tiny_asked.retrain", "tiny_hasty.retrain", "tiny_amount.retrain"
USERS = ("risk-lead", "cfo", "intern")


@pytest.fixture(scope="module")
def users(state: State) -> dict[str, Airflow]:
    return users_of(state, (DAG, HASTY, AMOUNT, "tiny_asked.rollback"), *USERS)


@pytest.fixture(scope="module")
def unanswered(users: dict[str, Airflow]) -> str:
    """A run whose approval nobody answers: started early, because its minute must pass."""
    return users["admin"].trigger(HASTY, {"as_of": "2024-01-01", "lane": "live"})


def row_of(settings: Settings, dag: str, run_id: str) -> Decision:
    rows = store.read(settings.ledger_url, dag.partition(".")[0], "live")
    (row,) = [r for r in rows if r.airflow_run == f"{dag}/{run_id}"]
    return row


def champion(settings: Settings, model: str = "tiny_asked") -> int | None:
    return Registry(settings.tracking_uri).models.champion(model)


def asked(users: dict[str, Airflow], as_of: str, by: str = "admin") -> tuple[str, dict]:
    run_id = users[by].trigger(DAG, {"as_of": as_of, "lane": "live"})
    return run_id, users["admin"].wait_for_question(DAG, run_id, "approve")


def ended(users: dict[str, Airflow], settings: Settings, run_id: str, dag: str = DAG) -> Decision:
    users["admin"].wait_for_success(dag, run_id)
    return row_of(settings, dag, run_id)


def events(users: dict[str, Airflow]) -> list[dict]:
    found = users["admin"].get("/assets/events?limit=100")["asset_events"]
    return [e["extra"] for e in found if e["uri"] == "titleholder://tiny_asked/champion"]


@pytest.mark.usefixtures("unanswered")
def test_a_yes_of_somebody_who_was_asked_promotes(users: dict[str, Airflow], settings: Settings) -> None:
    run_id, question = asked(users, "2024-01-01")
    assert "approval requested to promote version" in question["subject"]
    assert "### Checks" in question["body"]
    assert "[Model card](" in question["body"]
    assert [u["id"] for u in question["assigned_users"]] == ["risk-lead", "cfo"]
    assert champion(settings) is None
    for other in ("intern", "admin"):
        with pytest.raises(ServiceError, match=r"\(403\).*is not a respondent"):
            users[other].answer(DAG, run_id, "approve", "Approve")
    users["risk-lead"].answer(DAG, run_id, "approve", "Approve", "as discussed")
    row = ended(users, settings, run_id)
    assert row.kind == "promote"
    assert row.approval is not None
    assert (row.approval.by, row.approval.answer, row.approval.comment) == ("risk-lead", "approve", "as discussed")
    assert row.approval.asked == ("risk-lead", "cfo")
    assert row.reason.startswith('risk-lead approved ("as discussed"). The first champion')
    assert row.actor == "admin"
    assert champion(settings) == row.challenger_version
    assert events(users) == [{"version": row.challenger_version, "before": None, "decision": row.id}]


def test_a_no_keeps_the_champion_and_the_run_is_green(users: dict[str, Airflow], settings: Settings) -> None:
    before, known = champion(settings), events(users)
    run_id, _ = asked(users, "2024-02-01")
    users["cfo"].answer(DAG, run_id, "approve", "Reject", "not this month")
    row = ended(users, settings, run_id)
    assert (row.kind, row.champion_after) == ("keep", before)
    assert row.reason.startswith('cfo said no ("not this month").')
    assert champion(settings) == before
    assert events(users) == known, "no change, no asset event"


def test_nobody_approves_a_run_of_their_own(users: dict[str, Airflow], settings: Settings) -> None:
    run_id, question = asked(users, "2024-02-02", by="risk-lead")
    assert [u["id"] for u in question["assigned_users"]] == ["cfo"]
    with pytest.raises(ServiceError, match=r"\(403\)"):
        users["risk-lead"].answer(DAG, run_id, "approve", "Approve")
    users["cfo"].answer(DAG, run_id, "approve", "Approve")
    row = ended(users, settings, run_id)
    assert row.actor == "risk-lead"
    assert row.kind in ("promote", "recall"), "after the runs before, more is expected of a former version"
    assert row.approval is not None
    assert row.approval.by == "cfo"
    assert champion(settings) == row.champion_after != row.champion_before


def test_an_approval_is_void_once_a_newer_challenger_was_decided(users: dict[str, Airflow], settings: Settings) -> None:
    before = champion(settings)
    older, _ = asked(users, "2024-03-01")
    newer, _ = asked(users, "2024-03-02")
    users["cfo"].answer(DAG, newer, "approve", "Reject")
    ended(users, settings, newer)
    users["risk-lead"].answer(DAG, older, "approve", "Approve")
    row = ended(users, settings, older)
    assert (row.kind, row.champion_after) == ("keep", before)
    assert "risk-lead approved, but too late: version" in row.reason
    assert "as of 2024-03-02, was decided since (keep)" in row.reason
    assert champion(settings) == before


def test_no_answer_means_no(users: dict[str, Airflow], settings: Settings, unanswered: str) -> None:
    row = ended(users, settings, unanswered, HASTY)
    assert (row.kind, row.champion_after) == ("keep", None)
    assert row.reason.startswith("There was no answer in time, which means no.")
    assert row.approval is not None
    assert (row.approval.answer, row.approval.by) == ("none", "")
    assert champion(settings, "tiny_hasty") is None


def pick_list(users: dict[str, Airflow], present: int | None, timeout: float = 150) -> dict[str, Any]:
    """The field `to` of the rollback's form, once Airflow has read that this version is champion."""
    read_again(users["admin"], "tiny_asked.rollback")
    deadline = time.monotonic() + timeout
    while True:
        schema = users["admin"].get("/dags/tiny_asked.rollback/details")["params"]["to"]["schema"]
        if len(schema.get("enum", ())) > 1 and present not in schema["enum"]:
            return dict(schema)
        assert time.monotonic() < deadline, schema
        time.sleep(0.5)


def test_a_rollback_by_the_form(users: dict[str, Airflow], settings: Settings) -> None:
    rows = store.read(settings.ledger_url, "tiny_asked", "live")
    present = champion(settings)
    with pytest.raises(ServiceError, match="reason"):
        users["admin"].trigger("tiny_asked.rollback", {})
    first = next(r for r in rows if r.kind == "promote")
    picks = pick_list(users, present)
    assert f"version {first.challenger_version}: " in picks["values_display"][str(first.challenger_version)]
    for invalid in (present, 999):
        with pytest.raises(ServiceError, match=r"\(400\).*Invalid input for param to: \d+ is not one of \[None, "):
            users["admin"].trigger("tiny_asked.rollback", {"reason": "a slip", "to": invalid})
    run_id = users["risk-lead"].trigger("tiny_asked.rollback", {"reason": "it saw the future", "leaving": present})
    question = users["admin"].wait_for_question("tiny_asked.rollback", run_id, "approve")
    assert [u["id"] for u in question["assigned_users"]] == ["cfo"], "nobody approves a rollback of their own"
    assert champion(settings) == present
    with pytest.raises(ServiceError, match=r"\(403\)"):
        users["risk-lead"].answer("tiny_asked.rollback", run_id, "approve", "Approve")
    users["cfo"].answer("tiny_asked.rollback", run_id, "approve", "Reject", "wait")
    users["admin"].wait_for_success("tiny_asked.rollback", run_id)
    declined = row_of(settings, "tiny_asked.rollback", run_id)
    assert (declined.kind, declined.champion_after) == ("decline", present)
    assert declined.reason.startswith('cfo said no ("wait"). ')
    run_id = users["risk-lead"].trigger("tiny_asked.rollback", {"reason": "it saw the future", "leaving": present})
    users["admin"].wait_for_question("tiny_asked.rollback", run_id, "approve")
    users["cfo"].answer("tiny_asked.rollback", run_id, "approve", "Approve", "agreed")
    users["admin"].wait_for_success("tiny_asked.rollback", run_id)
    row = row_of(settings, "tiny_asked.rollback", run_id)
    assert row.approval is not None
    assert (row.approval.by, row.approval.comment) == ("cfo", "agreed")
    assert (row.kind, row.champion_before, row.champion_after) == ("rollback", present, first.challenger_version)
    assert (row.actor, row.asked_because) == ("risk-lead", "it saw the future")
    assert champion(settings) == first.challenger_version
    assert {"version": row.champion_after, "before": present, "decision": row.id} in events(users)
    wrong = users["admin"].trigger("tiny_asked.rollback", {"reason": "again", "leaving": present})
    assert users["admin"].wait_for_run("tiny_asked.rollback", wrong) == "failed"
    log = users["admin"].get(f"/dags/tiny_asked.rollback/dagRuns/{wrong}/taskInstances/request/logs/1")
    assert f"version {row.champion_after} is champion, not version {present}; nothing was rolled back" in str(log)


def test_live_runs_of_several_months_overlap_and_make_one_line(users: dict[str, Airflow], settings: Settings) -> None:
    admin = users["admin"]
    before = store.read(settings.ledger_url, "tiny_amount", "live")
    runs = [
        admin.trigger(AMOUNT, {"as_of": f"2024-0{m}-03", "lane": "live", "train_boosting": False})
        for m in (1, 2, 3, 4, 5)
    ]
    for run in runs:
        admin.wait_for_success(AMOUNT, run)
    rows = store.read(settings.ledger_url, "tiny_amount", "live")
    assert {r.airflow_run for r in rows[len(before) :]} == {f"{AMOUNT}/{run}" for run in runs}
    assert [r.sequence for r in rows] == list(range(1, len(before) + 6))
    assert all(b.previous_hash == a.hash and b.champion_before == a.champion_after for a, b in itertools.pairwise(rows))
    assert champion(settings, "tiny_amount") == rows[-1].champion_after


def test_mlflow_stopped_in_the_middle_of_a_run(users: dict[str, Airflow], settings: Settings, state: State) -> None:
    """The task fails with MLflow's name and is retried; nothing is decided meanwhile, and then it continues."""
    admin, before = users["admin"], champion(settings, "tiny_amount")
    rows = store.read(settings.ledger_url, "tiny_amount", "live")
    run_id = admin.trigger(AMOUNT, {"as_of": "2024-05-20", "lane": "live"})
    deadline = time.monotonic() + 180
    while not any(t["task_id"].startswith("train.") and t["state"] == "running" for t in admin.tasks(AMOUNT, run_id)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    processes.stop(processes.find(str(state.root))["mlflow"])
    try:
        while not (tried := [t for t in admin.tasks(AMOUNT, run_id) if t["state"] in ("up_for_retry", "failed")]):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        log = f"/dags/{AMOUNT}/dagRuns/{run_id}/taskInstances/{tried[0]['task_id']}/logs/1"
        while "does not answer" not in (text := str(admin.get(log))):
            assert time.monotonic() < deadline, text  # the last lines arrive a little after the state
            time.sleep(0.5)
        assert "MLflow at" in text
        assert store.read(settings.ledger_url, "tiny_amount", "live") == rows
    finally:
        local.up(state, after_postgres=[migrate_ledger])
    assert champion(settings, "tiny_amount") == before
    if admin.wait_for_run(AMOUNT, run_id) == "failed":  # its tries were over before MLflow was back
        admin.clear(AMOUNT, run_id)
        admin.wait_for_success(AMOUNT, run_id)
    assert len(store.read(settings.ledger_url, "tiny_amount", "live")) == len(rows) + 1
