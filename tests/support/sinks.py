"""A mail server and a web server on 127.0.0.1 that keep what they are sent."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.header import decode_header, make_header
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer, StreamRequestHandler, ThreadingTCPServer
from typing import Any

HOST = "127.0.0.1"


class _Mail(StreamRequestHandler):
    """As much of SMTP as a client needs to hand over a message."""

    def handle(self) -> None:
        self._say("220 sink")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self._say("354 go on")
                kept = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.kept.append(kept)  # type: ignore[attr-defined]
            self._say("221 bye" if verb == b"QUIT" else "250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Mute(StreamRequestHandler):
    """A server that takes the call and says nothing."""

    def handle(self) -> None:
        self.rfile.read()


class _Web(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.kept.append(self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[attr-defined]
        to = self.server.to  # type: ignore[attr-defined]
        self.send_response(302 if to else 200)
        if to:
            self.send_header("Location", to)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def _serving(server: BaseServer) -> Iterator[BaseServer]:
    server.kept = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Threads(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def mail(port: int = 0) -> contextlib.AbstractContextManager[Any]:
    return _serving(_Threads((HOST, port), _Mail))


def mute() -> contextlib.AbstractContextManager[Any]:
    return _serving(_Threads((HOST, 0), _Mute))


def web(port: int = 0, to: str = "") -> contextlib.AbstractContextManager[Any]:
    """It answers `ok`, or leads to another address."""
    server = ThreadingHTTPServer((HOST, port), _Web)
    server.to = to  # type: ignore[attr-defined]
    return _serving(server)


def read(message: bytes) -> tuple[str, str, str]:
    """To, subject and the HTML of a message."""
    parsed = message_from_bytes(message)
    part = next(p for p in parsed.walk() if p.get_content_type() == "text/html")
    html = part.get_payload(decode=True)
    return str(parsed["To"]), str(make_header(decode_header(parsed["Subject"]))), html.decode()  # type: ignore[union-attr]
