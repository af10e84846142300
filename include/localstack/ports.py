"""The ports of the services: those of the last start if still free, else the usual ones, else the next free."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import socket
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from titleholder.errors import ServiceError

HOST = "127.0.0.1"
PREFERRED = {"postgres": 5432, "mlflow": 5000, "airflow": 8080}
_TRIES = 200
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_STARTING = 120.0
"""Seconds within which a service listens on the port that was chosen for it."""


def choose_ports(recorded: Mapping[str, int], running: Collection[str], owner: str = "") -> dict[str, int]:
    """A port per service. `running` names those that listen already and keep theirs.

    A port that another owner has just chosen counts as taken, although nothing listens there yet.

    Raises:
        ServiceError: no port is free near the preferred one.
    """
    chosen = {name: recorded[name] for name in PREFERRED if name in running and name in recorded}
    with _recently_chosen(owner) as (others, mine):
        for name, preferred in PREFERRED.items():
            if name not in chosen:
                wanted = [recorded[name]] if name in recorded else []
                candidates = [*wanted, *range(preferred, preferred + _TRIES)]
                chosen[name] = _first_free(name, candidates, taken={*chosen.values(), *others})
        mine.extend(chosen.values())
    return chosen


@contextmanager
def _recently_chosen(owner: str) -> Iterator[tuple[set[int], list[int]]]:
    """The ports that other stacks of this user have chosen in the last two minutes, and a list to add ours to."""
    with os.fdopen(os.open(_own_folder() / "ports.json", _OPEN, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            known = [(port, who, when) for port, who, when in json.load(file) if abs(time.time() - when) < _STARTING]
        except (ValueError, TypeError):
            known = []  # new, or truncated by a crash
        mine: list[int] = []
        yield {port for port, who, _ in known if who != owner}, mine
        kept = [entry for entry in known if entry[1] != owner]
        file.seek(0)
        file.truncate()
        json.dump([*kept, *((port, owner, time.time()) for port in mine)], file)


def _own_folder() -> Path:
    """The folder that all stacks of one user share, whatever their environments say: nobody else can write there.

    It is in the home that the system's user database names: two stacks may have different HOMEs. Where no folder can be
    made there, it is in XDG_CACHE_HOME or HOME.

    Raises:
        ServiceError: for a folder that is a link, or somebody else's, or that others may write to.
    """
    folder = next(filter(_can_be_made, _folders()), None)
    if folder is None:
        tried = " nor ".join(map(str, _folders()))
        raise ServiceError(f"{tried} cannot be made. Set XDG_CACHE_HOME to a folder of yours")
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ServiceError(f"{folder} must be a folder that is yours and that nobody else may write to: chmod 700 it")
    return folder


def _folders() -> Iterator[Path]:
    with suppress(KeyError):  # a container may run as a user without a name
        yield Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "titleholder"
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "titleholder"


def _can_be_made(folder: Path) -> bool:
    """Whether a folder is there, or could be made; what else it is must be looked at."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


def is_free(port: int) -> bool:
    """Whether nothing listens on the port, on loopback or on every interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Lingering connections after a stop do not make a port taken: the servers set this option too.
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
        "Stop the programs that listen there (`ss -ltnp` shows it)."
    )
