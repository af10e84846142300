"""What people do in Airflow's own pages, by a real browser: log in, retrain, approve, roll back.

Facts of Airflow 3.3.2's pages that these tests lean on:
- Fields of a form have the id `element_<param>`; their labels are not tied to them. Switches have a name instead.
- One section of a form is open at a time.
- A string that may not be null is required, whatever its default: *Trigger* and *Approve* stay disabled while it is empty.
- Lengths and patterns are the server's to refuse. The page then says "Bad Request" and not why.
- A toast may be there twice, once in each of two regions.
- Answers to a question are shown as given at once, taken or not: the run tells.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from playwright.sync_api import Locator, Page, expect

from localstack.airflow import TASK_DONE, Airflow
from localstack.state import State
from support.browser import Troubles, log_in, needs_chromium
from support.stacks import read_again, users_of
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.settings import Settings

pytestmark = [pytest.mark.slow, needs_chromium]
MODEL = "tiny_page"
RETRAIN, ROLLBACK = f"{MODEL}.retrain", f"{MODEL}.rollback"
Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def users(state: State) -> dict[str, Airflow]:
    return users_of(state, (RETRAIN, ROLLBACK), "risk-lead", "cfo")


@pytest.fixture(scope="module")
def newer(users: dict[str, Airflow]) -> str:
    """A second challenger's run. It is asked for early, because it takes its time."""
    return users["admin"].trigger(RETRAIN, {"as_of": "2024-02-01", "lane": "live"})


def form_of(page: Page, dag: str) -> Locator:
    """A DAG's trigger form, opened."""
    page.goto(f"/dags/{dag}")
    page.get_by_role("button", name="Trigger Dag").click()
    form = page.get_by_role("dialog")
    expect(form.locator("#element_reason")).to_be_visible()
    return form


def button(form: Page | Locator, name: str) -> Locator:
    return form.get_by_role("button", name=name, exact=True)


def started(page: Page, dag: str) -> str:
    """The run whose page Airflow shows once a form was taken."""
    runs = f"/dags/{dag}/runs/"
    page.wait_for_url(f"**{runs}*")
    return unquote(page.url.partition(runs)[2])


def answer(page: Page, airflow: Airflow, run_id: str, chosen: str, comment: str) -> None:
    """Answer a question from the list of required actions; once more if it is lost, as `Airflow.answer` has it."""
    while state_of(airflow, run_id, "approve") == "awaiting_input":
        page.goto("/")
        page.get_by_role("button", name="Browse").click()
        page.get_by_role("menuitem", name="Required Actions").click()
        page.get_by_role("row").filter(has_text=run_id).get_by_role("link", name="approval requested").click()
        page.locator("#element_comment").fill(comment)
        button(page, chosen).click()
        expect(page.get_by_text("approve response successful").first).to_be_visible()
        settle(airflow, run_id)


def settle(airflow: Airflow, run_id: str) -> None:
    """Until the task that asked is over, or asks again."""
    deadline = time.monotonic() + 300
    while state_of(airflow, run_id, "approve") not in ("awaiting_input", *TASK_DONE):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def state_of(airflow: Airflow, run_id: str, task: str) -> str | None:
    return next(t["state"] for t in airflow.tasks(RETRAIN, run_id) if t["task_id"] == task)


def wait_for_pick(airflow: Airflow, version: int) -> None:
    """Until the rollback's form offers a version: Airflow reads the DAGs, and so the ledger, once more."""
    read_again(airflow, ROLLBACK)
    deadline = time.monotonic() + 150
    while version not in airflow.get(f"/dags/{ROLLBACK}/details")["params"]["to"]["schema"].get("enum", ()):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def names(runs: list[dict]) -> list[str]:
    return [run["dag_run_id"] for run in runs]


def row_of(settings: Settings, run: str) -> Decision:
    (row,) = [row for row in store.read(settings.ledger_url, MODEL, "live") if row.airflow_run == run]
    return row


def champion(settings: Settings) -> int | None:
    return Registry(settings.tracking_uri).models.champion(MODEL)


def test_a_wrong_password_is_refused_and_the_right_one_is_not(page_of: Opener, troubles: Troubles) -> None:
    page = page_of()
    log_in(page, "admin", "wrong")
    expect(page.get_by_text("Invalid credentials")).to_be_visible()
    troubles.take("401 POST")
    page = page_of("admin")
    page.goto("/dags")
    expect(page).to_have_url(re.compile(r"/dags/?$"))  # not the log-in page


def test_a_retrain_by_the_form_is_approved_on_the_page(
    page_of: Opener, users: dict[str, Airflow], settings: Settings
) -> None:
    page = page_of("admin")
    form = form_of(page, RETRAIN)
    form.locator("#element_as_of").fill("2024-01-01")
    form.locator("#element_lane").fill("live")
    form.locator("#element_reason").fill("asked on the page")
    button(form, "Candidates").click()
    form.get_by_role("checkbox", name="boosting").press("Space")
    button(form, "Trigger").click()
    run_id = started(page, RETRAIN)
    asked = users["admin"].wait_for_question(RETRAIN, run_id, "approve")
    expect(page.get_by_role("button", name="Required Actions")).to_be_visible()
    assert "asked on the page" in asked["body"]
    assert champion(settings) is None
    answer(page_of("risk-lead"), users["admin"], run_id, "Approve", "seen on the page")
    users["admin"].wait_for_success(RETRAIN, run_id)
    row = row_of(settings, f"{RETRAIN}/{run_id}")
    assert (row.kind, row.actor, row.asked_because) == ("promote", "admin", "asked on the page")
    assert (str(row.as_of), champion(settings)) == ("2024-01-01", row.challenger_version)
    assert [nominee.name for nominee in row.nominees] == ["scorecard"]
    assert row.approval is not None
    assert (row.approval.by, row.approval.answer, row.approval.comment) == ("risk-lead", "approve", "seen on the page")


@pytest.mark.usefixtures("newer")
@pytest.mark.parametrize(
    ("dag", "wrong"), [(RETRAIN, {"lane": "NO LANE", "reason": "why not"}), (ROLLBACK, {"reason": "no"})]
)
def test_wrong_input_is_refused_by_the_form_before_a_run_exists(
    page_of: Opener, users: dict[str, Airflow], troubles: Troubles, dag: str, wrong: dict[str, str]
) -> None:
    before = names(users["admin"].runs(dag))
    form = form_of(page := page_of("admin"), dag)
    for name, value in wrong.items():
        form.locator(f"#element_{name}").fill(value)
    button(form, "Trigger").click()
    expect(page.get_by_text("Failed to Trigger Dag").first).to_be_visible()
    troubles.take(f"400 POST {users['admin'].address}/api/v2/dags/{dag}/dagRuns")
    expect(form).to_be_visible()
    assert names(users["admin"].runs(dag)) == before


def test_a_retrain_needs_nothing_filled_in_and_a_rollback_a_reason(page_of: Opener) -> None:
    page = page_of("admin")
    expect(button(form_of(page, RETRAIN), "Trigger")).to_be_enabled()
    form = form_of(page, ROLLBACK)
    expect(button(form, "Trigger")).to_be_disabled()
    form.locator("#element_reason").fill("it saw the future")
    expect(button(form, "Trigger")).to_be_enabled()


def test_a_rollback_by_the_form(page_of: Opener, users: dict[str, Airflow], settings: Settings, newer: str) -> None:
    users["admin"].wait_for_question(RETRAIN, newer, "approve")
    users["cfo"].answer(RETRAIN, newer, "approve", "Approve")
    users["admin"].wait_for_success(RETRAIN, newer)
    first, second = [row.challenger_version for row in store.read(settings.ledger_url, MODEL, "live")]
    assert champion(settings) == second
    wait_for_pick(users["admin"], first)
    page = page_of("risk-lead")
    form = form_of(page, ROLLBACK)
    form.locator("#element_reason").fill("it saw the future")
    form.locator("#element_to").get_by_role("combobox").click()
    expect(page.get_by_role("option")).to_have_count(2)  # the predecessor, and the one that reigned by name
    page.get_by_role("option", name=f"version {first}:").click()
    button(form, "Trigger").click()
    run_id = started(page, ROLLBACK)
    users["admin"].wait_for_success(ROLLBACK, run_id)
    row = row_of(settings, f"{ROLLBACK}/{run_id}")
    assert (row.kind, row.actor, row.asked_because) == ("rollback", "risk-lead", "it saw the future")
    assert (row.champion_before, row.champion_after, champion(settings)) == (second, first, first)
