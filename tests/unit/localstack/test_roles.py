"""The stack's own look at PostgreSQL's port: it meets whatever sits there, before and after the server."""

from __future__ import annotations

from localstack import environments, roles
from localstack.keys import ROLES, Keys, ensure_keys
from localstack.ports import PREFERRED
from localstack.settings import read_settings
from localstack.state import PROJECT, State
from support.impostors import CLEARTEXT, asking_for_a_password


def test_a_server_that_asks_for_the_superusers_password_gets_none() -> None:
    keys = Keys(dict.fromkeys(ROLES, "tr0ub4dor"), fernet="", jwt="", api="", mlflow="", signing="", admin="")
    with asking_for_a_password(CLEARTEXT) as (port, received):
        assert not roles.answers(keys, port)
    assert bytes(received) == b""


def test_the_services_tell_libpq_the_same_in_both_stacks(state: State) -> None:
    keys, ports = ensure_keys(state), dict.fromkeys(PREFERRED, 15000)
    assert read_settings(PROJECT / "config" / "airflow.env")["PGREQUIREAUTH"] == "scram-sha-256"
    for process in ("mlflow", "mlflow-migration", "airflow-migration", "api-server", "scheduler", "dag-processor"):
        assert environments.of(process, state, keys, ports)["PGREQUIREAUTH"] == "scram-sha-256"
