"""Every table of the commands on narrow terminals, with the longest names: nothing that names a thing is cut."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import RenderableType
from typer.testing import CliRunner

from localstack import stack
from localstack.cli import app as stack_app
from support.backtest_cases import a_backtest, a_trial
from support.factories import REIGN, a_decision, a_recall, a_regression, a_score_run, a_verdict, result
from support.specs import bent
from titleholder.cli import score
from titleholder.cli.backtest_tables import period_table, what_if_table
from titleholder.cli.console import Line, Terminal, fitted
from titleholder.cli.main import app
from titleholder.cli.tables import decision_table
from titleholder.data.leakage.event_test import EventTestSummary
from titleholder.data.leakage.report import LeakReport, TableResult
from titleholder.validation.sequential import Look
from titleholder.workflow.audit_report import AuditFinding, AuditReport
from titleholder.workflow.backtest.summary import Setting
from titleholder.workflow.differences import ComparedPart
from titleholder.workflow.reproduce import Reproduction

WIDTHS = [40, 60, 80, 200]
LONGEST = "m" + "odel_name_" * 5 + "up_to_60x"
DAY = date(2024, 7, 1)


def printed(what: RenderableType, width: int) -> str:
    console = Terminal(width=width, record=True, file=StringIO())
    console.print(what)
    return console.export_text()


def assert_whole(text: str, width: int, names: Sequence[str]) -> None:
    """Every name is there, broken over lines at most; nothing is cut, and no line is too long."""
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    together = "".join(text.split())
    assert [name for name in names if "".join(name.split()) not in together] == []


def run(monkeypatch: pytest.MonkeyPatch, width: int, *words: str) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    for name in ("TITLEHOLDER_LEDGER_URL", "TITLEHOLDER_SNAPSHOTS", "MLFLOW_TRACKING_URI", "AIRFLOW_CONN_WAREHOUSE"):
        monkeypatch.setenv(name, "postgresql://localhost:1/x")
    return CliRunner().invoke(app, list(words)).stdout


@pytest.mark.parametrize("width", WIDTHS)
def test_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, width: int) -> None:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    (tmp_path / "small.sql").write_text("select :as_of, :window_start, :window_end")
    other = "c" * 59 + "2"
    (tmp_path / f"{LONGEST}.yaml").write_text(bent(("name: small", f"name: {LONGEST}"), ("    line:", f"    {other}:")))
    said = run(monkeypatch, width, "models")
    assert len(LONGEST) == 60
    assert_whole(said, width, [LONGEST, "classification", "credit-risk", "@monthly", "roc_auc", other, "trees"])


@pytest.mark.parametrize("width", WIDTHS)
def test_decisions(width: int) -> None:
    look = Look(as_of=DAY, start=DAY, end=DAY, rows=90, events=30, metric="roc_auc", gain=0.05, error=0.01)
    looks = tuple(look.model_copy(update={"judged_after": 1}) for _ in range(120))
    reign = REIGN.model_copy(update={"version": 12345, "looks": looks})
    verdict = a_verdict(result("TH301", "fail"), champion=reign, look=look).model_copy(update={"rule": "sequential"})
    rows = [
        a_decision(
            kind="keep", as_of=DAY, verdict=verdict, challenger_version=12346, reason="TH301 failed for champion."
        ),
        a_recall(2, 12345, 12340),
    ]
    notes = {rows[0].id: "Run this month again: version 12347 is champion before it now"}
    said = printed(decision_table(f"{LONGEST}, lane {'l' * 40}", rows, width, notes), width)
    names = [LONGEST, "l" * 40, "2024-07-01", "v12346", "v12345 (2024-06)", "keep", "recall v12340", "120 later)"]
    assert_whole(said, width, [*names, notes[rows[0].id], "TH301 failed for champion"])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("spec", [None, a_regression()], ids=["classification", "regression"])
def test_a_backtest(width: int, spec: Any) -> None:
    own = Setting(rule="sequential", tolerated_loss=0.0075, minimum_gain=0.00125, confidence=0.999)
    many = tuple(date(2020 + n // 12, n % 12 + 1, 1) for n in range(40))
    found = a_backtest(spec, what_if=(a_trial(own, own=True, changed=many, mean=123456.7, periods=40),))
    periods = printed(period_table(found, width), width)
    assert_whole(periods, width, ["2024-01-01", "keep", "gate", "newest", "never", "hindsight", "regret"])
    assert ("events" in periods) == (spec is None)
    names = [
        "sequential",
        "tolerated_loss",
        "minimum_gain",
        "confidence",
        "0.00125",
        "0.999",
        "2023-04",
        "sequential *",
    ]
    assert_whole(printed(what_if_table(found, width), width), width, names)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_leak_test(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    table = f"{'s' * 63}.{'t' * 63}"
    report = LeakReport.model_construct(
        model=LONGEST, as_of=DAY, rows=12345, hashes={"a": "1"}, leaks=(), untested=(), recorded_late=(table,), corrected=0, trusted=(),
        events=EventTestSummary.model_construct(rows=12, cut_offs=3),
        tables=(TableResult(table=table, later_facts=1234567, synthetic_facts=7654321, exchanged_facts=2345678),),
    )  # fmt: skip
    monkeypatch.setattr("titleholder.data.leakage.leaktest.leaktest", lambda *_, **__: report)
    said = run(monkeypatch, width, "leaktest", "demo_default", "--as-of", "2024-07-01")
    assert_whole(said, width, [LONGEST, table, "1,234,567", "7,654,321", "2,345,678", "planted"])


@pytest.mark.parametrize("width", WIDTHS)
def test_an_audit_and_a_reproduction(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    finding = AuditFinding.model_construct(model=LONGEST, lane="l" * 40, check="snapshot", explanation="It is gone.")
    report = AuditReport(
        findings=(finding,),
        models=(LONGEST,),
        lanes=1,
        rows=1,
        witnesses=1,
        snapshots=1,
        reports=1,
        champions=1,
        score_runs=0,
        scores_counted=0,
        repaired=(),
    )
    monkeypatch.setattr("titleholder.workflow.audit.audit", lambda *_, **__: report)
    said = run(monkeypatch, width, "audit")
    assert_whole(said, width, [LONGEST, "l" * 40, "snapshot", "It is gone."])
    assert "1 finding. Checked: 1 decision in 1 lane of 1 model, 1 version" in " ".join(said.split())
    again = Reproduction(
        decision=7, model=LONGEST, lane="l" * 40, as_of=DAY, kind="promote", version=3, candidate="trees", differences=(),
        parts=(ComparedPart(name="challenger_metrics and the checks of it", equal=123456),), not_recorded=(),
        code_then="1", code_now="2", libraries=(),
    )  # fmt: skip
    monkeypatch.setattr("titleholder.workflow.reproduce.reproduce", lambda *_, **__: again)
    names = [LONGEST, "l" * 40, "promote", "challenger_metrics and the checks of it", "within 1e-9", "123456"]
    assert_whole(run(monkeypatch, width, "reproduce", "7"), width, names)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_local_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    address, log = f"http://127.0.0.1:54321/{'a' * 70}", tmp_path / ("f" * 90) / "x.log"
    found = [
        stack.Status("airflow-dag-processor", False, 123456, address, str(log)),
        stack.Status("mlflow", True, 1, "x", "y"),
    ]
    monkeypatch.setattr(stack, "status", lambda _: found)
    said = CliRunner().invoke(stack_app, ["status"]).stdout
    assert_whole(
        said, width, ["airflow-dag-processor", "no answer", "123456", address, "mlflow", "up", str(log.parent)]
    )


def test_a_paragraph_names_what_its_columns_named() -> None:
    lines = [Line(["x" * 20, "", "y" * 30], "bold"), Line(["short", "one", ""])]
    said = printed(fitted("A title", ["name", "number", "kind"], lines, 40), 40)
    assert " ".join(said.split()) == f"A title {'x' * 20}: kind {'y' * 30} short: number one"


def test_scoring_runs_are_a_table_on_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("titleholder.cli.score.require_model", lambda _: None)
    runs = [a_score_run(n, lane="backtest", role="challenger", rows=2767, actor="cli:maria") for n in (9, 123)]
    monkeypatch.setattr("titleholder.ledger.score_runs.of_model", lambda *_: runs)
    text = run(monkeypatch, 80, "scores", "loans")
    assert text.splitlines()[1].split()[:4] == ["run", "lane", "as", "of"]


def test_a_scored_row_for_people_has_no_more_digits_than_they_read() -> None:
    row = {"id": "007", "score": 0.8588189564413686, "model_version": 5, "reason_1": "It vibrates"}
    assert score._shown(row) == {"id": "007", "score": "0.858819", "reason_1": "It vibrates"}
    assert score._shown({"id": float("nan"), "score": 123456.789, "model_version": 5})["id"] == ""
