"""MLflow's client where the server hangs, or is about to start."""

from __future__ import annotations

import builtins
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking.request_header.registry import resolve_request_headers

from titleholder.errors import ServiceError
from titleholder.registry.server import Server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")


@pytest.fixture
def hung() -> Iterator[str]:
    """The address of what takes connections, and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=16)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_hangs_is_asked_once_and_named_in_one_sentence(hung: str) -> None:
    began, server = time.monotonic(), Server(hung)
    with pytest.raises(ServiceError) as caught, server.reachable():
        server.client.search_experiments(max_results=1)
    assert str(caught.value) == (
        f"MLflow at {hung} does not answer within 1 s (MLFLOW_HTTP_REQUEST_TIMEOUT). "
        "Look at its log, or start it again."
    )
    assert time.monotonic() - began < 2


def test_a_server_that_is_not_ready_is_asked_again() -> None:
    asked: list[str] = []

    class Starting(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            self.send_response(503 if len(asked) == 1 else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Starting) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        try:
            server = Server(f"http://127.0.0.1:{serving.server_port}")
            with server.reachable():
                assert server.client.search_experiments(max_results=1) == []
        finally:
            serving.shutdown()
    assert len(asked) == 2


def test_no_redirect_of_a_server_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes MLflow's port, or its proxy, could send what is written to another place."""
    monkeypatch.delenv("MLFLOW_ALLOW_HTTP_REDIRECTS", raising=False)
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        try:
            with pytest.raises(MlflowException):
                Server(f"http://127.0.0.1:{serving.server_port}").client.get_run("a" * 32)
        finally:
            serving.shutdown()
    assert len(asked) == 1


def test_requests_look_for_databricks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    resolve_request_headers()
    real = builtins.__import__

    def seen(name: str, *given: Any, **named: Any) -> Any:
        looked.append(name)
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", seen)
    headers = resolve_request_headers()
    monkeypatch.undo()
    assert headers
    assert not [name for name in looked if name.partition(".")[0] in ("dbruntime", "pyspark", "IPython")]
