"""The environment variables of the stack, for a shell that uses it, and the parts of those of its services."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from localstack.keys import ADMIN, Keys, load_keys
from localstack.ports import HOST, PREFERRED
from localstack.state import PROJECT, State
from titleholder.errors import ServiceError
from titleholder_mlflow.login import READER, WRITER

PASSWORDS_FILE = "simple_auth_manager_passwords.json.generated"
USERS_VARIABLE, AIRFLOW_USERS_VARIABLE = "TITLEHOLDER_USERS", "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"
ADDRESSES = ("TITLEHOLDER_", "MLFLOW_", "AIRFLOW_CONN_")
ROLES_OF_USERS = ("viewer", "user", "op", "admin")


def environment(state: State) -> dict[str, str]:
    """The variables with which a person uses the stack on a command line: addresses, credentials, Airflow's settings.

    The password of the ledger's owner is not among them: `titleholder stack up` migrates the ledger. The services have
    environments of their own, see `localstack.environments`.

    Raises:
        ServiceError: no stack was ever started here.
    """
    keys, ports = load_keys(state), state.read().ports
    if set(PREFERRED) - set(ports):
        raise ServiceError(f"The local stack in {state.root} has no ports yet. Start it with `titleholder stack up`.")
    return {
        **read_settings(PROJECT / "config" / "airflow.env"),
        "TITLEHOLDER_STATE": str(state.root),
        "TITLEHOLDER_LOADER_URL": database_url(keys, "loader", "warehouse", ports["postgres"]),
        **records_settings(keys, ports, "ledger"),
        **steps_settings(state, keys, ports),
        **airflow_settings(state, keys, ports),
        **loopback(),
    }


def addresses(state: State) -> dict[str, str]:
    """Of `environment` what a command that runs models reads: where the services are, and their logins.

    Not that of the warehouse's loader: `titleholder load` alone finds it.
    """
    known = environment(state).items()
    return {name: value for name, value in known if name.startswith(ADDRESSES) and name != "TITLEHOLDER_LOADER_URL"}


def read_settings(path: Path) -> dict[str, str]:
    """KEY=VALUE lines, as in an `env_file` of docker compose.

    Raises:
        ServiceError: the file is missing, or a line has no `=`.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ServiceError(f"{path} cannot be read ({error.strerror}). The local stack runs from a clone.") from error
    settings = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.partition("=")
        if not separator:
            raise ServiceError(f"{path}, line {number}: expected KEY=VALUE, got {text!r}.")
        settings[name.strip()] = value.strip()
    return settings


def database_url(keys: Keys, role: str, database: str, port: int, driver: str = "+psycopg2") -> str:
    return f"postgresql{driver}://{role}:{quote(keys.roles[role], safe='')}@{HOST}:{port}/{database}"


def airflow_database(state: State, keys: Keys, port: int) -> str:
    """Airflow's database, through the socket where there is one.

    Airflow's API server uses asyncpg, which would answer whoever asks for the password: a port is anybody's while the
    server is down, the folder of its socket is not.
    """
    folder = state.socket_folder(port)
    if folder is None:
        return database_url(keys, "airflow", "airflow", port)
    password = quote(keys.roles["airflow"], safe="")
    return f"postgresql+psycopg2://airflow:{password}@/airflow?host={quote(str(folder), safe='')}&port={port}"


def mlflow_database(port: int) -> str:
    """MLflow's database, for argument lists, which everybody on the machine can read: PGPASSWORD has the password."""
    return f"postgresql+psycopg2://mlflow@{HOST}:{port}/mlflow"


def ledger_url(state: State, role: str) -> str:
    """The ledger as one of its roles: `ledger_owner`, `ledger`, which appends, or `ledger_reader`."""
    return database_url(load_keys(state), role, "titleholder", state.read().ports["postgres"])


def parallelism() -> int:
    """Tasks that may run at once.

    Training uses all cores; four more slots are for the short tasks of other runs, which mostly wait for PostgreSQL and
    MLflow, and for tasks that have ended: Airflow 3.3.2 often frees a slot five seconds late (its supervisor waits for
    the next heartbeat where the process ends just after its last message). Airflow's default of 32 would start 32
    worker processes that compete for the cores.
    """
    return max(2, os.cpu_count() or 2) + 4


def records_settings(keys: Keys, ports: Mapping[str, int], role: str) -> dict[str, str]:
    """What uses the ledger, as one of its roles, and the registry: as the user who writes where the role appends."""
    return {
        "TITLEHOLDER_LEDGER_URL": database_url(keys, role, "titleholder", ports["postgres"]),
        "MLFLOW_TRACKING_URI": f"http://{HOST}:{ports['mlflow']}",
        **mlflow_login(keys, WRITER if role == "ledger" else READER),
    }


def mlflow_login(keys: Keys, user: str) -> dict[str, str]:
    """What MLflow's clients log in with."""
    return {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": keys.mlflow[user]}


def steps_settings(state: State, keys: Keys, ports: Mapping[str, int]) -> dict[str, str]:
    """What also extracts from the warehouse."""
    return {
        "TITLEHOLDER_SNAPSHOTS": str(state.snapshots),
        "AIRFLOW_CONN_WAREHOUSE": database_url(keys, "reader", "warehouse", ports["postgres"], driver=""),
    }


def airflow_settings(state: State, keys: Keys, ports: Mapping[str, int]) -> dict[str, str]:
    """Airflow's own settings that depend on this stack, secrets included."""
    address = f"http://{HOST}:{ports['airflow']}"
    return {
        "AIRFLOW_HOME": str(state.airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism()),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": keys.fernet,
        # The default asks the name service for a full name, which takes seconds on an offline machine.
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        AIRFLOW_USERS_VARIABLE: airflow_users(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(state.airflow / PASSWORDS_FILE),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow_database(state, keys, ports["postgres"]),
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(ports["airflow"]),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__SECRET_KEY": keys.api,
        "AIRFLOW__API_AUTH__JWT_SECRET": keys.jwt,
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "false",
        "PYTHONPATH": os.pathsep.join([str(PROJECT / "config"), str(PROJECT / "include")]),
    }


def users() -> dict[str, str]:
    """Airflow's users with their roles: the admin, and those of TITLEHOLDER_USERS, as in `risk-lead:op,auditor:viewer`.

    Raises:
        ServiceError: a user without a role that Airflow knows.
    """
    found = {}
    for user in filter(None, os.environ.get(USERS_VARIABLE, "").split(",")):
        name, _, role = user.strip().partition(":")
        if not name or role not in ROLES_OF_USERS:
            valid = ", ".join(ROLES_OF_USERS)
            raise ServiceError(f"TITLEHOLDER_USERS: {user!r} is not NAME:ROLE, such as 'risk-lead:op'; roles: {valid}")
        found[name] = role
    return {**found, ADMIN: "admin"}


def airflow_users() -> str:
    """The users and roles in the format of SimpleAuthManager."""
    return ",".join(f"{user}:{role}" for user, role in users().items())


def passwords(state: State) -> dict[str, str]:
    """The passwords of Airflow's users. Raises ServiceError if no stack was ever started."""
    file = state.airflow / PASSWORDS_FILE
    return {**(json.loads(file.read_text()) if file.exists() else {}), ADMIN: load_keys(state).admin}


def loopback() -> dict[str, str]:
    """Exclude the stack's own services from a proxy, in addition to what is excluded already."""
    excluded = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name for name in excluded.split(",") if name]
    value = ",".join(dict.fromkeys([*names, HOST, "localhost"]))
    return {"no_proxy": value, "NO_PROXY": value}
