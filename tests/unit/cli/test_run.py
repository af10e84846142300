"""`titleholder run`: what it says of candidates that failed, and after Ctrl-C."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from support.factories import a_decision, a_rollback, a_verdict, result
from support.specs import write
from titleholder.cli.main import app
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.workflow import retrain as retraining
from titleholder.workflow.retrain import FailedCandidate, Retrained


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    for name in ("TITLEHOLDER_LEDGER_URL", "TITLEHOLDER_SNAPSHOTS", "MLFLOW_TRACKING_URI", "AIRFLOW_CONN_WAREHOUSE"):
        monkeypatch.setenv(name, "postgresql://localhost:1/x")
    monkeypatch.setenv("COLUMNS", "80")
    write(tmp_path)


def run(patch: pytest.MonkeyPatch, *options: str, until: tuple[str, ...] = (), failed: Any = None, **of: Any) -> Result:
    """Runs with a retrain in memory, which Ctrl-C ends in the last of these steps of the third date."""

    def retrain(_: Any, as_of: date, *__: Any, on_step: Any, **___: Any) -> Retrained:
        if until and as_of.month == 3:
            for n, step in enumerate(until):
                on_step(step, n)
            raise KeyboardInterrupt
        return Retrained(a_decision(as_of.month, **of), failed or {})

    patch.setattr(retraining, "retrain", retrain)
    return CliRunner().invoke(app, ["run", "small", *options])


@pytest.mark.parametrize(
    ("options", "steps", "said"),
    [
        (("--as-of", "2024-03-01"), ("extract",), "Interrupted: nothing was decided."),
        (
            ("--as-of", "2024-03-01"),
            ("validate", "promote"),
            "Interrupted: `titleholder history small --lane dev` shows whether 2024-03-01 was decided.",
        ),
        (("--as-of", "2024-03-01"), ("promote", "report"), "Interrupted: the decision of 2024-03-01 stands."),
        (
            ("--as-of", "2024-01-01", "--until", "2024-04-01"),
            ("extract", "train"),
            "Interrupted: the decisions of 2024-01-01, 2024-02-01 stand; nothing was decided for 2024-03-01.",
        ),
    ],
)
def test_ctrl_c_says_what_stands(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], steps: tuple[str, ...], said: str
) -> None:
    result = run(monkeypatch, *options, until=steps)
    assert result.exit_code == 130
    assert said in result.stderr.splitlines()
    assert "Traceback" not in result.output


@pytest.mark.parametrize("code", [1, 2])
def test_a_candidate_that_failed_is_named_with_the_reason_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As a run of nothing else and `check` would give; it was 0."""
    failed = {"trees": FailedCandidate("candidate trees does not fit: too deep", code)}
    done = run(monkeypatch, "--as-of", "2024-01-01", failed=failed)
    last = (
        "2024-01-01: trees could not be trained: candidate trees does not fit: too deep. "
        "The decision stands, on the other candidates."
    )
    assert " ".join(done.stdout.split()).endswith(last)
    assert done.exit_code == code
    done = run(monkeypatch, "--as-of", "2024-01-01", "--json", failed=failed)
    assert json.loads(done.stdout)[0]["failed_candidates"] == {"trees": "candidate trees does not fit: too deep"}
    assert done.exit_code == code


def test_a_decision_of_any_kind_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, "--as-of", "2024-01-01", "--until", "2024-02-01")
    assert (done.exit_code, "could not be trained" in done.stdout) == (0, False)


def test_a_run_says_where_the_card_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    said = run(monkeypatch, "--as-of", "2024-01-01").stderr
    assert "Model card of decision 101, as of 2024-01-01: http://mlflow.example:5000/#/runs/x" in said.splitlines()


def test_a_run_names_its_warnings_and_the_commands_that_show_its_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """`history` and `backtest` alone show lanes that a run by hand does not write to."""
    found = [result("TH403", "fail", "warn"), result("TH301", "pass", "warn"), result("TH302", "fail", "block")]
    found.append(result("TH203", "beyond"))
    said = run(monkeypatch, "--as-of", "2024-01-01", verdict=a_verdict(*found)).stderr.splitlines()
    assert [line for line in said if line.startswith("Decision 101")] == [
        "Decision 101, as of 2024-01-01, has warnings: TH403 (TH403); beyond a threshold without failing: "
        "TH203 (TH203). Its model card says more."
    ]
    assert said[-1] == (
        "All decisions of this lane: `titleholder history small --lane dev`. "
        "Whether they were worth it: `titleholder backtest small --lane dev`."
    )


def test_a_run_names_the_places_that_nobody_has_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It trained on the guesses of `new` without a word."""
    assert "CHECK" not in run(monkeypatch, "--as-of", "2024-01-01").stderr
    spec, query = tmp_path / "small.yaml", tmp_path / "small.sql"
    spec.write_text(f"# CHECK: the entity\n{spec.read_text()}")
    query.write_text(f"-- Rows.\n-- CHECK: the outcome\n{query.read_text()}")
    for more in ((), ("--json",)):
        done = run(monkeypatch, "--as-of", "2024-01-01", *more)
        assert done.exit_code == 0
        (said,) = [line for line in done.stderr.splitlines() if line.startswith("Warning")]
        assert "2 places are still marked CHECK (small.yaml, line 1; small.sql, line 2)." in said


def test_other_commands_say_that_nothing_was_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("titleholder.workflow.audit.audit", interrupt)
    result = CliRunner().invoke(app, ["audit"])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (130, "Interrupted: nothing was decided.")


def test_warnings_of_libraries_are_not_shown() -> None:
    code = (
        "import sys, warnings, typer; from titleholder.cli import main\n"
        "main.app.command('noisy')(lambda: warnings.warn('of a library'))\n"
        "sys.argv = ['titleholder', 'noisy']; main.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_run_says_what_the_champion_fails_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    off = result("TH203", "fail", explanation="Observed over expected 1.93.")
    done = run(monkeypatch, "--as-of", "2024-01-01", verdict=a_verdict(champion_failed=(off,)), champion_before=3)
    assert (
        "Decision 101, as of 2024-01-01: The champion of that time, version 3, itself fails TH203 (TH203): "
        "Observed over expected 1.93."
    ) in done.stderr.splitlines()
    assert "v3, champion then, itself fails TH203" in " ".join(done.stdout.split()), "as in history"


@pytest.mark.parametrize(
    ("since", "lane", "said"),
    [
        ([a_rollback(3, 2, 1)], "live", ", undone since by decision 103 (rollback); the champion is version 1"),
        (
            [a_rollback(3, 2, None, kind="withdraw")],
            "live",
            ", undone since by decision 103 (withdraw); there is no champion",
        ),
        ([a_decision(3, champion_before=2)], "live", "; the champion is version 3, since decision 103 (promote)"),
        ([a_decision(3, kind="keep", champion_before=2, champion_after=2)], "live", ""),
        ([a_decision(3, champion_before=2, lane="dev")], "dev", ""),
    ],
    ids=["rolled back", "retired", "replaced", "still champion", "another lane"],
)
def test_a_run_that_decided_nothing_says_which_decision_stands_and_who_is_champion_by_now(
    monkeypatch: pytest.MonkeyPatch, since: list[Decision], lane: str, said: str
) -> None:
    """After a rollback the old row was printed as if the version had become champion."""
    row = a_decision(2, champion_before=1, lane=lane)
    monkeypatch.setattr(retraining, "retrain", lambda *_, **__: Retrained(row, {}, stood=True))
    monkeypatch.setattr(store, "read_lane", lambda *_: [a_decision(1, lane=lane), row, *since])
    done = CliRunner().invoke(app, ["run", "small", "--as-of", "2024-02-01", "--lane", lane])
    note = f"Nothing was decided: decision 102 already decided this{said}"
    assert f"Decision 102, 2024-02-01 promote: {note}. Because" in " ".join(done.stdout.split())
    done = CliRunner().invoke(app, ["run", "small", "--as-of", "2024-02-01", "--lane", lane, "--json"])
    assert json.loads(done.stdout)[0]["note"] == note
