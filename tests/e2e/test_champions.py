"""The page Champions as people use it: from Airflow's navigation to the evidence and back, by mouse, keyboard and phone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from localstack.airflow import Airflow
from localstack.keys import load_keys
from localstack.state import State
from support.browser import PHONE, Troubles, axe, champions, choose_theme, fits, needs_chromium, tab_to
from support.in_use import write_in_use
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.settings import Settings

pytestmark = [pytest.mark.slow, needs_chromium]
MODEL, LANE = "tiny", "seen"
RETRAIN = f"{MODEL}.retrain"
Opener = Callable[..., Page]
UNFOLD = "document.querySelectorAll('details').forEach(fold => { fold.open = true })"


@pytest.fixture(scope="module")
def airflow(state: State) -> Airflow:
    found = Airflow.of(state)
    found.wait_for_dag(RETRAIN)
    found.pause(RETRAIN, False)
    return found


@pytest.fixture(scope="module")
def run_id(airflow: Airflow) -> str:
    """A run of a lane of its own, which ends with a champion there."""
    run_id = airflow.trigger(RETRAIN, {"as_of": "2024-01-01", "lane": LANE, "reason": "to be <looked> at"})
    airflow.wait_for_success(RETRAIN, run_id)
    return run_id


@pytest.fixture
def row(run_id: str, settings: Settings) -> Decision:
    (found,) = [r for r in store.read(settings.ledger_url, MODEL, LANE) if r.airflow_run == f"{RETRAIN}/{run_id}"]
    return found


@pytest.fixture
def in_use(row: Decision, settings: Settings) -> None:
    """Scores, looks of a monitor with an alarm, and advice about age, of that champion."""
    write_in_use(row, settings)


@pytest.fixture
def paths(row: Decision) -> dict[str, str]:
    """Each kind of page."""
    return {
        "overview": "/titleholder/",
        "model": f"/titleholder/models/{MODEL}?lane={LANE}",
        "decision": f"/titleholder/decisions/{row.id}",
    }


def test_from_the_navigation_to_mlflow_and_back(
    page_of: Opener, row: Decision, run_id: str, state: State, settings: Settings
) -> None:
    """MLflow asks whoever follows the link for a login."""
    login = {"username": "reader", "password": load_keys(state).mlflow["reader"], "origin": settings.tracking_uri}
    page = page_of("admin", http_credentials=login)
    page.goto("/")
    page.get_by_role("link", name="Champions").click()
    inside = page.frame_locator("iframe")
    expect(inside.get_by_role("heading", name="Champions", level=1)).to_be_visible()
    inside.get_by_role("region", name="Models").get_by_role("link", name=MODEL, exact=True).click()
    inside.get_by_role("navigation", name="Lanes").get_by_role("link", name=LANE).click()
    inside.get_by_role("region", name="Decisions").get_by_role("link", name="2024-01-01").click()
    expect(inside.get_by_role("heading", level=1)).to_contain_text(f"Version {row.challenger_version} promoted")
    expect(page).to_have_url(re.compile(f"/plugin/champions/titleholder/decisions/{row.id}$"))
    expect(inside.get_by_text("to be <looked> at")).to_be_visible()
    card = inside.frame_locator("iframe[title^='Model card']")
    expect(card.get_by_role("heading", level=1)).to_contain_text("promoted")
    with page.context.expect_page() as opened:
        inside.get_by_role("link", name="MLflow run").click()
    mlflow = opened.value
    assert row.mlflow_run_id in mlflow.url
    with page.context.expect_page() as opened:  # MLflow opens what a description links to in a tab of its own
        mlflow.get_by_role("link", name="Airflow run").first.click()
    expect(opened.value).to_have_url(re.compile(f"/dags/{re.escape(RETRAIN)}/runs/{re.escape(run_id[:8])}"))


def test_from_a_task_to_its_decision(page_of: Opener, airflow: Airflow, row: Decision, run_id: str) -> None:
    links = airflow.get(f"/dags/{RETRAIN}/dagRuns/{run_id}/taskInstances/promote/links")["extra_links"]
    page = page_of("admin")
    page.goto(links["Decision"])
    expect(page.frame_locator("iframe").get_by_text(row.hash)).to_be_visible()


def test_links_to_airflow_leave_the_frame(page_of: Opener, paths: dict[str, str]) -> None:
    page = page_of("admin")
    champions(page, paths["model"]).get_by_role("link", name="Retrain…").click()
    expect(page).to_have_url(re.compile(f"/dags/{re.escape(RETRAIN)}"))
    expect(page.get_by_role("button", name="Trigger Dag")).to_be_visible()


@pytest.mark.usefixtures("in_use")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_in_both_themes(
    page_of: Opener, paths: dict[str, str], troubles: Troubles, theme: str
) -> None:
    page = page_of("admin", color_scheme=theme)
    for path in paths.values():
        frame = champions(page, path)
        frame.wait_for_load_state("networkidle")
        assert frame.evaluate("document.documentElement.dataset.theme") == theme
        frame.evaluate(UNFOLD)
        axe(frame)
    axe(champions(page, "/titleholder/models/no_such_model"))
    troubles.take("404 GET")


def test_the_theme_follows_airflows_at_once(page_of: Opener, paths: dict[str, str]) -> None:
    page = page_of("admin", color_scheme="light")
    frame = champions(page, paths["overview"])
    paper = "getComputedStyle(document.body).backgroundColor"
    before = frame.evaluate(paper)
    choose_theme(page, "Dark Mode")
    frame.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert frame.evaluate(paper) != before


@pytest.mark.usefixtures("in_use")
@pytest.mark.parametrize("which", ["overview", "model", "decision"])
def test_every_page_fits_a_phone(page_of: Opener, paths: dict[str, str], which: str) -> None:
    page = page_of("admin", viewport=PHONE)
    frame = champions(page, paths[which])
    fits(frame)
    frame.evaluate(UNFOLD)
    fits(frame)
    axe(frame)
    page.goto(paths[which])
    fits(page)


@pytest.mark.usefixtures("in_use")
def test_on_a_phone_pictures_show_their_newest_months_first(page_of: Opener, paths: dict[str, str]) -> None:
    page = page_of("admin", viewport=PHONE)
    page.goto(paths["model"])
    pictures = page.locator(".scroll:has(> svg.chart)")
    assert pictures.count() == 5  # succession, promise, metric, scores, age
    for picture in pictures.all():
        left, seen, whole = picture.evaluate("it => [it.scrollLeft, it.clientWidth, it.scrollWidth]")
        assert whole > seen, "or there is nothing to scroll"
        assert left + seen == pytest.approx(whole, abs=1)


@pytest.mark.usefixtures("in_use")
def test_what_is_in_use_is_shown_state_first_and_unfolds_to_numbers(page_of: Opener, paths: dict[str, str]) -> None:
    page = page_of("admin")
    frame = champions(page, paths["model"])
    frame.get_by_role("navigation", name="On this page").get_by_role("link", name="In use").click()
    used = frame.get_by_role("region", name="In use", exact=True)
    expect(used).to_contain_text("What is scored is not distributed as the rows that the champion was judged on: home")
    expect(used.get_by_role("img", name="home: changed, PSI 0.3100")).to_be_visible()
    expect(used.get_by_role("list", name="Alarms")).to_contain_text("It has new categories.")
    expect(used).to_contain_text("at most 5.0%")
    numbers = used.get_by_role("region", name="Drift by feature")
    expect(numbers).to_be_hidden()
    used.get_by_text("Drift in numbers").press("Enter")
    expect(numbers.get_by_role("row", name="home")).to_contain_text("<b>boat</b> (36)")
    former = used.get_by_role("region", name="What came true of former champions")
    expect(used.get_by_role("list", name="Former champions")).to_contain_text("promise broken Version 4.")
    expect(former).to_be_hidden()
    used.get_by_text("Former champions in numbers").press("Enter")
    expect(former).to_contain_text("The promised gain did not come true.")
    scores = frame.get_by_role("region", name="Scores", exact=True)
    expect(scores).to_contain_text("Rows in all runs60")
    scores.get_by_text("The newest 3 of 3 runs as a table").click()
    expect(scores.get_by_role("region", name="Scoring runs")).to_contain_text("<b>why</b>")
    age = frame.get_by_role("region", name="Cost of age", exact=True)
    expect(age).to_contain_text("A cost of age is shown, and less often could lose more than is tolerated.")
    age.get_by_text("In numbers").click()
    expect(age.get_by_role("row", name="8 to 10 months")).to_contain_text("+0.0090")


def test_a_model_of_which_nothing_is_known_says_what_to_do(page_of: Opener) -> None:
    page = page_of("admin")
    page.goto("/titleholder/models/tiny_crown?lane=live")
    expect(page.get_by_role("heading", name="No decision yet in the lane live")).to_be_visible()
    expect(page.get_by_role("region", name="Cost of age", exact=True)).to_contain_text(
        "titleholder backtest tiny_crown"
    )
    expect(page.get_by_role("region", name="In use", exact=True)).to_contain_text("monitor")
    fits(page)
    axe(page)


def test_by_keyboard_alone(page_of: Opener, row: Decision) -> None:
    page = page_of("admin")
    page.goto("/")
    tab_to(page, page.get_by_role("link", name="Champions"))
    page.keyboard.press("Enter")
    inside = page.frame_locator("iframe")
    tab_to(page, inside.get_by_role("region", name="Models").get_by_role("link", name=MODEL, exact=True))
    page.keyboard.press("Enter")
    tab_to(page, inside.get_by_role("navigation", name="Lanes").get_by_role("link", name=LANE))
    page.keyboard.press("Enter")
    tab_to(page, inside.get_by_role("searchbox"))
    page.keyboard.type("first champion")
    page.keyboard.press("Enter")
    expect(inside.get_by_role("link", name="Show all")).to_be_visible()  # the page after the search, not the one before
    expect(inside.get_by_role("status")).to_contain_text("1 of 1 decisions")
    tab_to(page, inside.get_by_role("region", name="Decisions").get_by_role("link", name="2024-01-01"))
    page.keyboard.press("Enter")
    expect(inside.get_by_role("heading", level=1)).to_contain_text(f"Version {row.challenger_version} promoted")


def test_the_filter_and_the_way_back(page_of: Opener, paths: dict[str, str]) -> None:
    page = page_of("admin")
    frame = champions(page, paths["model"])
    frame.get_by_label("reject").check()
    frame.get_by_role("button", name="Filter").click()
    expect(frame.get_by_text("No decision matches the filter.")).to_be_visible()
    frame.get_by_role("link", name="Show all").click()
    expect(frame.get_by_role("status")).to_contain_text("1 of 1 decisions")
    page.go_back()
    expect(frame.get_by_text("No decision matches the filter.")).to_be_visible()
