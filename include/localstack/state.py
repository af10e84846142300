"""The state folder: everything the local stack keeps, under one path that git ignores.

secrets.json   passwords and keys, 0600, made once
stack.json     ports, process ids, versions migrated to
postgres/      PostgreSQL's data            artifacts/  MLflow's files
sockets/       PostgreSQL's socket
snapshots/     immutable extracts           airflow/    AIRFLOW_HOME
logs/          one file per service

It may be deleted as a whole (`titleholder stack clean`), never in parts: the passwords belong to the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from titleholder.errors import ServiceError

PROJECT = Path(__file__).resolve().parents[2]
# PostgreSQL fails on longer paths (MAXPGPATH is 1024 bytes) with unclear messages.
LONGEST_PATH = 900
LONGEST_SOCKET_PATH = 103
"""Bytes, on the system that allows the least (macOS; Linux: 107)."""
_FOLDERS = ("artifacts", "snapshots", "airflow", "logs")
_FILES = ("secrets.json", "stack.json", "lock")


@dataclass(frozen=True)
class Running:
    """A process that was started: its id and its creation time, because ids are reused."""

    pid: int
    created: float


@dataclass
class Record:
    """The content of stack.json. An absent or unreadable file is an empty record."""

    ports: dict[str, int] = field(default_factory=dict)
    services: dict[str, Running] = field(default_factory=dict)
    migrated: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """Paths of one local stack."""

    root: Path

    @classmethod
    def locate(cls) -> State:
        """The folder named by TITLEHOLDER_STATE, else `.titleholder` in the clone."""
        named = os.environ.get("TITLEHOLDER_STATE")
        return cls(Path(named).expanduser().resolve() if named else PROJECT / ".titleholder")

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def sockets(self) -> Path:
        return self.root / "sockets"

    def socket_folder(self, port: int) -> Path | None:
        """Where the server that listens on this port has its socket too; None where the path is too long for one."""
        longest = len(os.fsencode(self.sockets / f".s.PGSQL.{port}.lock"))
        return self.sockets if longest <= LONGEST_SOCKET_PATH else None

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def airflow(self) -> Path:
        return self.root / "airflow"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets.json"

    def log(self, service: str) -> Path:
        return self.root / "logs" / f"{service}.log"

    def exists(self) -> bool:
        """Whether a stack was started here."""
        return any((self.root / name).exists() for name in ("secrets.json", "stack.json", "postgres"))

    def prepare(self) -> None:
        """Make the folders, readable by their owner only.

        Raises:
            ServiceError: the path is too long, or cannot be written.
        """
        if len(os.fsencode(self.root)) > LONGEST_PATH:
            raise ServiceError(
                f"The state folder's path has {len(os.fsencode(self.root))} bytes; PostgreSQL allows "
                f"{LONGEST_PATH}: {self.root}. Set TITLEHOLDER_STATE to a shorter path."
            )
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in _FOLDERS:
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise self._unwritable("permission denied")

    def read(self) -> Record:
        """The record in stack.json."""
        try:
            raw = json.loads((self.root / "stack.json").read_text())
            return Record(
                ports={name: int(port) for name, port in raw["ports"].items()},
                services={name: Running(**running) for name, running in raw["services"].items()},
                migrated=dict(raw["migrated"]),
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return Record()

    def write(self, record: Record) -> None:
        """Replace stack.json."""
        write_private(self.root / "stack.json", json.dumps(asdict(record), indent=2) + "\n")

    @contextlib.contextmanager
    def lock(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """One command at a time. `waiting` is called once if another one holds the lock."""
        try:
            handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        try:
            if not _try_lock(handle):
                waiting()
                while not _try_lock(handle):
                    time.sleep(0.2)
            yield
        finally:
            os.close(handle)

    def delete(self) -> None:
        """Remove what the stack made, and the folder if nothing else is in it."""
        for name in ("postgres", "postgres.new", "sockets", *_FOLDERS):
            shutil.rmtree(self.root / name, ignore_errors=True)
        for name in _FILES:
            (self.root / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.root.rmdir()

    def _unwritable(self, why: str) -> ServiceError:
        return ServiceError(
            f"The state folder {self.root} cannot be written ({why}). Make it writable for the user who runs this "
            "command, or set TITLEHOLDER_STATE to another folder."
        )


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner can ever read it.

    Nothing is written into a file, or behind a link, that is there already: it could be another user's.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # passwords that a power cut lost would lock the database
    draft.replace(path)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
