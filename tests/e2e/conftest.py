"""The whole stack for the tests that need Airflow, started once; and people at its pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import create_engine

from localstack import ports
from localstack.ports import HOST
from localstack.settings import environment, passwords
from localstack.state import State
from support import git_bundle
from support.browser import People, Troubles, keep, start
from support.stacks import AIRFLOW, a_stack

FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def pushed() -> Iterator[git_bundle.Repository]:
    """A Git repository from which Airflow reads DAGs too."""
    with git_bundle.repository() as found:
        yield found


@pytest.fixture(scope="session")
def state(pushed: git_bundle.Repository) -> Iterator[State]:
    """PostgreSQL, MLflow and Airflow, on ports that no other stack takes while one of them is stopped for a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "PREFERRED", {"postgres": 15432, "mlflow": 15000, "airflow": 18080})
        patch.setitem(AIRFLOW, "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", pushed.setting)
        with a_stack(airflow=True) as state:
            yield state


@pytest.fixture
def recent(state: State) -> Iterator[None]:
    """Events of the last months: a run of today is judged on them."""
    columns = "bad, signal, noise, price, kind, amount"
    engine = create_engine(environment(state)["TITLEHOLDER_LOADER_URL"])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO tiny (id, happened_at, known_at, {columns}) SELECT id + 1000000, "
            "now() - interval '100 days' + mod(id, 30) * interval '1 day', now() - interval '60 days', "
            f"{columns} FROM tiny WHERE id < 300"
        )
    yield
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM tiny WHERE id >= 1000000")
    engine.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one module: no test could run asyncio while Playwright does."""
    with sync_playwright() as playwright:
        yield start(playwright)


@pytest.fixture(scope="module")
def people(browser: Browser, state: State) -> People:
    """Airflow's users, who stay logged in for one module."""
    return People(browser, f"http://{HOST}:{state.read().ports['airflow']}", passwords(state))


@pytest.fixture
def troubles(people: People) -> Troubles:
    """What goes wrong in this test's pages. What is meant to must be taken out: the rest fails the test."""
    return Troubles(people.address)


@pytest.fixture
def page_of(
    browser: Browser, people: People, troubles: Troubles, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Opens a page of a user who is logged in; of nobody, when none is named. Takes Playwright's context options."""

    def open_page(user: str | None = None, **options: Any) -> Page:
        return people.page(user, troubles, **options) if user else people.stranger(troubles, **options)

    yield open_page
    failed = request.node.stash.get(FAILED, False)
    if failed or troubles.seen:
        pages = [page for context in browser.contexts for page in context.pages]
        kept = [f"{page.url}: {path}" for page in pages for path in keep(page, tmp_path)]
        request.node.add_report_section("teardown", "pages", "\n".join([*troubles.seen, *kept]))
    for context in browser.contexts:
        context.close()
    assert failed or not troubles.seen, troubles.seen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let fixtures know whether their test failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report
