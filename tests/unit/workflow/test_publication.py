"""What of a decision goes to notifications and links."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.factories import a_decision, a_rollback, a_verdict, result
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.workflow import notifications, publication

REGISTRY = cast(
    Registry,
    SimpleNamespace(
        models=SimpleNamespace(url=lambda *_: "https://mlflow.example/v"),
        runs=SimpleNamespace(artifact_url=lambda *_: "https://mlflow.example/card"),
    ),
)
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
    message = notifications.decision_message(publication.summary(decision, REGISTRY))
    assert (message.subject if message else None) == subject
