"""No secret in any text, wherever it stands."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from titleholder import masking
from titleholder.errors import ServiceError, one_line

SECRET = "tr0ub4dor"


@pytest.mark.parametrize(
    "text",
    [
        "https://ann:tr0ub4dor@mlflow.example/api",
        "https://tr0ub4dor@mlflow.example",
        "postgresql+psycopg2://ann:tr0ub4dor/with/slashes@db/x",
        "s3://AKIA:tr0ub4dor@bucket/x",
        "host=db password=tr0ub4dor dbname=x",
        "password='tr0ub4dor with spaces and \\' quotes' dbname=x",
        "{'password': 'tr0ub4dor', 'user': 'ann'}",
        '{"secret_key": "tr0ub4dor"}',
        "Authorization: Bearer tr0ub4dor.abc",
        "headers={'Authorization': 'Basic tr0ub4dor=='}",
        "Bearer tr0ub4dor",
        "GET /x?token=tr0ub4dor&a=1",
        "https://bucket.example/x?X-Amz-Signature=tr0ub4dor",
        "https://hooks.slack.com/services/T0/B0/tr0ub4dor",
        "X-Api-Key: tr0ub4dor",
        "AccountName=a;AccountKey=tr0ub4dor;EndpointSuffix=core.windows.net",
        "host='hooks.slack.com', port=443): Max retries exceeded with url: /services/T0/B0/tr0ub4dor (Caused by",
    ],
)
def test_the_usual_places(text: str) -> None:
    shown = masking.mask(text)
    assert SECRET not in shown
    assert masking.MASK in shown
    assert masking.mask(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "MLflow at http://127.0.0.1:5000 does not answer",
        "small.yaml, line 3: owner: 7 is not a string; valid: text",
        "written postgresql://ROLE:…@HOST:PORT/DATABASE",
        "columns token_count, secretary, passed are missing",
        "ask ann@bank.example",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masking.mask(text) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_TRACKING_PASSWORD", SECRET),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AIRFLOW__CORE__FERNET_KEY", SECRET),
        ("TITLEHOLDER_SIGNING_KEY", SECRET),
        ("TITLEHOLDER_LEDGER_URL", "postgresql://ledger:tr0ub4dor@db/x"),
        ("AIRFLOW_CONN_SLACK", json.dumps({"conn_type": "slackwebhook", "password": SECRET})),
        ("AIRFLOW_CONN_X", "postgresql://db/x?password=tr0ub4dor"),
        ("PGPASSWORD", SECRET),
        ("AZURE_STORAGE_ACCOUNT_KEY", SECRET),
        ("AZURE_STORAGE_CONNECTION_STRING", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=tr0ub4dor;"),
    ],
    ids=itertools.count(),  # pytest puts a test's id into the environment
)
def test_the_secrets_of_the_environment_are_masked_in_any_text(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert masking.mask(f"it said {SECRET} twice") == f"it said {SECRET} twice"
    monkeypatch.setenv(name, value)
    assert masking.mask(f"it said {SECRET} twice") == "it said *** twice"


def test_a_password_is_masked_as_it_was_written_and_as_it_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_URL", "postgresql://ledger:tr0ub%2F4dor@db/x")
    assert masking.mask("tr0ub/4dor and tr0ub%2F4dor") == "*** and ***"
    monkeypatch.setenv("A_PASSWORD", "a/b+c%")
    assert masking.mask("a/b+c% and a%2Fb%2Bc%25") == "*** and ***", "also as a part of an address"
    monkeypatch.setenv("A_PASSWORD", "tr0ub\udcff4dor")
    assert masking.mask("tr0ub\udcff4dor") == "***", "whatever bytes it has"


def test_the_working_folder_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", "/a/working/folder")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    assert masking.mask("/a/working/folder false") == "/a/working/folder false"


def test_no_error_of_this_package_has_a_secret_in_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    error = ServiceError(f"no answer from https://ann:{SECRET}@a.example: {SECRET}")
    assert SECRET not in str(error) + repr(error) + one_line(ValueError(SECRET))


@given(st.text(max_size=200))
def test_any_text_can_be_masked_and_masking_twice_changes_nothing_more(text: str) -> None:
    shown = masking.mask(text)
    assert masking.mask(shown) == shown


LOGIN = re.compile(r"(?<=://)(?![^\s/@]*:…@)[^\s/?#'\"<>@]{0,300}(?:[^\s'\"<>]{0,300}(?=@[\w.\-\[]))?@")
"""A login as one pattern, which takes seconds for a megabyte of `://`."""
PIECES = ("://", "@", "@b", "a", "x" * 297, ":", "/", "…@", "'", " ", "?", "<", "-", "é")


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@example("://://@b")
@example("://a:p@c@!@d/e@f x@y")
@example("://" + 300 * "a" + "@b://" + 301 * "a" + "@b")
@example("://a/" + 299 * "a" + "@b://a/" + 300 * "a" + "@b")
def test_a_login_is_what_one_pattern_would_find(text: str) -> None:
    assert masking._without_logins(text) == LOGIN.sub("***@", text)


class Counted:
    """A pattern that counts the characters that it goes over."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.characters, self._pattern = 0, pattern

    def finditer(self, text: str, start: int) -> Iterator[re.Match[str]]:
        for found in self._pattern.finditer(text, start):
            self.characters += 1 + found.end() - start
            yield found


@pytest.mark.parametrize(
    "piece", ["://", "://a", "://a@", "://@!", "://" + 300 * "a", 100 * "://" + 600 * "a" + "@", "://a' "]
)
def test_hostile_text_takes_no_more_than_its_length(monkeypatch: pytest.MonkeyPatch, piece: str) -> None:
    """A megabyte of it took seconds."""
    text = piece * (100_000 // len(piece)) + "@"
    user, end = Counted(masking._USER), Counted(masking._END)
    monkeypatch.setattr(masking, "_USER", user)
    monkeypatch.setattr(masking, "_END", end)
    masking._without_logins(text)
    assert 0 < user.characters + end.characters < 3 * len(text)


@given(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=20),
    st.sampled_from(["{}://a:{}@b/c", "password={}{}", "x {}'{}'"]),
)
def test_a_login_or_a_password_never_survives(secret: str, around: str) -> None:
    text = around.format("https" if "://" in around else "", secret)
    if "'" in around:
        text = text.replace("x ", "password=")
    assert secret not in masking.mask(text)
