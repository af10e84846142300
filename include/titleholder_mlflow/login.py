"""MLflow's login: two users with a password each, one who may write and one who reads.

It stands before every route of the server, whatever serves it (REST, the user interface's calls, GraphQL, files), and
serves runs, models and files only. Nobody gets the rest: MLflow's assistant runs commands on
its machine, for whoever asks; its gateway and webhooks send requests from there; and a route that a later MLflow adds
may do either. MLflow's own app `basic-auth` decides route by route, lets readers create what has a new name, and hashes
the password in each request.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

WRITER, READER = "titleholder", "reader"
PASSWORDS = {WRITER: "MLFLOW_WRITER_PASSWORD", READER: "MLFLOW_READER_PASSWORD"}
"""The users, and the environment variable with the password of each."""
SHORTEST = 16
"""The least length of a password: nothing limits how often somebody may guess."""
OPEN = "/health"
"""The path that answers without a login; it says `OK`."""

LARGEST = 1_000_000
"""Bytes of a request of a reader, and of one that makes an experiment: MLflow keeps a whole request in memory."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_API = r"/(?:ajax-)?api"
_READ = re.compile(
    r"/(?:version|graphql|get-artifact|model-versions/get-artifact|health|static-files/.+)?"
    rf"|{_API}/2\.0/(?:mlflow-artifacts/.+|mlflow/(?:artifacts|experiments|logged-models|metrics|model-versions"
    r"|registered-models|runs|traces)(?:/.+)?)"
    rf"|{_API}/3\.0/mlflow/(?:datasets|server-info|traces)(?:/.+)?"
)
"""What is asked by GET: the user interface, and what it shows of runs, models and files."""
_SEARCH = re.compile(
    rf"{_API}/2\.0/?mlflow/"
    r"(?:(?:experiments|runs|logged-models)/search|experiments/search-datasets|registered-models/get-latest-versions)"
    rf"|{_API}/3\.0/mlflow/(?:traces|datasets)/search"
    r"|/graphql"
)
"""What is asked by POST and only reads. MLflow's GraphQL has searches and no other mutations."""
_WRITTEN = re.compile(
    rf"{_API}/2\.0/(?:mlflow-artifacts/.+|mlflow/(?:upload-artifact|(?:experiments|logged-models|model-versions"
    r"|registered-models|runs(?!/create-promptlab-run))(?:/.+)?))"
)
"""What tasks and the command line change."""
SOURCES, OWN_SOURCES = (
    "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX",
    r"\A(?:models|runs|mlflow-artifacts):/(?!/)",
)
"""MLflow's setting for where the files of a version may lie, and its value here: in the server's own store. Of any
other place it would read files, with its own login, for whoever asks for those of the version."""
_NEW_EXPERIMENT = re.compile(rf"{_API}/2\.0/mlflow/experiments/create")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def create_app() -> App:
    """MLflow's server behind its login; what the entry point `mlflow.app` names.

    Raises:
        SystemExit: a password is not set, or too short.
    """
    passwords = _passwords(os.environ)
    os.environ.setdefault(SOURCES, OWN_SOURCES)
    from mlflow.server.fastapi_app import app

    return Login(app, passwords)


class Login:
    """An ASGI app that lets a request pass to another one if its user may make it; else 401 or 403."""

    def __init__(self, app: App, passwords: Mapping[str, str]) -> None:
        self._app = app
        self._logins = {f"{user}:{password}".encode(): user for user, password in passwords.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == OPEN and scope["method"] in _SAFE:
            await self._app(scope, _up_to(0, receive), send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif (user := self._user(dict(scope["headers"]).get(b"authorization", b""))) is None:
            challenge = (b"www-authenticate", b'Basic realm="MLflow", charset="UTF-8"')
            await _answer(send, 401, "A login is needed: MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD", challenge)
        elif not may(user, scope["method"], scope["path"]):
            closed = may(READER, "GET", scope["path"]) or may(WRITER, "POST", scope["path"])
            await _answer(send, 403, f"The user {user} may only read" if closed else "This server does not serve that")
        elif not _NEW_EXPERIMENT.fullmatch(scope["path"]):
            await self._app(scope, receive if user == WRITER else _up_to(LARGEST, receive), send)
        elif (body := await _whole(receive)) is None or _chooses_a_place(body):
            await _answer(
                send,
                403,
                "An experiment is created with a name and tags: the server decides where its files are stored",
            )
        else:
            await self._app(scope, _again(body, receive), send)

    def _user(self, header: bytes) -> str | None:
        """The user of an Authorization header; None where there is none, or the password is wrong."""
        scheme, _, encoded = header.partition(b" ")
        if scheme.lower() != b"basic":
            return None
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except binascii.Error:
            return None
        known = [user for login, user in self._logins.items() if hmac.compare_digest(login, given)]
        return known[0] if known else None


def may(user: str, method: str, path: str) -> bool:
    """Whether a user may make a request.

    >>> may("reader", "POST", "/api/2.0/mlflow/runs/search"), may("reader", "POST", "/api/2.0/mlflow/runs/create")
    (True, False)
    >>> may("titleholder", "POST", "/ajax-api/3.0/mlflow/assistant/message")
    False
    """
    if method in _SAFE:
        return _READ.fullmatch(path) is not None
    searches = method == "POST" and _SEARCH.fullmatch(path) is not None
    return searches or (user == WRITER and _WRITTEN.fullmatch(path) is not None)


async def _whole(receive: Receive) -> bytes | None:
    """The body of a request; None where it is larger than `LARGEST`, or its client is gone."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if message["type"] != "http.request" or len(body) > LARGEST:
            return None
    return body


def _up_to(most: int, receive: Receive) -> Receive:
    """What receives so many bytes of a body, and then as if its client were gone."""
    left = most

    async def received() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return message if left >= 0 else {"type": "http.disconnect"}

    return received


def _again(body: bytes, receive: Receive) -> Receive:
    """What receives a body that was read, and then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


def _chooses_a_place(body: bytes) -> bool:
    """Whether the request that makes an experiment says where its files are to lie, or cannot be read.

    The server would write any file there, and read it: specs, DAG files, passwords.
    """
    try:
        asked = json.loads(body)
        if isinstance(asked, str):  # MLflow reads what old clients wrote twice
            asked = json.loads(asked)
    except (ValueError, RecursionError):
        return True
    if not isinstance(asked, dict) or not asked.keys() <= {"name", "tags", "artifact_location"}:
        return True
    return bool(asked.get("artifact_location"))


def _passwords(environment: Mapping[str, str]) -> dict[str, str]:
    found = {user: environment.get(name, "") for user, name in PASSWORDS.items()}
    for user, password in found.items():
        if len(password) < SHORTEST:
            raise SystemExit(
                f"{PASSWORDS[user]}, the password of MLflow's user {user}, has {len(password)} characters: "
                f"set one of at least {SHORTEST}."
            )
    if len(set(found.values())) < len(found):
        raise SystemExit(f"{' and '.join(PASSWORDS.values())} are equal: whoever reads could write.")
    return found


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    plain = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [plain, *headers]})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
