"""The network between a task and the ledger is cut while the task holds a lock: silence, and nothing is refused."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import cut_off
from support.fragile import Fragile
from support.succession_world import World
from titleholder.ledger import store
from titleholder.settings import Settings
from titleholder.workflow import steps
from titleholder.workflow.audit import audit

log = logging.getLogger(__name__)
APART = ["unshare", "--user", "--map-root-user", "--net"]
POSSIBLE = subprocess.run([*APART, "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode == 0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not POSSIBLE, reason="this machine allows no network of one's own (unshare, ip)"),
]
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
UNANSWERED = 25
"""Seconds within which a client notices that nobody answers (docs/security.md, time limits)."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("where", "idle"), [("lane", store.LOCK_IDLE), ("alias", store.ALIAS_IDLE)])
def test_the_network_is_cut_while_a_lock_is_held(
    fragile: Fragile, settings: Settings, tmp_path: Path, where: str, idle: int
) -> None:
    """Another run gets the lock within the promised time; the cut one learns it, and its next try decides once."""
    arena = World(f"cut_off_{where}", settings)
    arena.decide()
    cut_one, other, before = arena.proposed(), arena.proposed(), arena.rows()
    (tmp_path / "proposed.json").write_text(cut_one.model_dump_json())
    ports = fragile.state.read().ports
    command = [*APART, sys.executable, "-m", "support.cut_off", str(tmp_path), where]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **IMPATIENT}
    with (
        cut_off.relayed(tmp_path, [ports["postgres"], ports["mlflow"]]),
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process,
    ):
        try:
            assert process.stdout
            assert process.stdout.readline() == "cut\n"
            began = time.monotonic()
            decided = steps.promote(other, settings=settings)
            waited = time.monotonic() - began
            seconds, _, ended = process.stdout.readline().partition(" ")
        finally:
            process.kill()
    log.info("%s: another got the lock after %.1f s, the one cut off learned it after %s s", where, waited, seconds)
    assert 2 < waited < idle + 5, "the lock was held, and then it was free"
    assert float(seconds) < UNANSWERED + 10
    assert ended.startswith("ServiceError: "), ended
    rows = arena.rows()
    written = {"lane": [decided], "alias": [rows[-2], decided]}[where]
    assert rows == [*before, *written]
    assert rows[-1].champion_after == arena.champion() == other.challenger.version
    again = steps.promote(cut_one, settings=settings)
    assert [r.challenger_version for r in arena.rows()].count(cut_one.challenger.version) == 1
    assert again.challenger_version == cut_one.challenger.version
    assert arena.champion() == arena.rows()[-1].champion_after
    assert audit([arena.model], settings=settings).findings == ()
