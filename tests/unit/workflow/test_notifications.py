"""Messages to people: their text, what is left out, and that a value stays a value."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from support.hostile import controls, hostile
from titleholder.workflow.notifications import decisions, waiting
from titleholder.workflow.notifications.message import Message, to_html, to_slack

DECISION: dict[str, Any] = {
    "id": 12,
    "model": "small",
    "lane": "live",
    "kind": "promote",
    "as_of": "2026-03-01",
    "challenger_version": 7,
    "champion_before": 5,
    "champion_after": 7,
    "actor": "airflow:scheduled",
    "reason": "Shown to be better.",
    "owner": "credit-risk",
    "approved_by": "",
    "links": {"Model card": "https://mlflow.example/card"},
}
CARD = "Model card: https://mlflow.example/card"


def about(**changes: Any) -> Message:
    message = decisions.decision_message({**DECISION, **changes})
    assert message is not None
    return message


def advice(message: Message) -> str:
    return next(line for line in message.text.splitlines() if line.startswith("What to do: "))


def test_a_new_champion() -> None:
    message = about()
    assert message.subject == "small: version 7 is the new champion, after version 5"
    assert message.text.splitlines() == [
        "Version 7 of small is the new champion. It replaces version 5.",
        "Why: Shown to be better.",
        "Champion now: version 7",
        "Decided by: airflow:scheduled (decision 12)",
        "As of: 2026-03-01",
        "Owner: credit-risk",
        "What to do: nothing, if you expected it: whoever loads the champion gets version 7 from now on. "
        "If something is wrong with it, roll back to version 5.",
    ]
    assert message.whole.splitlines()[-2:] == ["", CARD]


def test_the_first_champion_replaces_no_version() -> None:
    message = about(champion_before=None)
    assert message.subject == "small: version 7 is the first champion"
    assert message.text.startswith("Version 7 of small is the first champion.\n")
    assert "roll back" not in message.text


def test_the_approver_is_named() -> None:
    assert "Decided by: airflow:scheduled, approved by ann (decision 12)" in about(approved_by="ann").text.splitlines()


def test_a_recall() -> None:
    message = about(kind="recall", champion_after=3)
    assert message.subject == "small: version 3 is recalled as champion, after version 5"
    assert message.text.splitlines()[0] == (
        "Version 3 of small, trained earlier, is champion. It replaces version 5. Version 7, the challenger, did not "
        "become champion."
    )
    assert "Champion now: version 3" in message.text.splitlines()
    assert "roll back to version 5" in advice(message)


def test_a_champion_that_was_kept_and_fails_by_itself() -> None:
    """Nobody was told that it is badly off in level: `keep` sent nothing."""
    message = about(kind="keep", champion_after=5, champion_failed=["TH203"])
    assert message.subject == "small: version 5 stays champion, though it fails TH203 itself"
    assert message.text.startswith(
        "Version 5 of small stays champion, and would be rejected as a challenger: it fails TH203 on the newest outcomes.\n"
    )
    assert "decide whether version 5 stays in use" in advice(message)


def test_a_rejected_challenger() -> None:
    message = about(kind="reject", champion_after=5)
    assert message.subject == "small: version 7 was rejected, version 5 stays champion"
    assert message.text.startswith(
        "Version 7 of small was rejected: it is unfit on its own, with or without a champion.\n"
    )
    assert "Champion now: version 5" in message.text.splitlines()
    assert "Read the model card" in advice(message)


def test_a_rejected_challenger_without_a_champion() -> None:
    message = about(kind="reject", champion_before=None, champion_after=None)
    assert message.subject == "small: version 7 was rejected, no champion yet"
    assert "Champion now: none" in message.text.splitlines()


def test_a_recommended_retirement() -> None:
    message = about(kind="retire", champion_after=5)
    assert message.subject == "small: retirement advised, version 5 stays champion"
    assert message.text.startswith("small is no longer good enough: neither the champion nor version 7 passes.\n")
    assert "version 5 stays champion until somebody acts" in advice(message)


def test_a_rollback() -> None:
    message = about(kind="rollback", challenger_version=None, champion_before=7, champion_after=5)
    assert message.subject == "small: rolled back from version 7 to version 5"
    assert message.text.startswith("small was rolled back from version 7 to version 5.\n")
    assert "find out what was wrong with version 7" in advice(message)
    assert "gets version 5 from now on" in advice(message)


def test_a_retirement() -> None:
    """`retire` notified nobody."""
    message = about(kind="withdraw", challenger_version=None, champion_before=7, champion_after=None)
    assert message.subject == "small: retired, version 7 is champion no more"
    assert message.text.startswith("small was retired: it has no champion any more.\n")
    assert "Champion now: none" in message.text.splitlines()
    assert "A rollback makes version 7 champion again" in advice(message)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "keep"},
        {"kind": "keep", "champion_failed": []},
        {"kind": "decline"},
        {"lane": "backtest"},
        {"lane": "dev", "kind": "reject"},
    ],
)
def test_kept_champions_and_other_lanes_need_no_message(changes: dict[str, Any]) -> None:
    assert decisions.decision_message({**DECISION, **changes}) is None


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match="no kind of decision 'ask'; valid: promote, recall, keep, reject, retire, rollback, withdraw, decline",
    ):
        about(kind="ask")


@pytest.mark.parametrize("key", ["owner", "approved_by", "links"])
def test_keys_that_may_be_missing(key: str) -> None:
    decision = {k: v for k, v in DECISION.items() if k != key}
    message = decisions.decision_message(decision)
    assert message is not None
    assert message.subject == about().subject


def test_a_link_without_an_address_is_left_out() -> None:
    for address in ("", "javascript:alert(1)"):
        assert about(links={"Model card": address}).links == {}
        assert about(links={"Model card": address}).whole == about(links={}).text


def test_a_late_run() -> None:
    deadline = datetime(2026, 3, 1, 8, 30, tzinfo=timezone(timedelta(hours=2)))
    message = waiting.late_message("small", "credit-risk", "manual__1", deadline, "https://airflow.example/run")
    assert message.subject == "small: late, not decided by 2026-03-01 06:30 UTC"
    assert message.text.splitlines() == [
        "The retrain of small has not decided by its deadline.",
        "Run: manual__1 (running)",
        "Deadline: 2026-03-01 06:30 UTC",
        "Champion now: as before: until a run decides, the champion stays",
        "Owner: credit-risk",
        "What to do: open the run and see what it waits for: a task that runs or retries, a slot, or an approval.",
    ]
    assert message.links == {"The run": "https://airflow.example/run"}


def test_a_run_that_failed_before_its_deadline_has_not_decided_either() -> None:
    message = waiting.late_message("small", "o", "manual__1", datetime(2026, 3, 1, tzinfo=UTC), "", "failed")
    assert "failed, and has not decided" in message.text
    assert "clear the task" in advice(message)
    assert not message.links


def test_a_request_for_approval() -> None:
    message = waiting.approval_message(
        "small", "credit-risk", "2026-03-01", 7, ["ann", "bob"], "2026-03-04 12:00 UTC", "https://airflow.example/answer",
        reason="Shown to be better.", links=DECISION["links"],
    )  # fmt: skip
    assert message.subject == "small: version 7 waits for approval until 2026-03-04 12:00 UTC"
    assert message.text.splitlines() == [
        "Version 7 of small passed validation and takes over only with an approval.",
        "Why: Shown to be better.",
        "Who may answer: ann, bob",
        "Until: 2026-03-04 12:00 UTC; silence means no, and the champion stays",
        "As of: 2026-03-01",
        "Owner: credit-risk",
        "What to do: read the model card, then approve or reject under the first link.",
    ]
    assert message.whole.splitlines()[-3:] == ["", "Answer: https://airflow.example/answer", CARD]


def test_a_request_for_the_approval_of_a_recall() -> None:
    message = waiting.approval_message(
        "small",
        "credit-risk",
        "2026-03-01",
        7,
        ["ann"],
        "2026-03-04 12:00 UTC",
        "https://airflow.example/answer",
        recalled=3,
    )
    assert message.subject == "small: the recall of version 3 waits for approval until 2026-03-04 12:00 UTC"
    assert message.text.splitlines()[0] == (
        "Version 3 of small, trained earlier, is to become champion instead of the challenger, version 7, and does so "
        "only with an approval."
    )


@pytest.mark.parametrize("between", ["\n", "\r\n", "\x0b", "\u2028", "\x00", "\u202e"])
def test_a_value_is_one_line_and_cannot_pass_for_another(between: str) -> None:
    spoofed = f"fine{between}Champion now: version 99"
    for changed in ({"reason": spoofed}, {"actor": spoofed}, {"links": {spoofed: "https://a"}}, {"owner": spoofed}):
        assert "Champion now: version 99" not in about(**changed).text.splitlines()
        assert len(about(**changed).whole.splitlines()) == len(about().whole.splitlines())
    assert about(model=spoofed).subject.isprintable()


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        about().subject = "x"  # type: ignore[misc]


HOSTILE = "<!channel> & <b onclick=\"x('y')\">"


def test_html_escapes_everything() -> None:
    body = to_html(about(reason=HOSTILE))
    assert "Why: &lt;!channel&gt; &amp; &lt;b onclick=&quot;x(&#x27;y&#x27;)&quot;&gt;<br>" in body
    assert body.startswith("<p>Version 7 of small")
    assert body.rstrip().endswith("</p>")


@given(hostile, hostile)
def test_html_is_text_and_our_own_links(text: str, address: str) -> None:
    message = about(
        reason=text, actor=text, model=text, links={"Model card": address, text: "https://a.example/x?a=1&b=2"}
    )
    body = to_html(message)
    assert controls(body) == []
    assert set(re.findall(r"<[^>]*>", body)) <= {
        "<p>", "</p>", "<br>", "</a>", *(f'<a href="{html.escape(url)}">' for url in message.links.values()),
    }  # fmt: skip
    assert all(url.startswith(("https://", "http://")) for url in message.links.values())


def test_an_address_in_a_text_is_no_link() -> None:
    assert "<a" not in to_html(about(reason="see https://evil.example/x", links={}))


def test_html_keeps_lines() -> None:
    assert to_html(Message(subject="s", text="a\n\nb")) == "<p>a<br>\n<br>\nb</p>\n"


@given(hostile, st.text(max_size=4000))
def test_slack_gets_plain_text_of_a_length_that_it_accepts(text: str, long: str) -> None:
    payload = to_slack(about(reason=text + long, model=text))
    head, body, links = payload["blocks"]
    assert (head["type"], head["text"]["type"], body["text"]["type"]) == ("header", "plain_text", "plain_text")
    assert not head["text"]["emoji"]
    assert not body["text"]["emoji"]
    assert len(head["text"]["text"]) <= 150
    assert len(body["text"]["text"]) <= 3000
    assert controls(head["text"]["text"] + body["text"]["text"]) == []
    assert links["text"]["text"] == "Model card: <https://mlflow.example/card>"
    assert not {"<", ">"} & set(payload["text"])


def test_slack_shows_no_page_that_an_address_leads_to() -> None:
    payload = to_slack(about(reason="https://evil.example/x.png"))
    assert (payload["unfurl_links"], payload["unfurl_media"]) == (False, False)
