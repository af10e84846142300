"""Notifications through Airflow's real notifiers, to a mail server and a web hook on this machine."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from support import apart, sinks

PRELUDE = """
import asyncio, json, sys
from types import SimpleNamespace as Of
heavy = sorted({"sklearn", "mlflow", "pandas", "pyarrow", "airflow.providers.smtp.hooks.smtp", "slack_sdk", "aiosmtplib"})
from titleholder_airflow import notify, signing
loaded = [m for m in heavy if m in sys.modules]
from titleholder.spec.promotion import Notifications

DECISION = {
    "id": 12, "model": "small", "lane": "live", "kind": "promote", "as_of": "2026-03-01", "challenger_version": 7,
    "champion_before": 5, "champion_after": 7, "actor": "airflow:scheduled", "mlflow_run_id": "c0a8",
    "reason": "Better <!channel> & {{ conn.smtp_default.host }} ünd so.", "verdict": None, "approval": None,
}
store = Of()
sys.modules["titleholder.ledger.store"] = store
__import__("titleholder.ledger").ledger.store = store

def spec(**channels):
    return Of(name="small", owner="credit-risk", notifications=Notifications.model_validate_json(json.dumps(channels)))

def row(**changes):
    values = {**DECISION, **changes}
    dumped = {key: values[key] for key in values if key not in ("mlflow_run_id", "verdict", "approval")}
    return Of(**{**values, "model_dump": lambda mode, include: {k: v for k, v in dumped.items() if k in include}})

def context(result={"id": 12}, edits={}, **changes):
    store.decision = lambda url, number: {12: row(**changes), 13: row(model="other")}[number]
    ti = Of(dag_id="small.retrain", run_id="manual__2026-03-01T00:00:00+00:00", task_id="promote", map_index=-1)
    handed_on = signing.sign(result, signing.Place.of(ti)) | edits
    ti.xcom_pull = lambda task_ids: handed_on if task_ids == "promote" else None
    return {"ti": ti}

BOTH = {"email": {"to": ["ann@example.org", "bob@example.org"]}, "slack": {}}
LATE = {"dag_run": {"dag_id": "small.retrain", "dag_run_id": "manual__1", "state": "running", "run_type": "manual", "conf": {}},
        "deadline": {"id": "1", "deadline_time": "2026-03-01T06:00:00Z"}}

def late(channels=BOTH, **run):
    deadline = notify.deadline_of(spec(deadline="1 hour", **channels))
    module, _, name = deadline.callback.path.rpartition(".")
    kwargs = json.loads(json.dumps(deadline.callback.kwargs))
    callback = getattr(sys.modules[module], name)
    return asyncio.run(callback(**kwargs, context={**LATE, "dag_run": {**LATE["dag_run"], **run}}))
"""


def mail_connection(port: int) -> str:
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "titleholder@example.org", "retry_limit": 0}
    return json.dumps({"conn_type": "smtp", "host": sinks.HOST, "port": port, "extra": extra})


def run(tmp_path: Path, code: str, *, mail: int = 9, web: int = 9) -> tuple[Any, str]:
    """What `code` leaves in `answer`, and what was logged. Nothing listens on port 9."""
    return apart.run(
        tmp_path,
        f"{PRELUDE}\n{code}",
        AIRFLOW__API__BASE_URL="https://airflow.example/af/",
        TITLEHOLDER_LEDGER_URL="postgresql://unused",
        TITLEHOLDER_SIGNING_KEY="k" * 48,
        MLFLOW_TRACKING_URI="http://mlflow.example",
        AIRFLOW_CONN_SMTP_DEFAULT=mail_connection(mail),
        AIRFLOW_CONN_SLACK_WEBHOOK_DEFAULT=json.dumps(
            {"conn_type": "slackwebhook", "password": f"http://{sinks.HOST}:{web}/hook"}
        ),
        NO_PROXY=sinks.HOST,
        no_proxy=sinks.HOST,
    )


def test_a_decision_goes_out_by_mail_and_slack(tmp_path: Path) -> None:
    with sinks.mail() as mail, sinks.web() as web:
        run(
            tmp_path,
            "(send,) = notify.decision_callbacks(spec(**BOTH)); send(context())",
            mail=mail.server_address[1],
            web=web.server_address[1],
        )
    (to, subject, html), (message,) = sinks.read(*mail.kept), [slack(m) for m in web.kept]
    assert to == "ann@example.org, bob@example.org"
    assert subject == "small: version 7 is the new champion, after version 5"
    assert "Why: Better &lt;!channel&gt; &amp; {{ conn.smtp_default.host }} ünd so.<br>" in html, (
        "escaped, not rendered"
    )
    assert message.startswith(f"{subject}\nVersion 7 of small is the new champion.")
    assert "Why: Better <!channel> & {{ conn.smtp_default.host }} ünd so.\n" in message, "in a block of plain text"
    page = "https://airflow.example/af/dags/small.retrain/runs/manual__2026-03-01T00%3A00%3A00%2B00%3A00"
    for text in (html, message):
        assert "Owner: credit-risk" in text, "the spec's, where the task does not say"
        assert "http://mlflow.example/#/runs/c0a8" in text
        assert page in text


def slack(body: bytes) -> str:
    """The texts of a message's blocks, one below the other."""
    return "\n".join(block["text"]["text"] for block in json.loads(body)["blocks"])


def test_what_people_read_is_in_the_ledger_whatever_the_result_of_the_task_says(tmp_path: Path) -> None:
    """Whoever may edit an XCom could write a notification of their own, or name another decision."""
    code = """
(send,) = notify.decision_callbacks(spec())
send(context({"id": 12, "kind": "reject", "reason": "not the ledger's", "links": {"Model card": "http://evil.example"}}))
try:
    send(context(edits={"payload": '{"id": 13}'}))
except Exception as error:
    answer = str(error)
"""
    answer, log = run(tmp_path, code)
    assert "small: version 7 is the new champion" in log
    assert "not the ledger's" not in log
    assert "evil" not in log
    assert "what is there as the result (XCom) of promote of the run small.retrain/manual" in answer


def test_a_webhook_that_redirects_is_not_followed_and_its_address_is_not_repeated(tmp_path: Path) -> None:
    with sinks.web() as elsewhere, sinks.web(to=f"http://{sinks.HOST}:{elsewhere.server_address[1]}/") as web:
        _, log = run(tmp_path, "notify.decision_callbacks(spec(slack={}))[0](context())", web=web.server_address[1])
        dead, _ = run(
            tmp_path,
            "answer = notify._send(spec(slack={}).notifications, notify.message.Message(subject='s', text='t'), 5)",
        )
    assert elsewhere.kept == []
    assert "the webhook answered 302" in log
    assert "the webhook does not answer (ConnectionError)" in dead[0]
    assert "/hook" not in log + dead[0]


def test_a_kept_champion_and_other_lanes_notify_nobody(tmp_path: Path) -> None:
    with sinks.mail() as mail, sinks.web() as web:
        run(
            tmp_path,
            "(send,) = notify.decision_callbacks(spec(**BOTH))\n"
            "for changes in [{'kind': 'keep'}, {'lane': 'backtest'}]: send(context(**changes))",
            mail=mail.server_address[1],
            web=web.server_address[1],
        )
    assert (mail.kept, web.kept) == ([], [])


def test_without_channels_a_notification_is_in_the_log(tmp_path: Path) -> None:
    _, log = run(tmp_path, "notify.decision_callbacks(spec())[0](context())")
    assert "Notification to no one: the spec has no channel under notifications" in log
    assert "small: version 7 is the new champion, after version 5" in log
    assert "Decided by: airflow:scheduled (decision 12)" in log


def test_a_dead_mail_server_fails_no_task_and_no_other_channel(tmp_path: Path) -> None:
    with sinks.web() as web:
        _, log = run(tmp_path, "notify.decision_callbacks(spec(**BOTH))[0](context())", web=web.server_address[1])
    assert len(web.kept) == 1
    assert "The notification was not sent by e-mail (connection 'smtp_default'): ConnectionRefusedError" in log
    assert "Check that the Airflow connection 'smtp_default' (type SMTP) is valid" in log
    assert "not sent by Slack" not in log


def test_a_missing_connection_is_named(tmp_path: Path) -> None:
    with sinks.mail() as mail:
        channels = '{**BOTH, "slack": {"connection": "gone"}}'
        _, log = run(
            tmp_path, f"notify.decision_callbacks(spec(**{channels}))[0](context())", mail=mail.server_address[1]
        )
    assert len(mail.kept) == 1
    assert "The notification was not sent by Slack (connection 'gone'): AirflowNotFoundException" in log
    assert "not sent by e-mail" not in log


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with sinks.mute() as mute:
        began = "import time; began = time.monotonic(); notify.TIMEOUT = 1.0\n"
        call = "notify.decision_callbacks(spec(email=BOTH['email']))[0](context()); answer = time.monotonic() - began"
        start = time.monotonic()
        took, log = run(tmp_path, began + call, mail=mute.server_address[1])
        whole = time.monotonic() - start
    assert 1.0 <= took < 10
    assert "by e-mail (connection 'smtp_default'): no answer within 1 s" in log
    assert whole < 60, "the process does not wait for the thread"


def test_those_who_must_approve_are_notified(tmp_path: Path) -> None:
    facts = {"as_of": "2026-03-01", "challenger_version": 7, "by": ["ann"], "until": "2026-03-04 12:00 UTC"}
    with sinks.mail() as mail, sinks.web() as web:
        run(
            tmp_path,
            f"(send,) = notify.approval_notifiers(spec(**BOTH)); send({{**context(), 'task': Of(notice_facts={facts})}})",
            mail=mail.server_address[1],
            web=web.server_address[1],
        )
    _, subject, html = sinks.read(*mail.kept)
    assert subject == "small: version 7 waits for approval until 2026-03-04 12:00 UTC"
    assert "/runs/manual__2026-03-01T00%3A00%3A00%2B00%3A00/tasks/promote/required_actions" in html
    assert len(web.kept) == 1


def test_a_question_without_facts_fails_no_task(tmp_path: Path) -> None:
    _, log = run(tmp_path, "notify.approval_notifiers(spec(**BOTH))[0]({**context(), 'task': Of()})")
    assert "No notification was sent that small waits for approval; answer at https://airflow.example/af/dags/" in log


def test_a_late_run_is_notified(tmp_path: Path) -> None:
    with sinks.mail() as mail, sinks.web() as web:
        outcome, _ = run(tmp_path, "answer = late()", mail=mail.server_address[1], web=web.server_address[1])
    _, subject, html = sinks.read(*mail.kept)
    assert outcome == subject == "small: late, not decided by 2026-03-01 06:00 UTC"
    assert 'The run: <a href="https://airflow.example/af/dags/small.retrain/runs/manual__1">' in html
    assert len(web.kept) == 1


def test_a_run_that_succeeded_or_is_not_live_is_not_late(tmp_path: Path) -> None:
    changed = ["state='success'", "conf={'lane': 'dev'}", "run_type='backfill'", "conf={'lane': 'x'}, state='failed'",
               "conf={'as_of': '2024-01-01'}"]  # fmt: skip
    outcomes, log = run(tmp_path, f"answer = [{', '.join(f'late({c})' for c in changed)}]")
    assert outcomes == [
        "no one notified: the run is success, in lane live",
        "no one notified: the run is running, in lane dev",
        "no one notified: the run is running, in lane backtest",
        "no one notified: the run is failed, in lane x",
        "no one notified: the run is running, in lane what-if",
    ]
    assert "Notification to" not in log


def test_a_late_run_whose_channels_fail_is_a_failed_callback(tmp_path: Path) -> None:
    code = (
        "from titleholder.errors import ServiceError\ntry:\n    late()\nexcept ServiceError as e:\n    answer = str(e)"
    )
    message, _ = run(tmp_path, code)
    assert "not sent by e-mail (connection 'smtp_default')" in message
    assert "not sent by Slack (connection 'slack_webhook_default')" in message


def test_a_deadline_counts_from_when_the_run_was_queued(tmp_path: Path) -> None:
    answer, _ = run(
        tmp_path,
        "d = notify.deadline_of(spec(deadline='12 hours', **BOTH))\n"
        "answer = [d.interval.total_seconds(), d.reference.reference_name, d.callback.path,"
        " type(d.callback).__name__, notify.deadline_of(spec(**BOTH))]",
    )
    assert answer == [
        43200.0,
        "DagRunQueuedAtDeadline",
        "titleholder_airflow.notify.notify_late",
        "AsyncCallback",
        None,
    ]


def test_parsing_imports_nothing_heavy_and_no_provider(tmp_path: Path) -> None:
    loaded, _ = run(
        tmp_path, "notify.decision_callbacks(spec(**BOTH)); notify.approval_notifiers(spec(**BOTH)); answer = loaded"
    )
    assert loaded == []
