"""Decisions as JSON: the ledger's row, the documentation of its checks, and a note."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from support.factories import a_decision, a_lane, a_rollback, a_verdict, result
from titleholder.cli.main import app
from titleholder.ledger import lane_records, queries, store
from titleholder.workflow.backtest import run


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


def test_a_history_says_first_who_is_champion(history: Any) -> None:
    history(a_decision(1), a_decision(2, kind="keep", champion_before=1, champion_after=1))
    first = CliRunner().invoke(app, ["history", "small"]).stdout.splitlines()[0]
    assert first == "small, lane live: version 1 is champion since decision 101 (promote)"
    history(a_decision(1, kind="reject", champion_after=None))
    assert CliRunner().invoke(app, ["history", "small"]).stdout.startswith("small, lane live: no champion")


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
