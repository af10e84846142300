"""The part `notices` of a spec, and spans of time."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from support.factories import SQL, YAML, a_spec
from titleholder.errors import SpecError
from titleholder.spec.loader import load_spec
from titleholder.spec.model import ModelSpec, Notices
from titleholder.spec.types import Duration, Span

FULL = """\
notices:
  deadline: 12 hours
  email: {to: [credit-risk@example.org], connection: mail}
  slack: {connection: chat}
"""


def read(folder: Path, notices: str) -> ModelSpec:
    (folder / "small.sql").write_text(SQL)
    (folder / "small.yaml").write_text(YAML + notices)
    return load_spec(folder / "small.yaml")


def test_nothing_is_told_unless_asked_for() -> None:
    assert a_spec().notices == Notices(deadline=None, email=None, slack=None)


def test_every_part_as_a_team_writes_it(tmp_path: Path) -> None:
    told = read(tmp_path, FULL).notices
    assert told.deadline == timedelta(hours=12)
    assert told.email is not None
    assert (told.email.to, told.email.connection) == (("credit-risk@example.org",), "mail")
    assert told.slack is not None
    assert told.slack.connection == "chat"


def test_the_connections_have_the_names_that_airflow_gives_them(tmp_path: Path) -> None:
    told = read(tmp_path, "notices:\n  email: {to: [a@b]}\n  slack: {}\n").notices
    assert told.email is not None
    assert told.slack is not None
    assert (told.email.connection, told.slack.connection) == ("smtp_default", "slack_webhook_default")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("notices: {dedline: 1 hour}", "notices.dedline: unknown key; did you mean 'deadline'?"),
        (
            "notices: {deadline: soon}",
            "notices.deadline: a span of time is plain words such as '30 minutes', '12 hours'",
        ),
        ("notices: {deadline: 12}", "notices.deadline: a span of time is plain words"),
        ("notices: {deadline: 1 month}", "'3 days' or '2 weeks' (got '1 month')"),
        ("notices: {deadline: 0 hours}", "notices.deadline: a span of time must be longer than nothing"),
        ("notices: {deadline: 367 days}", "notices.deadline: a span of time is at most 366 days"),
        ("notices: {email: {to: []}}", "notices.email.to: "),
        ("notices: {email: {}}", "notices.email.to: required"),
        ("notices: {email: {to: ann@example.org}}", "notices.email.to: "),
        ("notices: {email: {to: [ann]}}", "notices.email.to.0: "),
        ('notices: {email: {to: ["a@b\\nBcc: c@d"]}}', "notices.email.to.0: "),
        ('notices: {email: {to: ["a@b, c@d"]}}', "notices.email.to.0: "),
        ("notices: {email: {to: [a@b], from: c@d}}", "notices.email.from: unknown key"),
        ("notices: {slack: {channel: risk}}", "notices.slack.channel: unknown key"),
        ("notices: {slack: {connection: 'no such'}}", "notices.slack.connection: "),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, f"{written}\n")
    assert said in str(caught.value)
    assert f"line {len(YAML.splitlines()) + 1}: notices" in str(caught.value)


@pytest.mark.parametrize("key", ["label_maturity", "train", "holdout"])
@pytest.mark.parametrize("length", ["36 hours", "1 day 12 hours", "30 minutes"])
def test_windows_are_still_whole_days(tmp_path: Path, key: str, length: str) -> None:
    (tmp_path / "small.sql").write_text(SQL)
    old = {"label_maturity": "6 months", "train": "12 months", "holdout": "3 months"}[key]
    (tmp_path / "small.yaml").write_text(YAML.replace(f"{key}: {old}", f"{key}: {length}"))
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "small.yaml")
    assert f"windows.{key}: a duration is whole days such as '90 days' or '18 months'" in str(caught.value)
    assert f"(got '{length}')" in str(caught.value)


def test_a_cooldown_knows_no_hours() -> None:
    with pytest.raises(ValidationError, match="it knows no hours or minutes"):
        a_spec(promotion__cooldown="12 hours")


def test_an_approval_may_be_wanted_within_hours() -> None:
    approval = a_spec(promotion__approval={"by": ["ann"], "within": "36 hours"}).promotion.approval
    assert approval.within == timedelta(days=1, hours=12)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "told",
    [
        {"deadline": "1 day 12 hours"},
        {"email": {"to": ["a@b", "c@d"]}},
        {"deadline": "30 minutes", "email": {"to": ["a@b"], "connection": "x"}, "slack": {}},
    ],
)
def test_notices_change_no_judgement_and_no_training(told: dict[str, Any]) -> None:
    before, after = a_spec(), a_spec(notices=told)
    assert after.fingerprint() != before.fingerprint()
    assert after.training_fingerprint() == before.training_fingerprint()
    assert after.judgement_fingerprint() == before.judgement_fingerprint()
    assert ModelSpec.restore(json.loads(json.dumps(after.model_dump(mode="json")))) == after


def test_what_the_ledger_kept_before_there_were_notices_is_restored() -> None:
    old = a_spec(promotion__approval={"by": ["ann"], "within": "3 days"}).model_dump(mode="json")
    del old["notices"]
    restored = ModelSpec.restore(old)
    assert restored.notices == Notices()
    assert restored.model_dump(mode="json") == {**old, "notices": Notices().model_dump(mode="json")}


@pytest.mark.parametrize(
    ("text", "delta", "canonical"),
    [
        ("1 minute", timedelta(minutes=1), "1 minute"),
        ("90 minutes", timedelta(minutes=90), "1 hour 30 minutes"),
        ("12 hours", timedelta(hours=12), "12 hours"),
        ("36 hours", timedelta(hours=36), "1 day 12 hours"),
        ("2 weeks", timedelta(days=14), "14 days"),
        ("3 days", timedelta(days=3), "3 days"),
        (" 1 hour  1 hour ", timedelta(hours=2), "2 hours"),
        ("366 days", timedelta(days=366), "366 days"),
    ],
)
def test_a_span_in_plain_words(text: str, delta: timedelta, canonical: str) -> None:
    assert Span.parse(text) == delta
    assert str(Span.parse(text)) == canonical


@pytest.mark.parametrize(
    "text", ["", "noon", "12", "12h", "12hours", "-1 hours", "1.5 hours", "1 hour ago", "1 year", 6, None]
)
def test_what_is_no_span_is_answered_with_what_one_looks_like(text: object) -> None:
    with pytest.raises(ValueError, match="plain words such as '30 minutes', '12 hours', '3 days' or '2 weeks'"):
        Span.parse(text)


@pytest.mark.parametrize("text", ["366 days 1 minute", "8785 hours", "99999999999999999999 weeks"])
def test_a_span_is_at_most_a_year(text: str) -> None:
    with pytest.raises(ValueError, match="at most 366 days"):
        Span.parse(text)


@given(days=st.integers(0, 300), hours=st.integers(0, 500), minutes=st.integers(0, 5000))
def test_a_span_reads_back_what_it_prints(days: int, hours: int, minutes: int) -> None:
    if days or hours or minutes:
        span = Span.parse(f"{days} days {hours} hours {minutes} minutes")
        assert Span.parse(str(span)) == span == timedelta(days=days, hours=hours, minutes=minutes)


def test_a_span_survives_copies() -> None:
    span = Span.parse("1 day 12 hours")
    for again in (copy.deepcopy(span), pickle.loads(pickle.dumps(span))):
        assert (again, str(again)) == (span, "1 day 12 hours")


@pytest.mark.parametrize("text", ["3 days", "12 weeks"])
def test_an_approval_is_written_down_as_it_was_before_there_were_spans(text: str) -> None:
    """So that judgement fingerprints in the ledger stay what they are."""
    assert str(Span.parse(text)) == str(Duration.parse(text))
