"""Which of the running services `up` keeps, and what it stops."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from localstack import services, stack
from localstack.keys import ensure_keys
from localstack.services import AIRFLOW, ORDER
from localstack.state import Record, Running, State

PORTS = {"postgres": 15432, "mlflow": 15000, "airflow": 18080}
VERSIONS = {migration: services.installed(migration) for migration in services.MIGRATIONS}
HOUR = 3600


class World:
    """Services that live and answer as a test sets them."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = State(tmp_path / "state")
        self.state.prepare()
        self.keys = ensure_keys(self.state)
        self.dead: set[str] = set()
        self.silent: set[str] = set()
        self.stopped: list[set[str]] = []
        old = time.time() - HOUR
        runnings = {name: Running(number, old) for number, name in enumerate(ORDER, start=100_000)}
        self.record = Record(ports=dict(PORTS), services=runnings, migrated=dict(VERSIONS))
        real = services.services(self.state, self.keys, PORTS)
        monkeypatch.setattr(stack, "services", lambda *_: {n: self._fake(s) for n, s in real.items()})
        monkeypatch.setattr(stack, "is_alive", lambda running: running not in [runnings[name] for name in self.dead])
        monkeypatch.setattr(stack, "stop_services", lambda *_, keep=(): self.stopped.append(set(ORDER) - set(keep)))
        monkeypatch.setattr(stack, "choose_ports", lambda recorded, running, owner: dict(PORTS))
        monkeypatch.setattr(stack.time, "sleep", lambda _: None)

    def _fake(self, service: services.Service) -> services.Service:
        return replace(service, healthy=lambda _: service.name not in self.silent)

    def restarted(self) -> set[str]:
        """What `up` would start again."""
        self.state.write(self.record)
        return set(ORDER) - set(stack.prepare_record(self.state, self.keys).services)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_everything_that_answers_is_kept(world: World) -> None:
    assert world.restarted() == set()
    assert world.stopped == [set()]


@pytest.mark.parametrize("name", ["mlflow", "scheduler", "triggerer"])
def test_only_dead_or_hanging_services_are_restarted(world: World, name: str) -> None:
    world.dead = {name}
    assert world.restarted() == {name}
    world.dead, world.silent = set(), {name}
    assert world.restarted() == {name}


def test_a_young_service_is_kept(world: World) -> None:
    world.silent = {"mlflow"}
    world.record.services["mlflow"] = Running(100_001, time.time() - 5)
    assert world.restarted() == set()


def test_a_dead_api_server_restarts_no_other_service(world: World) -> None:
    world.dead, world.silent = {"api-server"}, set(AIRFLOW)
    assert world.restarted() == {"api-server"}


def test_without_the_database_everything_is_restarted(world: World) -> None:
    world.dead = {"postgres"}
    assert world.restarted() == set(ORDER)


def test_another_version_migrates_and_restarts_its_own_services(world: World) -> None:
    world.record.migrated["airflow-migration"] = "3.0.0"
    assert world.restarted() == set(AIRFLOW)


def test_a_changed_port_restarts_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.dead = {"mlflow"}
    monkeypatch.setattr(stack, "choose_ports", lambda recorded, running, owner: PORTS | {"mlflow": 15001})
    assert world.restarted() == set(ORDER)
    assert world.state.read().ports["mlflow"] == 15001


def test_nothing_recorded_means_nothing_kept(world: World) -> None:
    world.record = Record()
    assert world.restarted() == set(ORDER)
    assert world.stopped == [set(ORDER)], "what a lost record no longer names is stopped all the same"
