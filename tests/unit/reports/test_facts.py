"""A decision in one line, its safe links, and the documentation of a check."""

from __future__ import annotations

import pytest

from support.factories import REIGN, a_verdict
from support.report_cases import facts
from titleholder.reports.facts import outcome, safe_links


@pytest.mark.parametrize(
    ("kind", "over", "alone"),
    [
        ("promote", "version 4 promoted over version 3", "version 4 promoted, the first champion"),
        ("keep", "version 3 kept, version 4 not promoted", "version 4 not promoted, no champion yet"),
        ("reject", "version 4 rejected, version 3 stays champion", "version 4 rejected, no champion yet"),
        (
            "retire",
            "retirement of the model advised, version 3 stays champion until somebody acts; version 4 not promoted",
            "retirement of the model advised, version 4 not promoted",
        ),
        (
            "ask",
            "approval requested to promote version 4 over version 3",
            "approval requested to promote version 4, the first champion",
        ),
        ("rollback", "rolled back to version 4", "rolled back to version 4"),
        (
            "proposed keep",
            "proposed to keep version 3 and not to promote version 4",
            "proposed not to promote version 4, no champion yet",
        ),
        (
            "transfer",
            "transfer, challenger version 4, champion version 3",
            "transfer, challenger version 4, champion none",
        ),
    ],
)
def test_the_outcome_names_both_versions(kind: str, over: str, alone: str) -> None:
    assert outcome(facts(kind=kind), a_verdict(champion=REIGN)) == over
    assert outcome(facts(kind=kind), a_verdict(champion=None)) == alone


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "recall",
            "version 1, trained earlier, became champion in place of version 3; the new version 4 did not",
        ),
        (
            "ask",
            "approval requested to make version 1, trained earlier, champion in place of version 3, and not the new "
            "version 4",
        ),
        (
            "proposed recall",
            "proposed to make version 1, trained earlier, champion in place of version 3, and not the new version 4",
        ),
        ("keep", "version 3 kept, version 4 not promoted"),
    ],
)
def test_the_outcome_of_a_recall_names_all_three_versions(kind: str, said: str) -> None:
    assert outcome(facts(kind=kind, recalled=1), a_verdict(champion=REIGN)) == said


@pytest.mark.parametrize(("kind", "proposed"), [("promote", False), ("ask", True), ("proposed promote", True)])
def test_a_proposal_is_no_decision(kind: str, proposed: bool) -> None:
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
    assert list(safe_links(facts(links=links))) == ["web", "plain"]


@pytest.mark.parametrize("base", ["https://a.example/docs", "https://a.example/docs/"])
def test_a_check_leads_to_its_section_of_the_documentation(base: str) -> None:
    found = facts(docs_base=base).documentation("TH304")
    assert found == "https://a.example/docs/checks.md#th304-swap-set-at-the-cut-off"
