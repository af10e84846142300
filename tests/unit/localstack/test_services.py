"""What is started, and what counts as healthy."""

from __future__ import annotations

import pytest

from localstack import services
from localstack.keys import Keys
from localstack.state import State
from titleholder.errors import ServiceError

PORTS = {"postgres": 15432, "mlflow": 15000, "airflow": 18080}
BEAT = "2026-03-01T12:00:00+00:00"
SECONDS = 1772366400.0


def health(status: str = "healthy", beat: str | None = BEAT) -> dict[str, object]:
    return {"scheduler": {"status": status, "latest_scheduler_heartbeat": beat}}


@pytest.mark.parametrize(
    ("report", "since", "expected"),
    [
        (health(), SECONDS - 1, True),
        (health(), SECONDS + 1, False),  # the heartbeat of a process that has died since
        (health(status="unhealthy"), SECONDS - 1, False),
        (health(beat=None), SECONDS - 1, False),
        ({}, SECONDS - 1, False),
        ({"scheduler": None}, SECONDS - 1, False),
    ],
)
def test_a_heartbeat_counts_only_from_this_process(report: dict[str, object], since: float, expected: bool) -> None:
    assert services.has_beaten(report, "scheduler", since) is expected


def test_no_password_is_in_an_argument(state: State, keys: Keys) -> None:
    arguments = [part for service in services.services(state, keys, PORTS).values() for part in service.argv]
    arguments += [part for command in services.migrations(PORTS).values() for part in command]
    secret = {*keys.roles.values(), *keys.mlflow.values(), keys.fernet, keys.jwt, keys.api, keys.admin}
    assert not [part for part in arguments if any(value in part for value in secret)]


def test_every_service_is_known_in_order(state: State, keys: Keys) -> None:
    assert tuple(services.services(state, keys, PORTS)) == services.ORDER


def test_addresses() -> None:
    assert services.address("postgres", PORTS) == "127.0.0.1:15432"
    assert services.address("api-server", PORTS) == "http://127.0.0.1:18080"
    assert services.address("scheduler", PORTS) == ""
    assert services.address("mlflow", {}) == ""


def test_a_missing_executable_says_what_to_install() -> None:
    with pytest.raises(ServiceError, match=r"No nonesuch next to .*requirements\.txt"):
        services.executable("nonesuch")
