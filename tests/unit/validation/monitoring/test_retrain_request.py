"""Alarms that ask for a retrain: once each, not too soon, not too often, and only of the live lane."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from titleholder.spec.monitor import AskForRetrain
from titleholder.validation.monitoring.report import Alarm
from titleholder.validation.monitoring.retrain_request import Answer, Asked, ask

RULE = AskForRetrain.model_validate({"cooldown": "3 months", "per_year": 2})
DAY = date(2026, 6, 1)


def alarm(since: date = DAY, name: str = "income") -> Alarm:
    return Alarm(name=name, kind="feature", since=since, new=since == DAY, sentence=f"{name} has drifted.")


def asked(*alarms: Alarm, **changes: Any) -> Answer:
    usual: dict[str, Any] = {
        "rule": RULE, "lane": "live", "as_of": DAY, "decision": 5, "earlier": (), "last_decision": date(2026, 1, 1)
    }  # fmt: skip
    return ask(alarms, **(usual | changes))


def test_an_alarm_asks_and_says_why() -> None:
    found = asked(alarm(), alarm(name="score"))
    assert found == Answer(True, "The monitor of 2026-06-01 asks for a retrain. income has drifted. score has drifted.")


@pytest.mark.parametrize("changes", [{"rule": None}, {}])
def test_without_a_rule_or_an_alarm_nothing_is_asked(changes: dict[str, Any]) -> None:
    alarms = [alarm()] if changes else []
    assert asked(*alarms, **changes) == Answer(False, "")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"lane": "backtest"}, "lane backtest"),
        ({"backfill": True}, "a backfill"),
        ({"in_airflow": False}, "the next look of the DAG does it"),
        ({"earlier": [Asked(date(2026, 3, 2), 4)]}, "the last request was on 2026-03-02, and the cooldown is 3 months"),
        ({"last_decision": date(2026, 3, 2)}, "the last decision was as of 2026-03-02"),
        (
            {"earlier": [Asked(date(2025, 6, 2), 3), Asked(date(2025, 10, 1), 4)]},
            "there were 2 requests in the last 12 months, and at most 2 are allowed",
        ),
    ],
)
def test_it_says_why_none_is_asked_for(changes: dict[str, Any], why: str) -> None:
    found = asked(alarm(), **changes)
    assert not found.asks
    assert found.reason.startswith("No retrain is asked for (income): ")
    assert why in found.reason


def test_the_bounds_are_exact() -> None:
    assert asked(alarm(), earlier=[Asked(date(2026, 3, 1), 4)]).asks
    assert asked(alarm(), last_decision=date(2026, 3, 1)).asks
    assert asked(alarm(), earlier=[Asked(date(2025, 6, 1), 3), Asked(date(2025, 10, 1), 4)]).asks, (
        "a year ago to the day"
    )


def test_an_alarm_that_was_asked_for_asks_no_more_but_a_later_one_does() -> None:
    earlier = [Asked(date(2026, 2, 1), 5)]
    assert asked(alarm(date(2026, 2, 1)), earlier=earlier) == Answer(False, "")
    assert asked(alarm(date(2026, 2, 1)), alarm(date(2026, 4, 1), "score"), earlier=earlier).asks
    assert asked(alarm(date(2026, 2, 1)), earlier=[Asked(date(2026, 2, 1), 4)]).asks, "that was another reign"


def test_an_alarm_of_the_cooldown_asks_when_it_is_over() -> None:
    before = {"earlier": [Asked(date(2026, 1, 15), 4)]}
    raised = alarm(date(2026, 2, 1))
    assert not asked(raised, as_of=date(2026, 2, 1), **before).asks
    assert asked(raised, as_of=date(2026, 5, 1), **before).asks
