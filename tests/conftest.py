"""The real services for the slow tests: PostgreSQL and MLflow, started once, in a state folder of their own."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence

import pytest

import support.shell  # noqa: F401  (before whatever imports a console)
from localstack.settings import environment
from localstack.state import State
from support.stacks import MODELS, a_stack, adapt_services
from titleholder.settings import Settings


def pytest_configure() -> None:
    """A test run that is told to end still stops the servers it started."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for a running stack is slow, also where its module does not say so."""
    for item in items:
        if any(found.scope == "session" for found in fixtures_of(item).get("state", ())):
            item.add_marker("slow")


def fixtures_of(item: pytest.Item) -> Mapping[str, Sequence[pytest.FixtureDef[object]]]:
    """The fixtures that a test asks for, by name."""
    return item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}


@pytest.fixture(scope="session", autouse=True)
def measured() -> Iterator[None]:
    """Coverage measures those services only in which it finds something."""
    with pytest.MonkeyPatch.context() as patch:
        adapt_services(patch)
        yield


@pytest.fixture(scope="session")
def state() -> Iterator[State]:
    """PostgreSQL and MLflow; tests/e2e/conftest.py has Airflow too."""
    with a_stack(airflow=False) as state:
        yield state


@pytest.fixture
def env(state: State, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The stack's environment, also set in this process, with the models of the tests."""
    found = environment(state)
    for name, value in found.items():
        if name.startswith(("TITLEHOLDER_", "MLFLOW_", "AIRFLOW_CONN_")):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(MODELS))
    return found


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    """Where the running services are."""
    return Settings.from_environment()
