"""docker-compose.yaml without an engine: the command and the environment that each service has, for a process of this machine.

What differs is where things are: names of hosts become ports of 127.0.0.1, folders of the container become folders of this
machine. All else is what the file says, so that a service that lacks a variable there lacks it here.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from localstack.keys import ROLES
from localstack.ports import HOST
from localstack.settings import read_settings
from localstack.state import PROJECT

TEXT = (PROJECT / "docker-compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
AIRFLOW = {"airflow-init", "airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}
"""Airflow's services but for the workers, which know nothing of its database."""
WORKERS = {"airflow-worker": "default", "airflow-worker-training": "training"}
"""The workers, and the queue of each."""
DATABASE_PASSWORDS = {"POSTGRES_PASSWORD"} | {f"{role.upper()}_DB_PASSWORD" for role in ROLES if role != "postgres"}
SECRETS = DATABASE_PASSWORDS | {
    "MLFLOW_WRITER_PASSWORD",
    "MLFLOW_READER_PASSWORD",
    "BROKER_PASSWORD",
    "STORE_ACCESS_KEY",
    "STORE_SECRET_KEY",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_API_SECRET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_ADMIN_PASSWORD",
    "TITLEHOLDER_SIGNING_KEY",
}
ADDRESSES = {"postgres": 5432, "valkey": 6379, "store": 9000, "mlflow": 5000, "airflow-apiserver": 8080}
"""The hosts of the stack, and the port of each."""
LISTENING = {
    "AIRFLOW__API__HOST": HOST, "MLFLOW_HOST": HOST, "BROKER_ADDRESS": HOST,
    "AIRFLOW__API__PORT": "airflow-apiserver", "MLFLOW_PORT": "mlflow", "BROKER_PORT": "valkey",
}  # fmt: skip
"""Where servers listen: on the network of the stack there, on loopback here; the port is that of a host."""


def script(name: str) -> ModuleType:
    """A script of compose/, as a module."""
    spec = importlib.util.spec_from_file_location(f"compose_{name}", PROJECT / "compose" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def image_environment() -> dict[str, str]:
    """What the image sets for all services."""
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
    found = re.findall(r"^ENV (.*)$", text, flags=re.M)
    return dict(pair.split("=", 1) for line in found for pair in line.split())


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """A text with its variables filled in, as docker compose does it. KeyError for a required one that is missing."""

    def value(found: re.Match[str]) -> str:
        name, operator, rest = found.groups()
        if operator == ":?" and not values.get(name):
            raise KeyError(f"required variable {name} is missing a value: {rest}")
        return values.get(name) or rest

    return re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", value, text)


@dataclass(frozen=True)
class Place:
    """Where a service runs: `values` are those of .env, `ports` by host, `home` is a folder of its own."""

    values: Mapping[str, str]
    ports: Mapping[str, int]
    home: Path

    def environment(self, service: str) -> dict[str, str]:
        """All variables of a service's process: those of its image, of the shared file, its own."""
        body = SERVICES[service]
        own = body.get("environment", {})
        shared = read_settings(PROJECT / body["env_file"]) if "env_file" in body else {}
        of_image = image_environment() | {"TITLEHOLDER_CODE_VERSION": "test"} if "build" in body else {}
        listening = {name: str(self.ports.get(where, where)) for name, where in LISTENING.items() if name in own}
        given = {name: self.moved(service, str(value)) for name, value in {**of_image, **shared, **own}.items()}
        return {**self._machine(), **given, **listening}

    def command(self, service: str) -> list[str]:
        """What the service's process executes."""
        body = SERVICES[service]
        words = [*body.get("entrypoint", []), *body.get("command", [])]
        return [self._executable(words[0]), *(self.moved(service, word) for word in words[1:])]

    def health(self, service: str) -> str | None:
        """What is wrong with a service that is watched by `healthy.py`; None if nothing is."""
        test = SERVICES[service]["healthcheck"]["test"]
        after = next(n for n, word in enumerate(test) if word.endswith("healthy.py")) + 1
        found: str | None = script("healthy").main(*(self.moved(service, word) for word in test[after:]))
        return found

    def moved(self, service: str, text: str) -> str:
        """A value of the file with variables, hosts and folders as they are here."""
        text = interpolated(text, self.values)
        for host, port in ADDRESSES.items():
            text = re.sub(rf"(?<=[@/]){host}:{port}\b", f"{HOST}:{self.ports[host]}", text)
        for there, here in self._folders(service).items():
            text = re.sub(rf"(?<![\w/]){there}(?![\w-])", str(here), text)
        # The health check of a server asks it where it listens.
        return re.sub(rf"//127\.0\.0\.1:{ADDRESSES.get(service, 0)}/", f"//{HOST}:{self.ports.get(service)}/", text)

    def _folders(self, service: str) -> dict[str, Path]:
        mounted = [mount.split(":") for mount in SERVICES[service].get("volumes", []) if mount.startswith("./")]
        return {
            **{there: PROJECT / here for here, there, _ in mounted},
            "/opt/titleholder": PROJECT,
            "/opt/airflow": self.home / "airflow",
            "/var/lib/titleholder": self.home / "data",
            "/data": self.home / "data",
        }

    def _machine(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return {
            **kept,
            "PATH": path,
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "LANG": "C.UTF-8",
            "USER": "titleholder",
        }

    @staticmethod
    def _executable(name: str) -> str:
        if name == "python":
            return sys.executable
        beside = Path(sys.executable).parent / name
        return str(beside) if beside.exists() else name
