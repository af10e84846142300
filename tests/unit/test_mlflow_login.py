"""MLflow's login: who is let in, and what a reader may ask."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from titleholder_mlflow import login
from titleholder_mlflow.login import READER, WRITER, Login, may

PASSWORDS = {WRITER: "a password: for tasks", READER: "wörd that is for reading"}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def ask(path: str, authorization: str = "", method: str = "GET", kind: str = "http") -> list[dict[str, Any]]:
    """What the login sends; `reached`, where it lets the request pass."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "reached"})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"x"), *([(b"authorization", authorization.encode("latin-1"))] if authorization else [])]
    scope = {"type": kind, "path": path, "method": method, "headers": headers}
    asyncio.run(Login(app, PASSWORDS)(scope, None, send))  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ???",
        basic(WRITER, ""),
        basic(WRITER, PASSWORDS[READER]),
        basic(READER, PASSWORDS[WRITER]),
        basic("admin", PASSWORDS[WRITER]),
        basic(WRITER, PASSWORDS[WRITER] + " "),
        basic(WRITER, PASSWORDS[WRITER]).replace("Basic", "Bearer"),
        "Basic " + base64.b64encode(WRITER.encode()).decode(),
        "Basic \xff\xff",
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/version", "/health/", "/healthy", "/static-files/x", "/api/2.0/mlflow/runs/get"]
)
def test_whoever_has_no_password_gets_nothing(authorization: str, path: str) -> None:
    start, body = ask(path, authorization)
    assert start["status"] == 401
    assert dict(start["headers"])[b"www-authenticate"].startswith(b"Basic ")
    assert not [password for password in PASSWORDS.values() if password.encode() in body["body"]]


@pytest.mark.parametrize("user", PASSWORDS)
def test_both_users_are_let_in_to_read(user: str) -> None:
    assert ask("/", basic(user, PASSWORDS[user])) == [{"type": "reached"}]
    assert ask("/", basic(user, PASSWORDS[user]).replace("Basic", "bAsIc")) == [{"type": "reached"}]


def test_health_needs_no_login_and_websockets_are_refused() -> None:
    assert ask("/health") == [{"type": "reached"}]
    assert ask("", kind="lifespan") == [{"type": "reached"}]
    assert ask("/health", basic(WRITER, PASSWORDS[WRITER]), kind="websocket") == [
        {"type": "websocket.close", "code": 1008}
    ]


def test_a_reader_who_writes_is_told_so() -> None:
    start, body = ask("/api/2.0/mlflow/runs/create", basic(READER, PASSWORDS[READER]), "POST")
    assert (start["status"], body["body"]) == (403, b"The user reader may only read\n")
    assert ask("/api/2.0/mlflow/runs/create", basic(WRITER, PASSWORDS[WRITER]), "POST") == [{"type": "reached"}]


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow-artifacts/mpu/create/runs/search",
        "/gateway/proxy/x/api/2.0/mlflow/runs/search",
        "/api/2.0/mlflow/runs/search/",
        "/api/2.0/mlflow/runs/search\n",
        "/api/2.0/mlflow/runs/create/../search",
        "//graphql",
        "/graphql/x",
    ],
)
def test_no_path_that_only_looks_like_a_search(path: str) -> None:
    assert not may(READER, "POST", path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"MLFLOW_READER_PASSWORD": ""},
            "MLFLOW_READER_PASSWORD, the password of MLflow's user reader, has 0 characters",
        ),
        ({"MLFLOW_WRITER_PASSWORD": "s3cret"}, "MLFLOW_WRITER_PASSWORD, .* has 6 characters: set one of at least 16"),
        ({"MLFLOW_READER_PASSWORD": "w" * 32}, "are equal: whoever reads could write"),
    ],
)
def test_a_server_without_two_passwords_does_not_start(
    changes: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MLFLOW_WRITER_PASSWORD": "w" * 32, "MLFLOW_READER_PASSWORD": "r" * 32, **changes}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=said) as refused:
        login.create_app()
    assert "s3cret" not in str(refused.value)
