"""One step at a time, from JSON to JSON: as on machines that share nothing but the services."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from support import retraining
from titleholder.errors import UsageError
from titleholder.ledger import store
from titleholder.settings import Settings
from titleholder.workflow import verbs

AS_OF = date(2024, 3, 1)
ORIGIN = {"actor": "tester", "reason": "somewhere else"}


def perform(verb: str, payload: Any, settings: Settings) -> dict[str, Any]:
    """The payload goes out and comes back as text."""
    done = verbs.perform(verb, json.dumps(payload).encode(), settings=settings)
    return json.loads(json.dumps(done, allow_nan=False))


def test_the_steps_one_by_one_decide_as_a_run_does(settings: Settings) -> None:
    order = {"model": "tiny", "as_of": str(AS_OF), "lane": "anywhere", "candidates": ["scorecard"], "origin": ORIGIN}
    snapshot = perform("extract", order, settings)
    trained = perform("train", {"snapshot": snapshot, "name": "scorecard"}, settings)
    proposed = perform("validate", perform("nominate", [trained], settings), settings)
    done, again = (perform("promote", proposed, settings) for _ in range(2))
    assert again == done, "a repeated step finds what it wrote"
    assert perform("report", {"id": done["id"], "origin": ORIGIN}, settings) == {"id": done["id"]}
    decided = store.decision(settings.ledger_url, done["id"])
    same = retraining.retrain("tiny", AS_OF, "anywhere_too", settings)
    assert (decided.actor, decided.asked_because) == ("tester", "somewhere else")
    assert decided.snapshot_sha256 == same.snapshot_sha256
    assert decided.judged.challenger_metrics == same.judged.challenger_metrics
    assert (decided.kind, decided.reason) == (same.kind, same.reason)


def test_the_command_needs_a_payload_and_the_environment_only(
    env: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    order = {"model": "tiny", "as_of": str(AS_OF), "lane": "anywhere", "origin": ORIGIN}
    command = [sys.executable, "-m", "titleholder.cli.main", "step", "extract", "-", "--output", "snapshot.json"]
    done = subprocess.run(
        command, input=json.dumps(order), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    snapshot = json.loads((tmp_path / "snapshot.json").read_text())
    assert snapshot["sha256"] == perform("extract", order, settings)["sha256"]
    assert [file.name for file in tmp_path.iterdir()] == ["snapshot.json"]
    command[5:] = [str(tmp_path / "none.json")]
    missing = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert missing.returncode == 2
    assert "none.json cannot be read: No such file or directory" in " ".join(missing.stderr.split())


@pytest.mark.parametrize(
    ("verb", "payload", "said"),
    [
        ("crown", {}, "no step 'crown'; the steps are extract, train, nominate, validate, promote, report"),
        ("train", {"snapshot": {}, "name": 3}, r"train: the payload is not what this step takes: snapshot.spec: .*name: "),
        ("extract", {"model": "tiny", "as_of": "soon", "lane": "x", "origin": {"actor": "a"}, "now": 1}, "as_of: .*now: "),
        ("nominate", {}, "the text: Input should be a valid"),
    ],
)  # fmt: skip
def test_what_is_no_payload_is_refused_with_every_fault(verb: str, payload: Any, said: str, settings: Settings) -> None:
    with pytest.raises(UsageError, match=said):
        perform(verb, payload, settings)
