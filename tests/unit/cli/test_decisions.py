"""Decisions as JSON: the ledger's row, the documentation of its checks, and a note."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from support.factories import SQL, YAML, a_decision, a_rollback, a_spec, a_verdict, result
from titleholder.cli.main import app
from titleholder.ledger import lane_records, queries, store
from titleholder.ledger.queries import LaneSummary
from titleholder.workflow.backtest import run


def a_lane(name: str, state: str = "") -> LaneSummary:
    day = a_decision(1).as_of
    return LaneSummary(name, 1, 1, day, day, a_decision(1).created_at, state)


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """What `titleholder history small --json` prints of a ledger with these rows."""
    (tmp_path / "small.yaml").write_text(YAML)
    (tmp_path / "small.sql").write_text(SQL)
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    for name in ("TITLEHOLDER_LEDGER_URL", "MLFLOW_TRACKING_URI", "TITLEHOLDER_SNAPSHOTS"):
        monkeypatch.setenv(name, "unused")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://bob:secret@mlflow.example/")
    monkeypatch.delenv("TITLEHOLDER_MLFLOW_ADDRESS", raising=False)
    monkeypatch.setattr(lane_records, "newest", lambda *_: {})
    monkeypatch.setattr(store, "lanes", lambda *_: ["dev", "trial"])
    monkeypatch.setattr(queries, "lanes", lambda *_: [a_lane("dev"), a_lane("trial")])

    def printed(*rows: Any) -> list[dict[str, Any]]:
        monkeypatch.setattr(store, "read", lambda *_: list(rows))
        done = CliRunner().invoke(app, ["history", "small", "--json"], catch_exceptions=False)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    return printed


def test_each_check_has_the_address_of_its_documentation(history: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decision = a_decision(1, verdict=a_verdict(result("TH301")))
    monkeypatch.delenv("TITLEHOLDER_DOCS_URL", raising=False)
    (check,) = history(decision)[0]["verdict"]["checks"]
    assert (check["code"], check["docs_url"]) == ("TH301", "docs/checks.md#th301-gain-sufficient")
    monkeypatch.setenv("TITLEHOLDER_DOCS_URL", "https://docs.example/v1")
    (check,) = history(decision)[0]["verdict"]["checks"]
    assert check["docs_url"] == "https://docs.example/v1/checks.md#th301-gain-sufficient"


def test_a_rollback_has_no_verdict_and_no_decision_its_spec(history: Any) -> None:
    rows = history(a_decision(1), a_rollback(2, 3, 1, reason="It saw the future."))
    assert [row["verdict"] is None for row in rows] == [False, True]
    assert all("spec" not in row and row["note"] == "" for row in rows)


@pytest.mark.parametrize("as_json", [False, True])
def test_of_a_refitted_champion_both_windows_are_named(history: Any, as_json: bool) -> None:
    """After a rollback too, which has no windows of its own."""
    refit = {"spec": a_spec(windows__refit="all_matured").model_dump(mode="json")}
    rows = [a_decision(1, **refit), a_decision(2, champion_before=1, **refit), a_rollback(3, 2, 1, **refit)]
    history(*rows)
    done = CliRunner().invoke(app, ["champion", "small", *(["--json"] if as_json else [])], catch_exceptions=False)
    if as_json:
        champion = json.loads(done.stdout)["champion"]
        assert (champion["version"], champion["refitted_through"]) == (1, str(rows[0].windows.matured))
    else:
        said = f"refitted on rows before {rows[0].windows.matured}; judged by its twin, trained on rows before"
        assert f"{said} {rows[0].trained_through}" in " ".join(done.stdout.split())


CARD = "Model card of decision 102, as of 2024-02-01: https://mlflow.example/#/runs/x"


def test_the_card_of_the_newest_judged_decision_has_its_address_without_a_login(history: Any) -> None:
    """No command said where the card is."""
    rows = [a_decision(1), a_decision(2, champion_before=1), a_rollback(3, 2, 1)]
    assert [row["card"] for row in history(*rows)] == [*["https://mlflow.example/#/runs/x"] * 2, ""]
    assert CARD in CliRunner().invoke(app, ["history", "small"]).stderr.splitlines()
    history(*rows[:2])
    assert CARD in CliRunner().invoke(app, ["champion", "small"]).stderr.splitlines()
    found = json.loads(CliRunner().invoke(app, ["champion", "small", "--json"]).stdout)
    assert found["card"] == "https://mlflow.example/#/runs/x"


def test_a_deleted_lane_has_no_card_any_more(history: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = lane_records.LaneRecord("live", "delete", "ann", "", a_decision(1).created_at)
    monkeypatch.setattr(lane_records, "newest", lambda *_: {"live": gone})
    assert [row["card"] for row in history(a_decision(1))] == [""]
    assert "Model card" not in CliRunner().invoke(app, ["history", "small"]).stderr


@pytest.mark.parametrize("command", ["history", "champion"])
def test_an_empty_lane_names_those_with_decisions_and_the_option(history: Any, command: str) -> None:
    """`champion` gave no hint that `run` had decided in lane dev."""
    history()
    done = CliRunner().invoke(app, [command, "small"])
    assert "┃" not in done.stdout, "no empty table"
    said = done.stderr.splitlines()
    lanes = "Lanes with decisions: dev, trial."
    assert f"small has no decision in lane live. {lanes} `titleholder {command} small --lane dev`" in said
    assert CliRunner().invoke(app, [command, "small", "--lane", "trial", "--json"]).exit_code == 0


@pytest.mark.parametrize("command", ["history", "champion"])
@pytest.mark.parametrize(
    ("known", "words", "shown"),
    [
        (["dev"], (), "dev"),
        (["dev", "live"], (), "live"),
        (["dev", "trial"], (), "live"),
        ([], (), "live"),
        (["dev"], ("--json",), "live"),
        (["dev"], ("--lane", "live"), "live"),
    ],
)
def test_without_a_lane_the_only_one_with_decisions_is_shown_to_people(
    history: Any, monkeypatch: pytest.MonkeyPatch, command: str, known: list[str], words: tuple[str, ...], shown: str
) -> None:
    """Three commands had three default lanes: after a first `run`, `history` showed nothing."""
    history()
    asked: list[str] = []
    monkeypatch.setattr(store, "read", lambda url, model, lane: asked.append(lane) or [a_decision(1, lane=lane)])  # type: ignore[func-returns-value]
    archived = a_lane("old", "archived")
    monkeypatch.setattr(queries, "lanes", lambda *_: [*map(a_lane, known), archived])
    done = CliRunner().invoke(app, [command, "small", *words], catch_exceptions=False)
    assert asked == [shown]
    said = "small has no decision in lane live; this is lane dev, the only one that has."
    assert (done.stderr.splitlines()[:1] == [said]) is (shown == "dev")
    assert ("small, lane dev" in done.stdout) is (shown == "dev")


@pytest.mark.usefixtures("history")
def test_a_backtest_without_a_lane_looks_for_its_own_usual_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def stop(request: run.Request, **_: Any) -> None:
        asked.append(request.lane)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "backtest", stop)
    for known in (["live", "backtest"], ["live"], ["live", "dev"]):
        monkeypatch.setattr(queries, "lanes", lambda *_, known=known: [*map(a_lane, known)])
        CliRunner().invoke(app, ["backtest", "small"])
    assert asked == ["backtest", "live", "backtest"]


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (
            "2024-02-01",
            "no champion in lane live on 2024-02-01; no decision up to then made one. "
            "The newest is decision 102 as of 2024-02-01 (reject): TH101 failed.",
        ),
        ("2023-12-31", "no champion in lane live on 2023-12-31; the first live decision is of 2024-01-01"),
    ],
)
def test_where_nothing_became_champion_the_newest_decision_says_why(history: Any, day: str, said: str) -> None:
    """The first decision was named, as if it had made a champion."""
    none = {"kind": "reject", "champion_before": None, "champion_after": None}
    history(a_decision(1, **none), a_decision(2, **none, reason="TH101 failed. And so on."))
    shown = CliRunner().invoke(app, ["champion", "small", "--on", day], catch_exceptions=False)
    assert " ".join(shown.stdout.split()) == f"small: {said}"
