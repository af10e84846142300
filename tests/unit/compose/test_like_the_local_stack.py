"""docker-compose.yaml has the settings, roles and databases of the local stack."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from localstack import environments, roles, settings
from localstack.keys import ROLES, Keys
from localstack.ports import PREFERRED
from localstack.state import PROJECT, Record, State
from support.compose_file import DATABASE_PASSWORDS, SERVICES, image_environment
from titleholder_mlflow.login import PASSWORDS

# What only the local stack sets: its state folder, a login for development, and a plugins folder for a checkout that was
# not installed. The image is always installed, and has the plugin by its entry point.
LOCAL_ONLY = {
    "AIRFLOW__CORE__PLUGINS_FOLDER",
    "TITLEHOLDER_STATE",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
}


def a_local_stack(state: State) -> tuple[Keys, dict[str, int]]:
    """The secrets and ports of a local stack that was never started."""
    state.prepare()
    roles, people = dict.fromkeys(ROLES, "x"), dict.fromkeys(PASSWORDS, "x")
    keys = Keys(roles, people, fernet="x", jwt="x", api="x", signing="x", admin="x")
    state.secrets.write_text(json.dumps(keys.__dict__))
    state.write(Record(ports=dict.fromkeys(PREFERRED, 1)))
    return keys, dict.fromkeys(PREFERRED, 1)


@pytest.fixture
def local(tmp_path: Path) -> dict[str, str]:
    """The environment of its shell."""
    a_local_stack(State(tmp_path / "state"))
    return settings.environment(State(tmp_path / "state"))


def test_every_setting_of_the_local_stack_is_set(local: Mapping[str, str]) -> None:
    shared = settings.read_settings(PROJECT / "config" / "airflow.env")
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert set(local) - LOCAL_ONLY - set(shared) - set(image_environment()) - given == set()


def test_no_service_overrides_a_shared_setting() -> None:
    shared = settings.read_settings(PROJECT / "config" / "airflow.env")
    for service in SERVICES.values():
        assert not set(shared) & set(service.get("environment", {}))


@pytest.mark.parametrize(
    ("names", "process"),
    [
        (["mlflow"], "mlflow"), (["airflow-apiserver"], "api-server"),
        (["airflow-scheduler", "airflow-worker"], "scheduler"), (["airflow-scheduler", "airflow-worker-training"], "scheduler"),
        (["airflow-dag-processor"], "dag-processor"), (["airflow-triggerer"], "triggerer"),
    ],
)  # fmt: skip
def test_each_service_has_the_roles_databases_and_drivers_of_the_local_one(
    names: list[str], process: str, tmp_path: Path
) -> None:
    """There tasks run in the scheduler, here in workers: what the one has, both have together."""
    environment = {name: value for service in names for name, value in SERVICES[service]["environment"].items()}
    address = re.compile(r"(postgresql[+\w]*)://(\w+)(?::.*)?@[^/]*/(\w+)(?:\?host=.*)?")
    keys, ports = a_local_stack(State(tmp_path / "state"))
    local = environments.of(process, State(tmp_path / "state"), keys, ports)
    here, there = (
        {name: found.groups() for name, value in values.items() if (found := address.fullmatch(str(value)))}
        for values in (environment, local)
    )
    assert here == there
    user = "MLFLOW_TRACKING_USERNAME"
    assert environment.get(user) == local.get(user)


def test_postgres_is_tuned_alike() -> None:
    from localstack import postgres

    flags = dict(part.removeprefix("-c").split("=") for part in SERVICES["postgres"]["command"][1:])
    where = {"listen_addresses", "unix_socket_directories"}  # the container's own matter
    assert flags == {name: value for name, value in postgres._SETTINGS.items() if name not in where}


def test_first_start_runs_the_file_of_the_local_stack_with_every_password() -> None:
    assert "./compose/initdb:/docker-entrypoint-initdb.d:ro" in SERVICES["postgres"]["volumes"]
    assert list((PROJECT / "compose" / "initdb").iterdir()) == [roles.SCRIPT]
    read = set(re.findall(r"^\\getenv \w+ (\w+)$", roles.SCRIPT.read_text(), flags=re.M))
    assert read == DATABASE_PASSWORDS - {"POSTGRES_PASSWORD"}
    assert set(SERVICES["postgres"]["environment"]) >= DATABASE_PASSWORDS
