"""A port of 127.0.0.1 before a server, which a test closes: connections break, new ones are refused."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from socketserver import BaseRequestHandler, ThreadingTCPServer

HOST = "127.0.0.1"


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, target: int) -> None:
        self.target = target
        self.open: set[socket.socket] = set()
        super().__init__((HOST, port), _Forward)


class _Forward(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError), socket.create_connection((HOST, self.server.target)) as behind:
            pair = {self.request: behind, behind: self.request}
            self.server.open.update(pair)
            while ready := select.select(list(pair), [], [])[0]:
                for one in ready:
                    if not (data := one.recv(1 << 16)):
                        return
                    pair[one].sendall(data)


class Gate:
    """The server at `target` is at `port`, while the gate is open."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.open()

    def open(self) -> None:
        self._server = _Server(self.port, self._target)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for one in self._server.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
