"""The stack's own look at PostgreSQL's port: it meets whatever sits there, before and after the server."""

from __future__ import annotations

from localstack import roles
from localstack.keys import ROLES, Keys
from localstack.settings import read_settings
from localstack.state import PROJECT
from support.impostors import CLEARTEXT, asking_for_a_password


def test_a_server_that_asks_for_the_superusers_password_gets_none() -> None:
    keys = Keys(dict.fromkeys(ROLES, "tr0ub4dor"), fernet="", jwt="", api="", mlflow="", admin="")
    with asking_for_a_password(CLEARTEXT) as (port, received):
        assert not roles.answers(keys, port)
    assert bytes(received) == b""


def test_airflow_and_mlflow_tell_libpq_the_same_in_both_stacks() -> None:
    assert read_settings(PROJECT / "config" / "airflow.env")["PGREQUIREAUTH"] == "scram-sha-256"
