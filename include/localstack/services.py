"""The services: how each is started, and how its health is checked."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from localstack import postgres, roles
from localstack.keys import Keys
from localstack.ports import HOST
from localstack.processes import SystemUser
from localstack.settings import mlflow_database
from localstack.state import Running, State
from titleholder.errors import ServiceError

ORDER = ("postgres", "mlflow", "api-server", "scheduler", "dag-processor", "triggerer")
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer")
PORT_OF = {"postgres": "postgres", "mlflow": "mlflow", "api-server": "airflow"}
MIGRATIONS = ("airflow-migration", "mlflow-migration")
_DISTRIBUTIONS = {"airflow-migration": "apache-airflow", "mlflow-migration": "mlflow"}


@dataclass(frozen=True)
class Service:
    """One process to start. `healthy` is asked only while the process lives."""

    name: str
    argv: tuple[str, ...]
    healthy: Callable[[Running], bool]
    cwd: Path
    user: SystemUser | None = None
    migration: str | None = None
    patience: float = 420


def executable(name: str) -> str:
    """A command installed next to this Python.

    Raises:
        ServiceError: it is not there.
    """
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise ServiceError(f"No {name} next to {sys.executable}. Install requirements.txt into this environment.")
    return str(path)


def services(state: State, keys: Keys, ports: Mapping[str, int]) -> dict[str, Service]:
    """All services of the stack by name, in the order in which they start."""
    everything = [_postgres(state, keys, ports), _mlflow(state, ports)]
    everything += [_airflow(name, state, ports["airflow"]) for name in AIRFLOW]
    return {service.name: service for service in everything}


def migrations(ports: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """The command that prepares each service's database."""
    return {
        "mlflow-migration": (executable("mlflow"), "db", "upgrade", mlflow_database(ports["postgres"])),
        "airflow-migration": (executable("airflow"), "db", "migrate"),
    }


def installed(migration: str) -> str:
    """The installed version of what a migration belongs to."""
    return version(_DISTRIBUTIONS[migration])


def address(service: str, ports: Mapping[str, int]) -> str:
    """The address of a service; empty for those that do not listen."""
    port = ports.get(PORT_OF.get(service, ""))
    if port is None:
        return ""
    return f"{HOST}:{port}" if service == "postgres" else f"http://{HOST}:{port}"


def _postgres(state: State, keys: Keys, ports: Mapping[str, int]) -> Service:
    port = ports["postgres"]
    return Service(
        name="postgres",
        argv=tuple(postgres.argv(state, port)),
        healthy=lambda _: roles.answers(keys, port),
        cwd=state.root,
        user=postgres.system_user(),
        patience=60,
    )


def _mlflow(state: State, ports: Mapping[str, int]) -> Service:
    port = ports["mlflow"]
    return Service(
        name="mlflow",
        argv=(
            *(executable("mlflow"), "server", "--host", HOST, "--port", str(port), "--workers", "1"),
            *("--app-name", "titleholder", "--serve-artifacts", "--artifacts-destination", str(state.artifacts)),
        ),
        healthy=lambda _: _get(port, "/health") is not None,
        cwd=state.root,
        migration="mlflow-migration",
    )


def _airflow(name: str, state: State, port: int) -> Service:
    arguments = {
        "api-server": ("--host", HOST, "--port", str(port), "--workers", "1"),
        # Their log servers listen on every interface, and one machine can read the files themselves.
        "scheduler": ("--skip-serve-logs",),
        "triggerer": ("--skip-serve-logs",),
        "dag-processor": (),
    }[name]
    return Service(
        name=name,
        argv=(executable("airflow"), name, *arguments),
        healthy=lambda running: _airflow_is_healthy(name, port, running),
        cwd=state.airflow,
        migration="airflow-migration",
    )


def _airflow_is_healthy(name: str, port: int, running: Running) -> bool:
    body = _get(port, "/api/v2/monitor/health")
    if body is None:
        return False
    if name == "api-server":  # it makes the routes for tasks, three seconds, when one of them is first asked
        return _get(port, "/execution/health") is not None
    try:
        return has_beaten(json.loads(body), name.replace("-", "_"), running.created)
    except ValueError:
        return False


def has_beaten(health: Mapping[str, Any], component: str, since: float) -> bool:
    """Whether a component is healthy by a heartbeat of this process, not of its predecessor."""
    report = health.get(component) or {}
    beat = report.get(f"latest_{component}_heartbeat")
    if report.get("status") != "healthy" or not beat:
        return False
    return datetime.fromisoformat(beat).timestamp() >= since


def _get(port: int, path: str) -> str | None:
    """The body of a successful answer, or None."""
    connection = http.client.HTTPConnection(HOST, port, timeout=3)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read().decode() if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
