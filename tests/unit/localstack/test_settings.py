"""The environment: complete, loopback only, free of other stacks' settings."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from localstack import settings
from localstack.keys import ensure_keys, load_keys
from localstack.processes import STACK_MARK
from localstack.state import PROJECT, Record, State
from titleholder.errors import ServiceError

PORTS = {"postgres": 15432, "mlflow": 15000, "airflow": 18080}
COMMON = PROJECT / "config" / "airflow.env"


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path / "state")
    made.prepare()
    ensure_keys(made)
    made.write(Record(ports=PORTS))
    return made


def test_has_every_address(state: State) -> None:
    values = settings.environment(state)
    urls = {name: urlsplit(value) for name, value in values.items() if "://" in value}
    airflow = parse_qs(urls.pop("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN").query)
    assert airflow == {"host": [str(state.sockets)], "port": [str(PORTS["postgres"])]}
    assert {url.hostname for url in urls.values()} == {"127.0.0.1"}
    assert {url.port for url in urls.values()} == set(PORTS.values())
    assert urls["AIRFLOW_CONN_WAREHOUSE"].scheme == "postgresql"
    assert urls["AIRFLOW_CONN_WAREHOUSE"].username == "reader"
    for name, role in {"LOADER": "loader", "LEDGER": "ledger"}.items():
        url = urls[f"TITLEHOLDER_{name}_URL"]
        assert (url.scheme, url.username) == ("postgresql+psycopg2", role)
    assert values["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18080/execution/"
    assert values["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:15000"
    assert values["MLFLOW_TRACKING_USERNAME"] == "titleholder"


def test_holds_the_settings_shared_with_compose(state: State) -> None:
    common = settings.read_settings(COMMON)
    assert common["AIRFLOW__CORE__LOAD_EXAMPLES"] == "false"
    assert common.items() <= settings.environment(state).items()


def test_a_shell_gets_neither_the_mark_that_gets_processes_stopped_nor_the_password_of_the_ledgers_owner(
    state: State,
) -> None:
    values = settings.environment(state)
    assert STACK_MARK not in values
    assert load_keys(state).roles["ledger_owner"] not in "\n".join(values.values())
    assert load_keys(state).signing not in values.values(), "only tasks sign"
    assert urlsplit(settings.ledger_url(state, "ledger_owner")).username == "ledger_owner"


def test_a_proxy_is_kept_away_from_loopback(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "example.org")
    assert settings.environment(state)["NO_PROXY"] == "example.org,127.0.0.1,localhost"


def test_a_stack_that_never_ran_has_no_environment(state: State) -> None:
    state.write(Record())
    with pytest.raises(ServiceError, match="titleholder stack up"):
        settings.environment(state)


def test_reads_what_docker_compose_reads(tmp_path: Path) -> None:
    file = tmp_path / "x.env"
    file.write_text("# comment\n\nA=1\nB = x=y \n")
    assert settings.read_settings(file) == {"A": "1", "B": "x=y"}
    file.write_text("A=1\nB\n")
    with pytest.raises(ServiceError, match="line 2: expected KEY=VALUE, got 'B'"):
        settings.read_settings(file)
    with pytest.raises(ServiceError, match="runs from a clone"):
        settings.read_settings(tmp_path / "none.env")


def test_more_slots_than_cores_but_never_airflows_32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert settings.parallelism() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert settings.parallelism() == 12


def test_more_users_of_airflow_have_roles_and_passwords(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.users() == {"admin": "admin"}
    monkeypatch.setenv("TITLEHOLDER_USERS", "risk-lead:op, auditor:viewer")
    assert settings.airflow_users() == "risk-lead:op,auditor:viewer,admin:admin"
    assert settings.environment(state)["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == settings.airflow_users()
    assert set(settings.passwords(state)) == {"admin"}, "the stack makes the others when it starts"


@pytest.mark.parametrize("wrong", ["risk-lead", "risk-lead:king", ":op"])
def test_a_user_without_a_role_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("TITLEHOLDER_USERS", wrong)
    with pytest.raises(ServiceError, match="is not NAME:ROLE, such as 'risk-lead:op'; roles: viewer, user, op, admin"):
        settings.users()
