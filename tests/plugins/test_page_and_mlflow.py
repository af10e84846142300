"""What the page takes from an MLflow that means no good: it waits for none, follows none, and reads no more than it can."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import apart
from support.impostors import listening

ASK = """
import time
from titleholder_airflow.page import mlflow
began = time.monotonic()
try:
    answer = [mlflow.artifact("r", "card.html").decode(), time.monotonic() - began]
except mlflow.UnavailableError as error:
    answer = [str(error), time.monotonic() - began]
"""


def ask(tmp_path: Path, serve: Callable[[socket.socket], None], code: str = ASK) -> Any:
    with listening(serve) as port:
        login = {"MLFLOW_TRACKING_USERNAME": "reader", "MLFLOW_TRACKING_PASSWORD": "tr0ub4dor"}
        address = f"http://127.0.0.1:{port}"
        found, _ = apart.run(tmp_path, code, MLFLOW_TRACKING_URI=address, NO_PROXY="*", no_proxy="*", **login)
    return found


def read_request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(4096)
    return data


def answering(*parts: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    def serve(client: socket.socket) -> None:
        read_request(client)
        for part in parts:
            client.sendall(part)
            time.sleep(pause)

    return serve


def test_an_answer_comes_as_it_was_sent(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    text, _ = ask(tmp_path, answering(head, b"3\r\n<p>\r\n", b"4\r\nh\xc3\xa9!\r\n", b"0\r\n\r\n"))
    assert text == "<p>hé!"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["headers", "body"])
def test_a_server_that_sends_byte_by_byte_is_given_up_in_time(tmp_path: Path, start: bytes) -> None:
    """Each byte came within the time-out of a read, so that a page could wait for hours."""
    code = ASK.replace("began =", "mlflow.FILE_TIMEOUT = 1.0\nbegan =")
    said, took = ask(tmp_path, answering(start, *([b"H"] * 60), pause=0.3), code)
    assert said in ("MLflow does not answer within 1 s", "MLflow's answer takes too long")
    assert took < 3


def test_no_redirect_is_followed_with_the_login(tmp_path: Path) -> None:
    asked: list[bytes] = []
    with listening(lambda client: asked.append(read_request(client))) as elsewhere:
        head = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{elsewhere}/x\r\nContent-Length: 0\r\n\r\n"
        said, _ = ask(tmp_path, answering(head.encode()))
    assert said == "MLflow answered 302"
    assert asked == []


def test_an_answer_is_not_larger_than_can_be_shown(tmp_path: Path) -> None:
    size = 64 * 1024 * 1024
    said, _ = ask(
        tmp_path, answering(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode(), *[bytes(2**20)] * 64)
    )
    assert said == "MLflow's answer is larger than 32 MB"


def test_nothing_is_unpacked(tmp_path: Path) -> None:
    packed = gzip.compress(bytes(2**27))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    text, _ = ask(
        tmp_path,
        answering(head, packed),
        ASK.replace("answer = [mlflow.artifact", "answer = [len(mlflow.artifact").replace(
            '"card.html").decode(),', '"card.html")),'
        ),
    )
    assert text < 2**20


def test_a_list_without_an_end_is_not_read(tmp_path: Path) -> None:
    page = json.dumps({"registered_models": [], "next_page_token": "again"}).encode()
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(page)}\r\n\r\n".encode()
    found = ask(
        tmp_path, answering(head + page), "from titleholder_airflow.page import mlflow\nanswer = mlflow.aliases()"
    )
    assert found == [{}, "MLflow has too many models"]


def test_an_answer_that_breaks_off_is_no_error_of_the_page(tmp_path: Path) -> None:
    said, _ = ask(tmp_path, answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"no length\r\n"))
    assert said.startswith("MLflow does not answer (")


ODD = (
    b"", b"\xff", b"null", b"[]", b"7", b"[" * 100_000, b'{"registered_models": 5}', b'{"registered_models": [5]}',
    b'{"registered_models": [{"name": "m", "aliases": {"a": 1}}]}',
    b'{"registered_models": [{"name": "m", "aliases": [{"alias": "champion", "version": NaN}]}]}',
    b'{"registered_models": [{"name": "m", "aliases": [{"alias": "champion", "version": Infinity}]}]}',
    b'{"registered_models": [{"name": "m", "aliases": [{"alias": [], "version": 1}]}]}',
)  # fmt: skip


def test_an_answer_of_another_form_is_no_error_of_the_page(tmp_path: Path) -> None:
    served = iter(ODD)

    def serve(client: socket.socket) -> None:
        read_request(client)
        page = next(served)
        client.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(page)}\r\n\r\n".encode() + page)

    code = f"from titleholder_airflow.page import mlflow\nanswer = [mlflow.aliases(-1) for _ in range({len(ODD)})]"
    assert ask(tmp_path, serve, code) == [[{}, "MLflow gave an unexpected answer"]] * len(ODD)
