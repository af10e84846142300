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


def ask(
    path: str, authorization: str = "", method: str = "GET", kind: str = "http", body: bytes = b""
) -> list[dict[str, Any]]:
    """What the login sends; `reached`, where it lets the request pass, with its body if it has one."""
    sent: list[Any] = []
    size = max(7, len(body) // 5)
    parts = [{"type": "http.request", "body": body[n : n + size], "more_body": True} for n in range(0, len(body), size)]
    parts.append({"type": "http.request", "body": b""})

    async def receive() -> Any:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got, message = b"", {"more_body": bool(body)}
        while message.get("more_body"):
            got += (message := await receive()).get("body", b"")
        await send({"type": "reached", **({"body": got} if body else {})})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"x"), *([(b"authorization", authorization.encode("latin-1"))] if authorization else [])]
    scope = {"type": kind, "path": path, "method": method, "headers": headers}
    asyncio.run(Login(app, PASSWORDS)(scope, receive, send))
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


def test_nobody_and_no_reader_fills_the_servers_memory() -> None:
    """MLflow keeps a whole request before it looks at it: 400 MB sent to /health were 400 MB."""
    large = b"x" * (2 * login.LARGEST)
    (reached,) = ask("/health", body=large)
    assert reached == {"type": "reached", "body": b""}
    assert ask("/health", method="POST", body=large)[0]["status"] == 401
    (reached,) = ask("/graphql", basic(READER, PASSWORDS[READER]), "POST", body=large)
    assert len(reached["body"]) <= login.LARGEST
    (reached,) = ask("/graphql", basic(READER, PASSWORDS[READER]), "POST", body=large[: login.LARGEST])
    assert len(reached["body"]) == login.LARGEST
    (reached,) = ask("/api/2.0/mlflow-artifacts/artifacts/x", basic(WRITER, PASSWORDS[WRITER]), "PUT", body=large)
    assert len(reached["body"]) == len(large), "a model may be large"


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


@pytest.mark.parametrize("user", PASSWORDS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/ajax-api/3.0/mlflow/assistant/config"),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
        ("GET", "/ajax-api/3.0/mlflow/assistant/sessions/1/stream"),
        ("GET", "/ajax-api/3.0/mlflow/assistant/providers/ollama/models"),
        ("GET", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("POST", "/api/3.0/mlflow/gateway/endpoints/create"),
        ("POST", "/gateway/mlflow/v1/chat/completions"),
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("POST", "/ajax-api/3.0/jobs/"),
        ("POST", "/api/3.0/mlflow/traces"),
        ("POST", "/api/2.0/mlflow/runs/create-promptlab-run"),
        ("GET", "/what/a/later/version/adds"),
        ("POST", "/api/2.0/mlflow/runs\n"),
    ],
)
def test_nobody_gets_what_acts_from_the_servers_machine(user: str, method: str, path: str) -> None:
    start, body = ask(path, basic(user, PASSWORDS[user]), method)
    assert start["status"] == 403
    assert method == "POST" or body["body"] == b"This server does not serve that\n"


CREATE = "/api/2.0/mlflow/experiments/create"


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "x", "artifact_location": "file:///home/me/dags"}',
        b'{"name": "x", "artifactLocation": "/home/me/dags"}',
        b'{"name": "x", "artifact\\u005flocation": "s3://bucket"}',
        b'{"artifact_location": "", "name": "x", "artifact_location": "dags"}',
        b'"{\\"name\\": \\"x\\", \\"artifact_location\\": \\"dags\\"}"',
        '{"name": "x", "artifact_location": "dags"}'.encode("utf-16"),
        b"[" * 100_000,
        b"no JSON",
        b'{"name": "' + b"x" * login.LARGEST + b'"}',
    ],
)
@pytest.mark.parametrize("path", [CREATE, CREATE.replace("/api", "/ajax-api")])
def test_nobody_chooses_where_the_server_writes_files(path: str, body: bytes) -> None:
    start, answer = ask(path, basic(WRITER, PASSWORDS[WRITER]), "POST", body=body)
    assert (start["status"], answer["body"][:36]) == (403, b"An experiment is created with a name")


@pytest.mark.parametrize("body", [b'{"name": "x"}', b'{"name": "x", "artifact_location": "", "tags": [{"key": "a"}]}'])
def test_an_experiment_is_made_with_a_name_and_tags(body: bytes) -> None:
    assert ask(CREATE, basic(WRITER, PASSWORDS[WRITER]), "POST", body=body) == [{"type": "reached", "body": body}]


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
