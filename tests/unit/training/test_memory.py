"""What will not fit is said before it is tried."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from support.factories import AS_OF, a_spec, spans_of
from titleholder.data.scores import ScoreStore
from titleholder.errors import TrainingError
from titleholder.registry.client import Registry
from titleholder.settings import connection_url
from titleholder.training import memory
from titleholder.workflow import retrain_runs
from titleholder.workflow.payloads import Origin, Snapshot

GIB = 2**30


def test_a_training_that_cannot_fit_says_so_and_what_to_change() -> None:
    spec = a_spec()
    said = memory.shortage(spec, "scorecard", 500_000_000, may_have=2 * GIB)
    columns = len(spec.columns.features)
    needed = 2.5 * 500_000_000 * columns * 8 / 1e9
    assert (
        f"500,000,000 rows of {columns} features take {needed:.1f} GB at least, and this process may have 2.1" in said
    )
    assert "training.candidates.scorecard.resources" in said
    assert "windows.train" in said


def test_a_holdout_that_cannot_be_judged_says_so_and_what_to_change() -> None:
    said = memory.shortage_to_judge(a_spec(), 500_000_000, may_have=2 * GIB)
    assert "500,000,000 rows of the holdout take 32.0 GB at least, and this process may have 2.1 GB" in said
    assert "windows.holdout" in said
    assert memory.shortage_to_judge(a_spec(), 12_000_000, may_have=2 * GIB) == ""


@pytest.mark.parametrize("may_have", [None, 64 * GIB])
def test_what_may_fit_is_tried(may_have: int | None) -> None:
    assert memory.shortage_to_judge(a_spec(), 10_000, may_have=may_have) == ""
    assert memory.shortage(a_spec(), "scorecard", 10_000, may_have=may_have) == ""


def test_small_limits_foretell_nothing_about_small_data() -> None:
    assert memory.shortage(a_spec(), "scorecard", 10_000, may_have=1) == ""


@pytest.mark.parametrize(
    ("text", "limit"), [("4294967296\n", 4 * GIB), ("max\n", None), ("9223372036854771712\n", None)]
)
def test_the_limit_of_a_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, limit: int | None
) -> None:
    monkeypatch.setattr(memory, "LIMITS", ())
    machine = memory.available()
    assert machine is not None
    (file := tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(memory, "LIMITS", (str(file), str(tmp_path / "none")))
    assert memory.available() == min(machine, limit or machine)


def test_the_limit_of_the_process_counts() -> None:
    code = (
        "import resource; from titleholder.training import memory;"
        "resource.setrlimit(resource.RLIMIT_AS, (12345678901, resource.RLIM_INFINITY)); print(memory.available())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 12345678901
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 12345678901, "the tests' own limit stays"


def test_a_training_that_cannot_fit_is_refused_before_rows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error after which no retry is made."""
    monkeypatch.setattr(memory, "available", lambda: GIB)
    spec = a_spec()
    huge = Snapshot(
        spec=spec, lane="live", as_of=AS_OF, spans=spans_of(spec), candidates=("it",), uri="/none", sha256="0",
        rows=500_000_000, key="k", run_id="r", origin=Origin(actor="tester"),
    )  # fmt: skip
    with pytest.raises(TrainingError, match="cannot be trained here: 500,000,000 rows"):
        retrain_runs.fit_and_store(
            huge, "it", "r", ScoreStore("/none"), Registry("http://127.0.0.1:1"), None,
            on_trial=None, connections=connection_url,
        )  # fmt: skip
