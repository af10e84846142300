"""Backup, wipe, restore: the scripts of compose/ on the embedded PostgreSQL, and an audit of what came back."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from localstack import postgres, start
from localstack import stack as local
from localstack.cli import migrate_ledger
from localstack.keys import Keys, load_keys
from localstack.ports import HOST
from localstack.services import services
from localstack.settings import environment
from localstack.state import PROJECT, State
from support.audit_world import World, build, models_in
from support.stacks import a_stack
from titleholder.ledger import store
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.workflow.audit import audit
from titleholder.workflow.audit_report import AuditReport

pytestmark = pytest.mark.slow
MODEL = "tiny_kept"
DOCKER = r"""#!/bin/sh
# What docker compose would do in containers, on this machine: exec -T SERVICE …, run --rm -T --no-deps SERVICE …
shift
case "$1" in
    up) exit 0 ;;
    exec) shift 3; exec "$@" ;;
    run) shift 5; command=$1; shift
        for word; do shift; set -- "$@" "$(echo "$word" | sed "s#=/var/lib/titleholder#=$STATE#")"; done
        exec "$command" "$@" ;;
esac
exit 9
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack of its own, because it is wiped."""
    folder = tmp_path_factory.mktemp("models")
    with a_stack(airflow=False) as state, models_in(folder, state) as settings:
        yield build(state, folder, settings, MODEL)


def script(name: str, folder: Path, state: State, keys: Keys, bin_: Path) -> subprocess.CompletedProcess[str]:
    docker = bin_ / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    env = {
        "PATH": os.pathsep.join([str(bin_), str(postgres.binaries()), os.environ["PATH"]]),
        "STATE": str(state.root),
        "POSTGRES_PASSWORD": keys.roles[postgres.SUPERUSER],
        "PGHOST": HOST,
        "PGPORT": str(state.read().ports["postgres"]),
    }
    run = [str(PROJECT / "compose" / name), str(folder)]
    return subprocess.run(run, env=env, capture_output=True, text=True, check=False, timeout=120)


def wipe(state: State) -> None:
    """What `docker compose down --volumes` leaves: nothing but .env, here secrets.json."""
    local.down(state)
    shutil.rmtree(state.postgres)
    for folder in (state.artifacts, state.snapshots):
        shutil.rmtree(folder)
    state.prepare()


def start_postgres(state: State) -> None:
    record = local.prepare_record(state, load_keys(state))
    starter = start.Starter(state, load_keys(state), record, start.ignore)
    starter.run([starter.postgres(services(state, starter.keys, record.ports)["postgres"])])


def files(state: State) -> Mapping[Path, bytes]:
    found = [path for folder in (state.artifacts, state.snapshots) for path in folder.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in found}


def test_what_was_wiped_comes_back_as_it_was(world: World, tmp_path: Path) -> None:
    state, keys, folder = world.state, load_keys(world.state), tmp_path / "backup"
    before = store.stored(world.settings.ledger_url, MODEL, "live"), files(state)
    assert before[0]
    assert len(before[1]) > 10
    assert clean(audit([MODEL], settings=world.settings))

    done = script("backup.sh", folder, state, keys, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}.dump" for name in ("titleholder", "mlflow", "warehouse", "airflow")), "artifacts.tar", "snapshots.tar",
    }  # fmt: skip
    assert not any(path.stat().st_mode & 0o077 for path in folder.iterdir())
    kept = b"".join(path.read_bytes() for path in folder.glob("*.dump"))
    assert not [password for password in keys.roles.values() if password.encode() in kept]
    assert script("backup.sh", folder, state, keys, tmp_path).returncode == 2, "no backup is written over"

    wipe(state)
    start_postgres(state)
    done = script("restore.sh", folder, state, keys, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    again = script("restore.sh", folder, state, keys, tmp_path)
    assert again.returncode != 0
    assert "already exists" in again.stderr

    local.up(state, airflow=False, after_postgres=[migrate_ledger])
    after = environment(state)
    settings = Settings(after["TITLEHOLDER_LEDGER_URL"], after["MLFLOW_TRACKING_URI"], after["TITLEHOLDER_SNAPSHOTS"])
    assert (store.stored(settings.ledger_url, MODEL, "live"), files(state)) == before
    report = audit([MODEL], settings=settings)
    assert clean(report)
    assert (report.rows, report.champions) == (len(before[0]), 1)
    assert report.snapshots > 0
    assert Registry(settings.tracking_uri).models.champion(MODEL) == before[0][-1]["champion_after"]


def clean(report: AuditReport) -> bool:
    return [finding.explanation for finding in report.findings] == []
