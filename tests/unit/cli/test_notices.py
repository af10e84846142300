"""A rollback and a retirement by the command are notified like those of a DAG, by Airflow in a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import sinks
from support.factories import a_decision, a_spec
from support.specs import write
from titleholder.cli import notices

EMAIL = {"email": {"to": ["ann@example.org"]}}


@pytest.fixture(autouse=True)
def airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own for the process that sends; no file of the spec."""
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/airflow.db")
    monkeypatch.setenv("NO_PROXY", sinks.HOST)


def retired(**channels: Any) -> Any:
    """A retirement of a model whose spec has these channels."""
    spec = a_spec(notifications=channels).model_dump(mode="json")
    about = {"champion_before": 3, "champion_after": None, "challenger_version": None, "verdict": None, "spans": None}
    return a_decision(1, kind="withdraw", spec=spec, reason="The model was retired: no product.", **about)


def mail_connection(port: int) -> str:
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "titleholder@example.org", "retry_limit": 0}
    return json.dumps({"conn_type": "smtp", "host": sinks.HOST, "port": port, "extra": extra})


def test_a_retirement_goes_out_by_the_channels_of_the_decisions_spec(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`retire` notified nobody; its spec may be gone."""
    with sinks.mail() as mail:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail_connection(mail.server_address[1]))
        notices.notify(retired(**EMAIL))
    to, subject, html = sinks.read(*mail.kept)
    assert (to, subject) == ("ann@example.org", "small: retired, version 3 is champion no more")
    assert "Why: The model was retired: no product." in html
    assert "Owner: credit-risk" in html
    assert capsys.readouterr().err.splitlines() == ["Notified by email."]


def test_what_cannot_be_sent_is_said_and_nothing_is_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for run, said in (
        (
            lambda *_, **__: subprocess.CompletedProcess([], 1, "", "log\nNot sent by e-mail: refused.\n"),
            "Not sent by e-mail: refused.",
        ),
        (lambda *_, **__: subprocess.CompletedProcess([], -9, "", ""), "The notification was not sent."),
    ):
        monkeypatch.setattr(subprocess, "run", run)
        notices.notify(retired(**EMAIL))
        assert capsys.readouterr().err.splitlines() == [said]


def test_without_a_channel_or_airflow_it_says_that_nobody_was_notified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notices.notify(retired())
    assert capsys.readouterr().err == "No one was notified: the spec has no channel under notifications.\n"
    monkeypatch.setattr(notices, "find_spec", lambda _: None)
    notices.notify(retired(**EMAIL))
    assert "No one was notified by email: Airflow, which sends" in capsys.readouterr().err
    write(tmp_path / "models")
    notices.notify(retired(**EMAIL))
    assert "the spec has no channel" in capsys.readouterr().err, "the file, where it is there"
