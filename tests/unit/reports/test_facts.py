"""A decision in one line, and which links may be followed."""

from __future__ import annotations

import pytest

from support.factories import REIGN, a_verdict
from support.report_cases import facts
from titleholder.reports.facts import addresses, outcome


@pytest.mark.parametrize(
    ("kind", "over", "alone"),
    [
        ("promote", "version 4 promoted over version 3", "version 4 promoted, the first champion"),
        ("keep", "version 3 kept, version 4 not promoted", "version 4 not promoted, nobody reigns"),
        ("reject", "version 4 rejected, version 3 stays champion", "version 4 rejected, nobody reigns"),
        (
            "retire",
            "retirement of the model advised, version 3 stays champion until somebody acts; version 4 not promoted",
            "retirement of the model advised, version 4 not promoted",
        ),
        (
            "ask",
            "approval asked to promote version 4 over version 3",
            "approval asked to promote version 4, the first champion",
        ),
        ("rollback", "rolled back to version 4", "rolled back to version 4"),
        (
            "proposed keep",
            "proposed to keep version 3 and not to promote version 4",
            "proposed not to promote version 4, nobody reigns",
        ),
        (
            "withdraw",
            "withdraw, challenger version 4, champion version 3",
            "withdraw, challenger version 4, champion nobody",
        ),
    ],
)
def test_what_becomes_of_whom(kind: str, over: str, alone: str) -> None:
    assert outcome(facts(kind=kind), a_verdict(champion=REIGN)) == over
    assert outcome(facts(kind=kind), a_verdict(champion=None)) == alone


@pytest.mark.parametrize(("kind", "proposed"), [("promote", False), ("ask", True), ("proposed promote", True)])
def test_whether_it_is_decided(kind: str, proposed: bool) -> None:
    assert facts(kind=kind).proposed is proposed


def test_only_web_addresses_are_followed() -> None:
    links = {
        "web": "https://a.example/x",
        "plain": "http://localhost:5000/#/runs/1",
        "script": "javascript:alert(1)",
        "upper": "JAVASCRIPT:alert(1)",
        "file": "file:///etc/passwd",
        "host": "javascript://a.example/%0aalert(1)",
        "other": "ftp://a.example/x",
        "relative": "//a.example",
        "nowhere": "http:",
        "broken": "http://[",
        "empty": "",
    }
    assert list(addresses(facts(links=links))) == ["web", "plain"]
