"""What people are told: each message, what is left out, and that no value can pretend to be more than a value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from titleholder.workflow import notifications
from titleholder.workflow.notifications import Notice

TOLD: dict[str, Any] = {
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


def of(**changes: Any) -> Notice:
    notice = notifications.of({**TOLD, **changes})
    assert notice is not None
    return notice


def advice(notice: Notice) -> str:
    return next(line for line in notice.text.splitlines() if line.startswith("What to do: "))


def test_a_new_champion() -> None:
    notice = of()
    assert notice.subject == "small: version 7 is the new champion, after version 5"
    assert notice.text.splitlines() == [
        "Version 7 of small is the new champion. It replaces version 5.",
        "Why: Shown to be better.",
        "Champion now: version 7",
        "Decided by: airflow:scheduled (decision 12)",
        "As of: 2026-03-01",
        "Owner: credit-risk",
        "What to do: nothing, if you expected it: whoever loads the champion gets version 7 from now on. "
        "If something is wrong with it, roll back to version 5.",
        "",
        CARD,
    ]


def test_the_first_champion_replaces_nobody() -> None:
    notice = of(champion_before=None)
    assert notice.subject == "small: version 7 is the first champion"
    assert notice.text.startswith("Version 7 of small is the first champion.\n")
    assert "roll back" not in notice.text


def test_who_approved_is_told() -> None:
    assert "Decided by: airflow:scheduled, approved by ann (decision 12)" in of(approved_by="ann").text.splitlines()


def test_a_rejected_challenger() -> None:
    notice = of(kind="reject", champion_after=5)
    assert notice.subject == "small: version 7 was rejected, version 5 stays champion"
    assert notice.text.startswith("Version 7 of small was rejected: it is unfit in itself, whoever reigns.\n")
    assert "Champion now: version 5" in notice.text.splitlines()
    assert "Read the model card" in advice(notice)


def test_a_rejected_challenger_where_nobody_reigns() -> None:
    notice = of(kind="reject", champion_before=None, champion_after=None)
    assert notice.subject == "small: version 7 was rejected, nobody reigns"
    assert "Champion now: none" in notice.text.splitlines()


def test_a_recommended_retirement() -> None:
    notice = of(kind="retire", champion_after=5)
    assert notice.subject == "small: retirement advised, version 5 stays champion"
    assert notice.text.startswith("small no longer makes sense: neither the champion nor version 7 is good enough.\n")
    assert "version 5 stays champion until somebody acts" in advice(notice)


def test_a_rollback() -> None:
    notice = of(kind="rollback", challenger_version=None, champion_before=7, champion_after=5)
    assert notice.subject == "small: rolled back from version 7 to version 5"
    assert notice.text.startswith("small was rolled back from version 7 to version 5.\n")
    assert "find out what was wrong with version 7" in advice(notice)
    assert "gets version 5 from now on" in advice(notice)


@pytest.mark.parametrize("changes", [{"kind": "keep"}, {"lane": "backtest"}, {"lane": "dev", "kind": "reject"}])
def test_what_nobody_needs_to_know(changes: dict[str, Any]) -> None:
    assert notifications.of({**TOLD, **changes}) is None


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of decision 'ask'; valid: keep, promote, reject, retire, rollback"):
        of(kind="ask")


@pytest.mark.parametrize("key", ["owner", "approved_by", "links"])
def test_what_may_be_missing(key: str) -> None:
    told = {k: v for k, v in TOLD.items() if k != key}
    notice = notifications.of(told)
    assert notice is not None
    assert notice.subject == of().subject


def test_a_link_without_an_address_is_left_out() -> None:
    assert CARD not in of(links={"Model card": ""}).text
    assert not of(links={"Model card": ""}).text.endswith("\n")


def test_a_late_run() -> None:
    deadline = datetime(2026, 3, 1, 8, 30, tzinfo=timezone(timedelta(hours=2)))
    notice = notifications.late("small", "credit-risk", "manual__1", deadline, "https://airflow.example/run")
    assert notice.subject == "small: late, not decided by 2026-03-01 06:30 UTC"
    assert notice.text.splitlines() == [
        "The retrain of small has not decided by its deadline.",
        "Run: manual__1 (running)",
        "Deadline: 2026-03-01 06:30 UTC",
        "Champion now: as before: until a run decides, the champion stays",
        "Owner: credit-risk",
        "What to do: open the run and see what it waits for: a task that runs or retries, a slot, or a person's yes.",
        "",
        "The run: https://airflow.example/run",
    ]


def test_a_run_that_failed_before_its_deadline_has_not_decided_either() -> None:
    notice = notifications.late("small", "o", "manual__1", datetime(2026, 3, 1, tzinfo=UTC), "", "failed")
    assert "failed, and has not decided" in notice.text
    assert "clear the task" in advice(notice)
    assert "The run:" not in notice.text


def test_an_approval_that_is_asked_for() -> None:
    notice = notifications.asked(
        "small", "credit-risk", "2026-03-01", 7, ["ann", "bob"], "2026-03-04 12:00 UTC", "https://airflow.example/answer",
        reason="Shown to be better.", links=TOLD["links"],
    )  # fmt: skip
    assert notice.subject == "small: version 7 waits for approval until 2026-03-04 12:00 UTC"
    assert notice.text.splitlines() == [
        "Version 7 of small passed its judgement and takes over only if a person agrees.",
        "Why: Shown to be better.",
        "Who may answer: ann, bob",
        "Until: 2026-03-04 12:00 UTC; silence means no, and the champion stays",
        "As of: 2026-03-01",
        "Owner: credit-risk",
        "What to do: read the model card, then approve or reject under the first link.",
        "",
        "Answer: https://airflow.example/answer",
        CARD,
    ]


@pytest.mark.parametrize("between", ["\n", "\r\n", "\x0b", "\u2028", "\x00", "\u202e"])
def test_a_value_is_one_line_and_cannot_pass_for_another(between: str) -> None:
    spoofed = f"fine{between}Champion now: version 99"
    for changed in ({"reason": spoofed}, {"actor": spoofed}, {"links": {spoofed: "https://a"}}, {"owner": spoofed}):
        assert "Champion now: version 99" not in of(**changed).text.splitlines()
        assert len(of(**changed).text.splitlines()) == len(of().text.splitlines())
    assert of(model=spoofed).subject.isprintable()


def test_a_notice_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        of().subject = "x"  # type: ignore[misc]


HOSTILE = "<!channel> & <b onclick=\"x('y')\">"


def test_html_escapes_everything() -> None:
    body = notifications.html(of(reason=HOSTILE))
    assert "Why: &lt;!channel&gt; &amp; &lt;b onclick=&quot;x(&#x27;y&#x27;)&quot;&gt;<br>" in body
    assert body.startswith("<p>Version 7 of small")
    assert body.rstrip().endswith("</p>")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("see https://a.example/x?a=1&b=2.", 'see <a href="https://a.example/x?a=1&amp;b=2">https://a.example/x?a=1&amp;b=2</a>.'),
        ("(http://a.example/x)", '(<a href="http://a.example/x">http://a.example/x</a>)'),
        ('http://a.example/"onmouseover="x', '<a href="http://a.example/">http://a.example/</a>&quot;onmouseover=&quot;x'),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("ftp://a.example", "ftp://a.example"),
        ("https://", "https://"),
    ],
)  # fmt: skip
def test_html_makes_http_addresses_clickable_and_nothing_else(written: str, shown: str) -> None:
    assert notifications.html(Notice(subject="s", text=written)) == f"<p>{shown}</p>\n"


def test_html_keeps_lines() -> None:
    assert notifications.html(Notice(subject="s", text="a\n\nb")) == "<p>a<br>\n<br>\nb</p>\n"


def test_slack_cannot_be_made_to_ping_anybody() -> None:
    said = notifications.slack(of(reason=HOSTILE, model="<@U1>"))
    assert said.startswith("*&lt;@U1&gt;: version 7 is the new champion, after version 5*\n")
    assert "Why: &lt;!channel&gt; &amp; &lt;b onclick=\"x('y')\"&gt;\n" in said
    assert "<" not in said
