"""Which ports the services listen on: those of last time if still free, else the usual ones, else the next free."""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping

from titleholder.errors import ServiceError

HOST = "127.0.0.1"
PREFERRED = {"postgres": 5432, "mlflow": 5000, "airflow": 8080}
_TRIES = 200


def choose_ports(recorded: Mapping[str, int], running: Collection[str]) -> dict[str, int]:
    """A port per service. `running` names those that listen already and keep theirs.

    Raises:
        ServiceError: no port is free in reach of the preferred one.
    """
    chosen = {name: recorded[name] for name in PREFERRED if name in running and name in recorded}
    for name, preferred in PREFERRED.items():
        if name not in chosen:
            wanted = [recorded[name]] if name in recorded else []
            candidates = [*wanted, *range(preferred, preferred + _TRIES)]
            chosen[name] = _first_free(name, candidates, taken=set(chosen.values()))
    return chosen


def is_free(port: int) -> bool:
    """Whether nothing listens on the port, on loopback or on every interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections that linger after a stop are no reason to move: the servers set this too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _first_free(name: str, candidates: Collection[int], taken: Collection[int]) -> int:
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise ServiceError(
        f"No free port for {name}: {PREFERRED[name]} to {PREFERRED[name] + _TRIES - 1} are all taken on {HOST}. "
        "Stop what listens there (`ss -ltnp` shows it)."
    )
