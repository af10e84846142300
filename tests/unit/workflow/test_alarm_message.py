"""The message about new alarms of a champion in use."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from titleholder.workflow.notifications.alarms import alarm_message

LOOK: dict[str, Any] = {
    "id": 4, "model": "loans", "lane": "live", "as_of": date(2026, 3, 1), "version": 7, "new_alarms": ["income", "score"],
    "newly_without": False,
    "said": "income has drifted.", "asks_retrain": False, "ask_reason": "",
}  # fmt: skip


def test_it_names_the_alarms_first_then_why_then_what_to_do() -> None:
    made = alarm_message(LOOK, "risk", {"Run in Airflow": "https://airflow.example/run"})
    assert made
    assert made.subject == "loans: the monitor of version 7 raises an alarm: income, score"
    lines = made.text.splitlines()
    assert lines[0] == "Something has changed for version 7 of loans, the champion in use."
    assert lines[1] == "Why: income has drifted."
    assert not any(line.startswith("Retrain:") for line in lines)
    assert lines[-1].startswith("What to do: `titleholder monitor loans` has the numbers.")
    assert made.links == {"Run in Airflow": "https://airflow.example/run"}


def test_it_says_whether_a_retrain_is_asked_for() -> None:
    asked = alarm_message(LOOK | {"asks_retrain": True, "ask_reason": "x"}, "risk", {})
    refused = alarm_message(LOOK | {"ask_reason": "No retrain is asked for (income): a backfill."}, "risk", {})
    assert asked
    assert refused
    assert "Retrain: asked for; a new version takes over only if it is better" in asked.text
    assert "Retrain: No retrain is asked for (income): a backfill." in refused.text


def test_outcomes_that_could_not_be_read_have_a_message_of_their_own_unless_an_alarm_is_new() -> None:
    without = LOOK | {"newly_without": True, "said": "Outcomes are not available: it failed."}
    made = alarm_message(without | {"new_alarms": []}, "risk", {})
    assert made
    assert made.subject == "loans: the monitor of version 7 has no outcomes"
    assert "Why: Outcomes are not available: it failed." in made.text.splitlines()
    both = alarm_message(without, "risk", {})
    assert both
    assert both.subject.endswith("raises an alarm: income, score")
    assert "Why: Outcomes are not available: it failed." in both.text
    assert alarm_message(without | {"new_alarms": [], "lane": "backtest"}, "risk", {}) is None


@pytest.mark.parametrize("change", [{"new_alarms": []}, {"lane": "backtest"}])
def test_a_quiet_look_and_another_lane_need_none(change: dict[str, Any]) -> None:
    assert alarm_message(LOOK | change, "risk", {}) is None
