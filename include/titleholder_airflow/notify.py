"""Notifications of what happens to a model, by e-mail and Slack where its spec names them: Airflow's notifiers send.

The text is always in the log. A notification that cannot be sent is an error there, and never fails a task.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.providers.common.compat.sdk import redact
from airflow.sdk import BaseNotifier
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference  # the stub of airflow.sdk lacks these

from titleholder.errors import ServiceError, one_line
from titleholder.registry import urls as mlflow_urls
from titleholder.settings import need
from titleholder.spec.promotion import Notifications
from titleholder.spec.types import LIVE
from titleholder.workflow.notifications import alarms, decisions, message, waiting
from titleholder_airflow import forms, signing, urls
from titleholder_airflow.versions import AsyncCallback

if TYPE_CHECKING:
    from titleholder.ledger.decision import Decision
    from titleholder.spec.model import ModelSpec

LOG = logging.getLogger(__name__)

TIMEOUT = 12.0
"""Seconds a channel may take. Airflow ends a task's process 20 s after its success (`[core] task_success_overtime`)."""
TRIGGERER_TIMEOUT = 120.0
"""The same in the triggerer, where no task waits, and where the first read of a connection was seen to take 15 s."""


def decision_callbacks(spec: ModelSpec) -> list[Callable[[Any], None]]:
    """For `on_success_callback` of a task that writes a decision: sends the `decision_message` of its row.

    The task's result, which is signed, says which row; all that people read is in the ledger.
    """

    def notify(context: Any) -> None:
        from titleholder.ledger import store

        ti = context["ti"]
        number = signing.opened(ti.xcom_pull(task_ids=ti.task_id), signing.Place.of(ti))["id"]
        decision = store.decision(need("TITLEHOLDER_LEDGER_URL"), number)
        links = {**_pages(decision), "Run in Airflow": urls.run(ti.dag_id, ti.run_id)}
        if notice := decisions.decision_message({**decisions.facts(decision, spec.owner), "links": links}):
            _send(spec.notifications, notice, TIMEOUT)

    return [notify]


def alarm_callbacks(spec: ModelSpec) -> list[Callable[[Any], None]]:
    """For `on_success_callback` of a task that looks at a champion: sends the `alarm_message` of what it wrote."""

    def notify(context: Any) -> None:
        from titleholder.ledger import monitor_reports

        ti = context["ti"]
        numbers = signing.opened(ti.xcom_pull(task_ids=ti.task_id), signing.Place.of(ti))["reports"]
        links = {"Run in Airflow": urls.run(ti.dag_id, ti.run_id)}
        for status in monitor_reports.brief(need("TITLEHOLDER_LEDGER_URL"), numbers):
            if notice := alarms.alarm_message(status._asdict(), spec.owner, links):
                _send(spec.notifications, notice, TIMEOUT)

    return [notify]


def _pages(decision: Decision) -> dict[str, str]:
    """Where people read more: the version, and the run with its model card. Made of names, without asking MLflow."""
    server, version = need("MLFLOW_TRACKING_URI"), decision.challenger_version or decision.champion_after
    found = {"Model version": mlflow_urls.version(server, decision.model, version)} if version else {}
    if decision.kind == "recall" and decision.champion_after:
        found["Recalled version"] = mlflow_urls.version(server, decision.model, decision.champion_after)
    if decision.mlflow_run_id:
        found["Model card"] = mlflow_urls.run(server, decision.mlflow_run_id)
    return found


class ApprovalNotifier(BaseNotifier):
    """Notifies the people who must approve.

    Reads `notice_facts` of the operator that asks: as_of, challenger_version, by and until, the arguments of
    `approval_message`; recalled, reason and links are optional.
    """

    def __init__(self, model: str, owner: str, channels: Notifications) -> None:
        super().__init__()
        self.model, self.owner, self.channels = model, owner, channels

    def notify(self, context: Any) -> None:
        """Send it. Never raises: the question is asked whether or not the notification arrives."""
        ti = context["ti"]
        link = urls.tab(ti.dag_id, ti.run_id, ti.task_id, "required_actions")
        try:
            notice = waiting.approval_message(self.model, self.owner, **context["task"].notice_facts, link=link)
        except Exception:
            LOG.exception("No notification was sent that %s waits for approval; answer at %s", self.model, link)
        else:
            _send(self.channels, notice, TIMEOUT)


def approval_notifiers(spec: ModelSpec) -> list[BaseNotifier]:
    """For `notifiers` of the operator that asks for approval."""
    return [ApprovalNotifier(spec.name, spec.owner, spec.notifications)]


def deadline_of(spec: ModelSpec) -> DeadlineAlert | None:
    """For `deadline` of the DAG: notifies of a run that has not ended `notifications.deadline` after it was queued.

    None when the spec sets no deadline. The triggerer sends it: an executor would need a free slot, and a lack of slots
    is what makes runs late.
    """
    if spec.notifications.deadline is None:
        return None
    channels = spec.notifications.model_dump(mode="json", include={"email", "slack"})
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=spec.notifications.deadline.total_seconds()),
        callback=AsyncCallback(notify_late, kwargs={"model": spec.name, "owner": spec.owner, "channels": channels}),
    )


async def notify_late(model: str, owner: str, channels: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """Airflow calls it in the triggerer when a run has missed its deadline, and keeps what it returns as the outcome.

    A run in a lane other than live is not late, nor is one that has succeeded since.

    Raises:
        ServiceError: a channel failed; Airflow then also marks the callback as failed.
    """
    run = context["dag_run"]
    lane = forms.lane(run.get("conf") or {}, backfill=run["run_type"] == "backfill")
    if lane != LIVE or run["state"] == "success":
        return f"no one notified: the run is {run['state']}, in lane {lane}"
    notice = waiting.late_message(
        model, owner, run["dag_run_id"], _moment(context["deadline"]["deadline_time"]),
        urls.run(run["dag_id"], run["dag_run_id"]), run["state"],
    )  # fmt: skip
    to = Notifications.model_validate_json(json.dumps(channels))
    if failures := await asyncio.to_thread(_send, to, notice, TRIGGERER_TIMEOUT):
        raise ServiceError("; ".join(failures))
    return notice.subject


class Channel(NamedTuple):
    """A way to reach people: its name, the Airflow connection it uses, its kind, and what sends."""

    name: str
    connection: str
    kind: str
    send: Callable[[], None]


def _channels(channels: Notifications, notice: message.Message) -> list[Channel]:
    found = []
    if email := channels.email:
        found.append(Channel("e-mail", email.connection, "SMTP", lambda: _mail(email, notice)))
    if slack := channels.slack:
        found.append(
            Channel("Slack", slack.connection, "Slack Incoming Webhook", lambda: _post(slack.connection, notice))
        )
    return found


def _mail(email: Any, notice: message.Message) -> None:
    """Send by Airflow's notifier: `notify`, not the notifier itself, would render the text as a Jinja template."""
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    SmtpNotifier(
        to=list(email.to),
        subject=notice.subject,
        html_content=message.to_html(notice),
        smtp_conn_id=email.connection,
    ).notify({})


def _post(connection: str, notice: message.Message) -> None:
    """Post to the webhook of a connection. No redirect is followed, and nothing of the answer is read but its status.

    Raises:
        ServiceError: the server did not take it. The message has no address: whoever knows it can post.
    """
    import requests
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    to = SlackWebhookHook(slack_webhook_conn_id=connection).client
    proxies = {"http": to.proxy, "https": to.proxy} if to.proxy else None
    options: dict[str, Any] = {"allow_redirects": False, "stream": True, "proxies": proxies}
    try:
        with requests.post(to.url, json=message.to_slack(notice), timeout=TIMEOUT, **options) as answer:
            status = answer.status_code
    except requests.RequestException as error:
        raise ServiceError(f"the webhook does not answer ({type(error).__name__})") from None
    if status != HTTPStatus.OK:
        raise ServiceError(f"the webhook answered {status}")


def _send(to: Notifications, notice: message.Message, timeout: float) -> list[str]:
    """Log the notification, send it by every channel at once, log and return the failures. Never raises."""
    channels = _channels(to, notice)
    names = ", ".join(channel.name for channel in channels) or "no one: the spec has no channel under notifications"
    LOG.info("Notification to %s\n%s\n%s", names, notice.subject, notice.whole)
    sending = {_start(channel): channel for channel in channels}
    wait(sending, timeout=timeout)
    failures = [failure for future, channel in sending.items() if (failure := _failure(channel, future, timeout))]
    for failure in failures:
        LOG.error(failure)
    return failures


def _start(channel: Channel) -> Future[None]:
    """Send in a thread that the process does not wait for."""
    done: Future[None] = Future()

    def send() -> None:
        try:
            channel.send()
            done.set_result(None)
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=send, name=f"notification by {channel.name}", daemon=True).start()
    return done


def _failure(channel: Channel, future: Future[None], timeout: float) -> str:
    if not future.done():
        cause = f"no answer within {timeout:.0f} s"
    elif error := future.exception():
        cause = str(redact(f"{type(error).__name__}: {one_line(error)}"))  # Airflow knows its connections' secrets
    else:
        return ""
    return (
        f"The notification was not sent by {channel.name} (connection {channel.connection!r}): {cause}. Its text is in "
        f"this log, and nothing else is affected. Check that the Airflow connection {channel.connection!r} (type "
        f"{channel.kind}) is valid and that its server answers this machine; see docs/notifications.md."
    )


def _moment(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def main() -> None:
    """Send the notification of a decision that a command made: channels and decision are read as JSON from stdin.

    What could not be sent is the last line of stderr, and the exit code 1.
    """
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")  # connections are in Airflow's database, too
    given = json.load(sys.stdin)
    notice = decisions.decision_message(given["decision"])
    channels = Notifications.model_validate_json(json.dumps(given["channels"]))
    if notice and (failures := _send(channels, notice, TIMEOUT)):
        sys.exit(" ".join(" ".join(failures).split()))


if __name__ == "__main__":
    main()
