"""Airflow's local settings: which process imports for all tasks, and the heartbeat of a Celery worker."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from celery.signals import heartbeat_sent

from localstack.state import PROJECT


@pytest.fixture(scope="module")
def local_settings() -> ModuleType:
    spec = importlib.util.spec_from_file_location("own_settings", PROJECT / "config" / "airflow_local_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command", "executor", "expected"),
    [
        ("scheduler --skip-serve-logs", "LocalExecutor", True),
        ("scheduler", "CeleryExecutor", False),
        ("scheduler", "LocalExecutor,CeleryExecutor", True),
        ("celery worker --queues training", "CeleryExecutor", True),
        ("celery flower", "CeleryExecutor", False),
        ("api-server", "LocalExecutor", False),
        ("", "LocalExecutor", False),
    ],
)
def test_only_what_forks_tasks_imports_for_them(
    local_settings: ModuleType, command: str, executor: str, expected: bool
) -> None:
    assert local_settings.forks_tasks(command.split(), executor) is expected


def test_a_worker_touches_its_file_at_each_heartbeat(
    local_settings: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(heartbeat_sent, "receivers", [])
    local_settings._beat()
    assert not (tmp_path / "worker.heartbeat").exists()
    heartbeat_sent.send(sender=None)
    assert (tmp_path / "worker.heartbeat").exists()
