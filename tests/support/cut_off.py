"""A process in a network of its own, which it cuts off while it holds a lock: nothing it sends arrives, nor is refused.

    unshare --user --map-root-user --net python -m support.cut_off FOLDER WHERE

FOLDER has a socket `<port>` for each server that can be reached (`relayed`), and `proposed.json`; WHERE is the lock:
`lane`, with the decision not yet committed, or `alias`, with the registry's alias not yet moved. The process prints
`cut` when it has cut its network, then how promoting ended and after how many seconds.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localstack.ports import HOST


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, until either end is closed."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def relay(server: socket.socket, connect: Any) -> None:
    """Pass every connection to a server on to another place, in threads."""

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                other = connect()
                for ends in ((client, other), (other, client)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


@contextmanager
def relayed(folder: Path, ports: Sequence[int]) -> Iterator[None]:
    """Servers of this network, reachable from any other by sockets in a folder."""
    with contextlib.ExitStack() as stack:
        for port in ports:
            server = socket.socket(socket.AF_UNIX)
            stack.enter_context(server)
            server.bind(str(folder / str(port)))
            server.listen()
            relay(server, lambda port=port: socket.create_connection((HOST, port)))
            stack.callback(server.shutdown, socket.SHUT_RDWR)
        yield


def _by_file(path: Path) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    opened.connect(str(path))
    return opened


def cut() -> None:
    """From now on nothing leaves this network and nothing arrives."""
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    _say("cut")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(folder: Path, where: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for path in folder.glob("[0-9]*"):
        relay(socket.create_server((HOST, int(path.name))), lambda path=path: _by_file(path))

    from sqlalchemy import event

    from titleholder.ledger import database
    from titleholder.registry.models import Models
    from titleholder.settings import Settings
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import ProposedDecision

    settings = Settings.from_environment()
    began = [0.0]

    def now(*_: object) -> None:
        began[0] = time.monotonic()
        cut()

    if where == "lane":
        event.listen(database.engine(settings.ledger_url), "commit", now)
    else:
        moved = Models.set_champion
        Models.set_champion = lambda *args: (now(), moved(*args))[1]  # type: ignore[method-assign]
    try:
        proposed = ProposedDecision.model_validate_json((folder / "proposed.json").read_text())
        ended = str(steps.promote(proposed, settings=settings).id)
    except Exception as error:
        ended = f"{type(error).__name__}: {error}"
    _say(f"{time.monotonic() - began[0]:.1f} {ended}")
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
