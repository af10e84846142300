"""What of a decision goes to notifications, and what to the later tasks."""

from __future__ import annotations

from typing import Any

import pytest

from support.factories import a_decision, a_rollback, a_verdict, result
from titleholder.ledger.decision import Decision
from titleholder.workflow import publication
from titleholder.workflow.notifications import decisions

KEPT: dict[str, Any] = {"kind": "keep", "champion_before": 1, "champion_after": 1}
OFF = result("TH203", "fail")


@pytest.mark.parametrize(
    ("decision", "subject"),
    [
        (a_decision(2, **KEPT), None),
        (
            a_decision(2, verdict=a_verdict(champion_failed=(OFF,)), **KEPT),
            "small: version 1 stays champion, though it fails TH203 itself",
        ),
        (
            a_decision(2, verdict=a_verdict(result("TH205", "fail", "warn")), **KEPT),
            "small: version 1 stays champion, though it fails TH205 itself",
        ),
        (a_rollback(3, 2, 1), "small: rolled back from version 2 to version 1"),
    ],
    ids=["sound", "off in level", "below its floors", "rollback"],
)
def test_people_hear_of_a_champion_that_was_kept_where_it_fails_by_itself(
    decision: Decision, subject: str | None
) -> None:
    message = decisions.decision_message(decisions.facts(decision, "risk"))
    assert (message.subject if message else None) == subject


def test_a_tasks_result_has_no_word_that_people_are_shown() -> None:
    """Who may edit an XCom could write a notification: its reason, who approved, and links."""
    kept = a_decision(2, reason="Because.", **KEPT)
    assert not {"reason", "actor", "approved_by", "links", "champion_failed"} & set(publication.summary(kept))
