"""`titleholder gc` for people and for programs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from titleholder.cli.main import app
from titleholder.workflow.garbage import collection
from titleholder.workflow.garbage.collection import Freed, GarbageReport, Kept

REPORT = GarbageReport(
    deleted=False,
    models=("loans", "cars"),
    freed=(
        Freed(kind="runs", why="another candidate was nominated", count=1200, bytes=3_000_000_000),
        Freed(kind="snapshots", why="no run or decision names it", count=1, bytes=500_000_000),
    ),
    kept=(Kept(kind="runs", count=7, bytes=None), Kept(kind="snapshots", count=2, bytes=2_000_000)),
    unknown=Kept(kind="unknown files", count=3, bytes=4_000),
    doubtful={},
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `collect` was asked; it answers with the report under `report`."""
    seen: dict[str, Any] = {"report": REPORT}

    def collect(models: Any, **options: Any) -> GarbageReport:
        seen.update(options, models=models)
        options["on_step"]("loans: runs", 1, 2)
        found: GarbageReport = seen["report"]
        return found.model_copy(update={"deleted": options["delete"]})

    for name in ("TITLEHOLDER_LEDGER_URL", "MLFLOW_TRACKING_URI", "TITLEHOLDER_SNAPSHOTS"):
        monkeypatch.setenv(name, "unused")
    monkeypatch.setattr(collection, "collect", collect)
    return seen


def gc(*words: str) -> Result:
    return CliRunner().invoke(app, ["gc", *words], env={"COLUMNS": "120"})


def test_people_see_what_could_go_by_kind_and_reason(asked: dict[str, Any]) -> None:
    done = gc()
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["runs", "another", "candidate", "was", "nominated", "1,200", "3.0", "GB"] in lines
    assert "3.5 GB of 2 models can be deleted: --yes deletes it. Nothing was deleted." in done.stdout
    assert "Kept: 7 runs, 2 snapshots (2.0 MB)." in done.stdout
    assert "3 files (4.0 kB) in the same folders belong to no model known here, and stay." in done.stdout
    assert (asked["models"], asked["delete"], asked["older_than"]) == ((), False, timedelta(days=30))


def test_with_yes_it_is_deleted(asked: dict[str, Any]) -> None:
    done = gc("loans", "cars", "--yes", "--older-than", "90")
    assert "3.5 GB of 2 models deleted. MLflow keeps the files of deleted runs until `mlflow gc`" in done.stdout
    assert (asked["models"], asked["delete"], asked["older_than"]) == (["loans", "cars"], True, timedelta(days=90))


def test_programs_get_all_of_it(asked: dict[str, Any]) -> None:
    found = json.loads(gc("--json").stdout)
    assert found == {**REPORT.model_dump(mode="json"), "bytes": 3_500_000_000}


def test_a_doubtful_ledger_is_said_and_has_an_exit_code(asked: dict[str, Any]) -> None:
    doubtful = {"loans": "Decision 7: Its content was changed [red]."}
    asked["report"] = REPORT.model_copy(update={"freed": (), "doubtful": doubtful})
    done = gc()
    assert done.exit_code == 1
    assert "Nothing can be deleted." in done.stdout
    assert (
        "Nothing of loans is deleted, because its ledger is in doubt: Decision 7: Its content was changed [red]."
        in (done.stderr)
    )


def test_what_is_younger_than_a_day_cannot_be_asked_for(asked: dict[str, Any]) -> None:
    assert gc("--older-than", "0").exit_code == 2
    assert "models" not in asked
