"""How services come up: one that ran already may die while it is looked at."""

from __future__ import annotations

import subprocess
import sys

import pytest

from localstack import environments, processes
from localstack.keys import ensure_keys
from localstack.services import Service
from localstack.start import Starter, ignore
from localstack.state import Record, State
from titleholder.errors import ServiceError

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def starter(state: State, monkeypatch: pytest.MonkeyPatch) -> Starter:
    monkeypatch.setattr(environments, "of", lambda *_: environments.base())
    return Starter(state, ensure_keys(state), Record(), ignore)


def test_a_service_that_dies_while_it_is_looked_at_is_started(starter: Starter) -> None:
    """Airflow's scheduler ends some seconds after its database went away: it may have run when `up` began."""
    with subprocess.Popen(SLEEP) as dying:
        known = processes.identify(dying.pid)
        assert known
        starter.record.services["scheduler"] = known
        service = Service("scheduler", SLEEP, healthy=lambda running: running != known, cwd=starter.state.root)
        chain = starter.chain([service])
        next(chain)
        dying.kill()
    try:
        starter.run([chain])
        started = starter.record.services["scheduler"]
        assert started != known
        assert processes.is_alive(started)
        assert starter.state.read().services == {"scheduler": started}
    finally:
        processes.stop(processes.find(str(starter.state.root)).get("scheduler", ()))


def test_a_service_that_was_started_and_ends_is_an_error(starter: Starter) -> None:
    ending = (sys.executable, "-c", "raise SystemExit('no database')")
    service = Service("scheduler", ending, healthy=lambda _: False, cwd=starter.state.root)
    with pytest.raises(
        ServiceError, match=r"(?s)scheduler ended.* with exit code 1.*no database|scheduler ended at once"
    ):
        starter.run([starter.chain([service])])
