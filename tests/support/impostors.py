"""Servers that only pretend: what sits on a port where PostgreSQL or MLflow should be."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CLEARTEXT, MD5 = struct.pack("!cII", b"R", 8, 3), struct.pack("!cII4s", b"R", 12, 5, b"salt")
"""PostgreSQL's requests for a password as it is, and for its MD5."""
SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that treats every connection so, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    threading.Thread(target=handle, args=(client,), daemon=True).start()

        def handle(client: socket.socket) -> None:
            client.settimeout(5)
            with client, contextlib.suppress(OSError, struct.error):
                serve(client)

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def asking_for_a_password(request: bytes) -> Iterator[tuple[int, bytearray]]:
    """The port of a server that asks whoever connects for a password in this way, and all that clients answered."""
    received = bytearray()

    def serve(client: socket.socket) -> None:
        while True:
            length, code = struct.unpack("!II", client.recv(8))
            if code not in (SSL_REQUEST, GSS_REQUEST):
                break
            client.sendall(b"N")  # no encryption
        client.recv(length - 8)
        client.sendall(request)
        while data := client.recv(4096):
            received.extend(data)

    with listening(serve) as port:
        yield port, received
