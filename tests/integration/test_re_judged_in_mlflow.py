"""When re-judged months are written about in MLflow, and by which run; on real PostgreSQL and a real MLflow server."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from support.retraining import TESTER, extract, in_force, reported, retrain, settle
from titleholder.errors import DataError
from titleholder.ledger.decision import Decision
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.workflow import model_card, publication, steps

pytestmark = pytest.mark.slow
MONTHS = [date(2024, m, 1) for m in (1, 2, 3, 4)]


def quick_card(row: Decision, *_: object) -> str:
    """For tests of who writes what and when; drawing a card takes seconds."""
    return f"<p>Decision {row.id}</p>"


def test_a_report_that_fails_changes_nothing_and_the_next_one_completes_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The months that were re-judged included."""
    monkeypatch.setattr(model_card, "draw", quick_card)
    for month in MONTHS[1:3]:
        retrain("tiny", month, "reported", settings)

    def broken(*_: object) -> str:
        raise RuntimeError("no ink")

    first = retrain("tiny", MONTHS[0], "reported", settings)
    rows = in_force("tiny", "reported", settings)
    with monkeypatch.context() as patch:
        patch.setattr(model_card, "draw", broken)
        with pytest.raises(RuntimeError, match="no ink"):
            steps.report(first.id, origin=TESTER, settings=settings)
    assert in_force("tiny", "reported", settings) == rows
    assert reported(rows[:1], settings) == [[str(first.id), "", str(first.id)]], "tags and notes need no picture"

    def lost(row: Decision, *_: object) -> str:
        if row.id in (first.id, rows[1].id):
            raise DataError(f"snapshot of {row.as_of} is gone")
        return quick_card(row)

    with monkeypatch.context() as patch:
        patch.setattr(model_card, "draw", lost)
        with pytest.raises(DataError, match=f"snapshot of {MONTHS[0]} is gone"):
            steps.report(first.id, origin=TESTER, settings=settings)
    assert reported(rows[2:], settings) == [[str(rows[2].id)] * 3], "the others are written all the same"
    assert reported(rows[1:2], settings)[0][1] != str(rows[1].id)
    steps.report(first.id, origin=TESTER, settings=settings)
    assert reported(rows, settings) == [[str(r.id)] * 3 for r in rows]
    assert [r.caused_by for r in rows] == [None, first.id, first.id]
    with monkeypatch.context() as patch:
        patch.setattr(model_card, "draw", broken)
        steps.report(first.id, origin=TESTER, settings=settings)  # nothing is left to draw


def test_two_runs_that_re_judge_a_month_leave_mlflow_with_the_newest_decision(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one draws the card of a later month, another re-judges it and reports first."""
    retrain("tiny", MONTHS[3], "crossed", settings)
    crossed: list[Decision] = []

    def overtaken(row: Decision, *_: object) -> str:
        if row.as_of == MONTHS[3] and not crossed:
            crossed.append(row)
            retrain("tiny", MONTHS[1], "crossed", settings, report=True)
        return quick_card(row)

    with monkeypatch.context() as patch:
        patch.setattr(model_card, "draw", overtaken)
        retrain("tiny", MONTHS[2], "crossed", settings, report=True)
    rows = in_force("tiny", "crossed", settings)
    assert [r.as_of for r in rows] == MONTHS[1:4]
    assert crossed[0].id != rows[-1].id, "the month was re-judged while the first run drew its card"
    assert reported(rows, settings) == [[str(r.id)] * 3 for r in rows]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The decisions whose cards were drawn, in that order."""
    found: list[int] = []
    monkeypatch.setattr(model_card, "draw", lambda row, *_: [found.append(row.id), quick_card(row)][1])
    return found


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """What happens while a report waits for a run that is under way; to wait once more is an error."""
    left = [act]
    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=lambda _: left.pop()())
    monkeypatch.setattr(publication, "time", clock)


def test_months_that_a_run_under_way_re_judges_are_left_to_it(
    settings: Settings, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [
        retrain("tiny", MONTHS[3], "awaited", settings, report=True),
        retrain("tiny", MONTHS[2], "awaited", settings),
    ]
    under_way = steps.train(extract("tiny", MONTHS[1], "awaited", settings), "scorecard", settings=settings)
    last: list[Decision] = []

    def decide() -> None:
        last.append(settle(steps.nominate([under_way], settings=settings), settings))

    meanwhile(monkeypatch, decide)
    steps.report(first[1].id, origin=TESTER, settings=settings)
    assert drawn == [row.id for row in first], "its own decision, which was the newest about its version"
    steps.report(last[0].id, origin=TESTER, settings=settings)
    after = in_force("tiny", "awaited", settings)
    assert [row.caused_by for row in after] == [None, last[0].id, last[0].id]
    assert drawn[2:] == [row.id for row in after]
    assert reported(after, settings) == [[str(row.id)] * 3 for row in after]


def test_a_re_judged_month_that_is_run_again_is_written_about(settings: Settings, drawn: list[int]) -> None:
    """Its decision stands, and the run that re-judged it did not live to report."""
    for n in (2, 1):
        retrain("tiny", MONTHS[n], "healed", settings)
    again = retrain("tiny", MONTHS[2], "healed", settings, report=True)
    assert again.caused_by is not None
    assert drawn == [again.id]


def test_a_backtest_under_way_re_judges_nothing(settings: Settings, drawn: list[int]) -> None:
    registry = Registry(settings.tracking_uri)
    retrain("tiny", MONTHS[2], "beside-backtest", settings, report=True)
    tags = names.tags(lane="beside-backtest", kind="backtest", model="tiny")
    registry.runs.open("tiny", "a backtest", "backtest", tags)
    retrain("tiny", MONTHS[1], "beside-backtest", settings, report=True)
    after = in_force("tiny", "beside-backtest", settings)
    assert drawn[1:] == [row.id for row in after]


def test_months_that_a_run_under_way_did_not_live_to_re_judge_are_written_about_by_the_one_that_waited(
    settings: Settings, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    retrain("tiny", MONTHS[3], "in-vain", settings, report=True)
    decision = retrain("tiny", MONTHS[2], "in-vain", settings)
    under_way = extract("tiny", MONTHS[1], "in-vain", settings)
    client = MlflowClient(settings.tracking_uri)
    meanwhile(monkeypatch, lambda: client.set_terminated(under_way.run_id, "FAILED"))
    steps.report(decision.id, origin=TESTER, settings=settings)
    after = in_force("tiny", "in-vain", settings)
    assert [row.caused_by for row in after] == [None, decision.id]
    assert drawn[1:] == [row.id for row in after]


def test_of_runs_that_end_together_the_one_that_decided_last_writes_about_re_judged_months(
    settings: Settings, drawn: list[int]
) -> None:
    decided = [retrain("tiny", MONTHS[n], "together", settings) for n in (2, 1, 0)]
    for row in decided[:2]:
        steps.report(row.id, origin=TESTER, settings=settings)
    assert drawn == []
    steps.report(decided[2].id, origin=TESTER, settings=settings)
    after = in_force("tiny", "together", settings)
    assert [row.caused_by is not None for row in after] == [False, True, True]
    assert drawn == [row.id for row in after]
    assert reported(after, settings) == [[str(row.id)] * 3 for row in after]


def test_a_run_that_was_killed_is_not_waited_for_for_ever(
    settings: Settings, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "PATIENCE", 0)
    monkeypatch.setattr(publication, "PAUSE", 0)
    extract("tiny", MONTHS[0], "killed-run", settings)
    for n in (2, 1):
        retrain("tiny", MONTHS[n], "killed-run", settings, report=True)
    rows = in_force("tiny", "killed-run", settings)
    assert rows[1].caused_by == rows[0].id
    assert drawn[1:] == [row.id for row in rows]
    assert reported(rows, settings) == [[str(row.id)] * 3 for row in rows]
