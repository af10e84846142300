"""Addresses of PostgreSQL: what a client is told to do, and what a server that pretends gets from it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from support.impostors import CLEARTEXT, MD5, asking_for_a_password
from titleholder import postgres
from titleholder.data import warehouse
from titleholder.errors import ServiceError, TitleholderError, UsageError
from titleholder.ledger import store

PASSWORD = "hunter2-of-the-ledger"


def by_psycopg2(url: str) -> None:
    with warehouse.session(url, "warehouse"):
        pass


def by_adbc(url: str) -> None:
    with warehouse.rows(url, "warehouse", timedelta(seconds=5)):
        pass


def of_the_ledger(url: str) -> None:
    store.models(url)


CLIENTS = [by_psycopg2, by_adbc, of_the_ledger]


@pytest.mark.parametrize("request_", [CLEARTEXT, MD5], ids=["cleartext", "md5"])
@pytest.mark.parametrize("connect", CLIENTS)
def test_whoever_sits_on_the_port_gets_no_password(connect: Callable[[str], None], request_: bytes) -> None:
    with asking_for_a_password(request_) as (port, received):
        url = f"postgresql+psycopg2://ledger:{PASSWORD}@127.0.0.1:{port}/titleholder"
        with pytest.raises(ServiceError, match="authentication method requirement"):
            connect(url)
    assert bytes(received) == b""


def test_the_impostor_would_get_it_from_a_client_that_asks_for_nothing() -> None:
    with asking_for_a_password(CLEARTEXT) as (port, received):
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(host="127.0.0.1", port=port, user="ledger", password=PASSWORD, connect_timeout=1)
        assert PASSWORD.encode() in bytes(received)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ledger:hunt/er2@db:5432/titleholder",
        "postgresql://ledger:hunt#er2@db/titleholder",
        "postgresql://ledger:hunt?er2@db/titleholder",
        "postgresql://ledger:hunt@er2@db/titleholder",
        "postgresql://ledger:hunt%er2@db/titleholder",
        "postgresql://ledger:12/hunter2@db/titleholder",
        "postgresql://ledger:%00hunter2@db/titleholder",
        "mysql://ledger:hunter2@db/titleholder",
        "host=db user=ledger password=hunter2",
    ],
)
@pytest.mark.parametrize("connect", CLIENTS)
def test_no_part_of_an_address_that_cannot_be_read_is_repeated(connect: Callable[[str], None], url: str) -> None:
    with pytest.raises(UsageError, match="percent-encoded") as raised:
        connect(url)
    said = repr(raised.value) + "".join(traceback.format_exception(raised.value))
    assert not [
        part for part in ("hunt/", "er2@", "hunter2", "hunt@", "%er2", "hunt er2") if part in said.split('"""')[0]
    ]


@pytest.mark.parametrize("connect", CLIENTS)
def test_what_a_client_raises_does_not_have_the_password(connect: Callable[[str], None]) -> None:
    with pytest.raises(TitleholderError) as raised:
        connect(f"postgresql://ledger:{PASSWORD}@127.0.0.1:1/titleholder")
    assert PASSWORD not in repr(raised.value) + "".join(traceback.format_exception(raised.value))


safe = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(safe, safe, safe, st.integers(1, 65535))
def test_an_address_as_sqlalchemy_writes_it_is_read_as_it_was_meant(
    user: str, password: str, database: str, port: int
) -> None:
    """Against `sqlalchemy.engine.URL`, which quotes the parts; libpq then reads the same from our address."""
    url = make_url("postgresql+psycopg2://x/y").set(username=user, password=password, port=port)
    found = postgres.parameters(url.render_as_string(hide_password=False))
    assert (found["user"], found["password"], found["host"], found["port"]) == (user, password, "x", str(port))
    read = psycopg2.extensions.parse_dsn(postgres.address({**found, "dbname": database}))
    assert read == {**found, "dbname": database}


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_other_text_is_refused_in_a_sentence(text: str) -> None:
    try:
        found = postgres.parameters(f"postgresql://{text}")
    except UsageError:
        return
    psycopg2.extensions.parse_dsn(postgres.address(found))


def test_the_parameters_of_an_address_win() -> None:
    found = postgres.parameters(
        "postgres://u:secret@a,[::1]:5433/db?require_auth=md5&connect_timeout=3&options=-c%20a%3Db"
    )
    assert (found["host"], found["port"], found["dbname"]) == ("a,::1", ",5433", "db")
    assert (found["require_auth"], found["connect_timeout"], found["options"]) == ("md5", "3", "-c a=b")


def test_over_tls_the_proof_is_bound_to_the_connection() -> None:
    assert postgres.parameters("postgresql://u:secret@a/db?sslmode=verify-full")["channel_binding"] == "require"
    assert "channel_binding" not in postgres.parameters("postgresql://u:secret@a/db")


@pytest.mark.parametrize("request_", [CLEARTEXT, MD5], ids=["cleartext", "md5"])
@pytest.mark.parametrize("connect", CLIENTS)
@pytest.mark.parametrize("place", ["PGPASSWORD", "PGPASSFILE", "passfile"])
def test_nor_one_that_libpq_finds_elsewhere(
    connect: Callable[[str], None], request_: bytes, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "pgpass"
    file.write_text(f"*:*:*:*:{PASSWORD}\n")
    file.chmod(0o600)
    monkeypatch.delenv(postgres.REQUIRED, raising=False)
    if place != "passfile":
        monkeypatch.setenv(place, PASSWORD if place == "PGPASSWORD" else str(file))
    with asking_for_a_password(request_) as (port, received):
        query = f"?passfile={file}" if place == "passfile" else ""
        with pytest.raises(ServiceError, match="authentication method requirement"):
            connect(f"postgresql://ledger@127.0.0.1:{port}/titleholder{query}")
    assert bytes(received) == b""


def test_a_login_without_a_password_is_left_to_the_server_and_to_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = "postgresql://u@/db?host=/run/postgresql"
    monkeypatch.delenv(postgres.REQUIRED, raising=False)
    assert postgres.parameters(address)["require_auth"] == "!password,!md5"
    monkeypatch.setenv(postgres.REQUIRED, "scram-sha-256")
    assert "require_auth" not in postgres.parameters(address)


def test_a_parameter_that_libpq_does_not_know_is_named_without_its_value() -> None:
    with pytest.raises(UsageError, match=r"does not know: __extra__$"):
        postgres.parameters("postgresql://u:secret@a/db?__extra__=hunter2")
