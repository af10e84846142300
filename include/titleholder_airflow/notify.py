"""Tells people what happens to a model, by e-mail and Slack where its spec asks: Airflow's own notifiers send.

A notice is always in the log. One that cannot be sent is an error there, and never fails a task.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import AsyncCallback, BaseNotifier, DeadlineAlert, DeadlineReference

from titleholder.errors import ServiceError
from titleholder.spec.model import Notifications
from titleholder.spec.types import BACKTEST, LIVE
from titleholder.workflow import notifications
from titleholder_airflow import urls

if TYPE_CHECKING:
    from titleholder.spec.model import ModelSpec

LOG = logging.getLogger(__name__)

PATIENCE = 12.0
"""Seconds a channel may take. Airflow ends a task's process 20 s after its success (`[core] task_success_overtime`)."""
LONG_PATIENCE = 120.0
"""The same in the triggerer, where nobody waits, and where the first look at a connection was seen to take 15 s."""


def announcing(spec: ModelSpec) -> list[Callable[[Any], None]]:
    """For `on_success_callback` of the task that writes a decision: tells what it returned, as `notices.of` says it."""

    def announce(context: Any) -> None:
        ti = context["ti"]
        told = ti.xcom_pull(task_ids=ti.task_id)
        links = {**(told.get("links") or {}), "Run in Airflow": urls.run(ti.dag_id, ti.run_id)}
        if notice := notifications.decision_message({"owner": spec.owner, **told, "links": links}):
            _tell(spec.notifications, notice, PATIENCE)

    return [announce]


class Asking(BaseNotifier):
    """Tells those who must approve.

    Reads `notice_facts` of the operator that asks: as_of, challenger_version, by, until, as `notices.asked` takes them;
    reason and links may be given too.
    """

    def __init__(self, model: str, owner: str, told: Notifications) -> None:
        super().__init__()
        self.model, self.owner, self.told = model, owner, told

    def notify(self, context: Any) -> None:
        """Send it. Never raises: the question itself must not fail because nobody heard of it."""
        ti = context["ti"]
        link = urls.tab(ti.dag_id, ti.run_id, ti.task_id, "required_actions")
        try:
            notice = notifications.approval_message(self.model, self.owner, **context["task"].notice_facts, link=link)
        except Exception:
            LOG.exception("No notice says that %s waits for approval; answer under %s", self.model, link)
        else:
            _tell(self.told, notice, PATIENCE)


def asking(spec: ModelSpec) -> list[BaseNotifier]:
    """For `notifiers` of the operator that asks for approval."""
    return [Asking(spec.name, spec.owner, spec.notifications)]


def deadline_of(spec: ModelSpec) -> DeadlineAlert | None:
    """For `deadline` of the DAG: tells of a run that has not ended `notifications.deadline` after it was queued.

    None when the spec sets no deadline. The triggerer tells: an executor would have to find a free slot first, and
    a lack of slots makes runs late.
    """
    if spec.notifications.deadline is None:
        return None
    told = spec.notifications.model_dump(mode="json", include={"email", "slack"})
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=spec.notifications.deadline.total_seconds()),
        callback=AsyncCallback(tell_late, kwargs={"model": spec.name, "owner": spec.owner, "told": told}),
    )


async def tell_late(model: str, owner: str, told: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """What Airflow calls in the triggerer when a run has missed its deadline; what it returns is kept as the outcome.

    A run in another lane than live has nobody waiting for it. One that has just succeeded has decided after all.

    Raises:
        ServiceError: a channel failed; Airflow, too, then marks the callback as failed.
    """
    run = context["dag_run"]
    lane = (run.get("conf") or {}).get("lane") or (BACKTEST if run["run_type"] == "backfill" else LIVE)
    if lane != LIVE or run["state"] == "success":
        return f"nobody told: the run is {run['state']}, in lane {lane}"
    notice = notifications.late_message(
        model, owner, run["dag_run_id"], _moment(context["deadline"]["deadline_time"]),
        urls.run(run["dag_id"], run["dag_run_id"]), run["state"],
    )  # fmt: skip
    channels = Notifications.model_validate_json(json.dumps(told))
    if trouble := await asyncio.to_thread(_tell, channels, notice, LONG_PATIENCE):
        raise ServiceError("; ".join(trouble))
    return notice.subject


class Channel(NamedTuple):
    """A way to reach people: its name, the Airflow connection it uses, its kind, and what makes the notifier."""

    name: str
    connection: str
    kind: str
    notifier: Callable[[], BaseNotifier]


def _channels(told: Notifications, notice: notifications.Message) -> list[Channel]:
    found = []
    if email := told.email:
        found.append(Channel("e-mail", email.connection, "SMTP", lambda: _smtp(email, notice)))
    if slack := told.slack:
        found.append(
            Channel("Slack", slack.connection, "Slack Incoming Webhook", lambda: _slack(slack.connection, notice))
        )
    return found


def _smtp(email: Any, notice: notifications.Message) -> BaseNotifier:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    return SmtpNotifier(
        to=list(email.to),
        subject=notice.subject,
        html_content=notifications.to_html(notice),
        smtp_conn_id=email.connection,
    )


def _slack(connection: str, notice: notifications.Message) -> BaseNotifier:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    return SlackWebhookNotifier(
        slack_webhook_conn_id=connection, text=notifications.to_slack(notice), unfurl_links=False
    )


def _tell(told: Notifications, notice: notifications.Message, patience: float) -> list[str]:
    """Log the notice, send it by every channel at once, and log what failed; returns what failed. Never raises."""
    channels = _channels(told, notice)
    by = ", ".join(channel.name for channel in channels) or "nobody: the spec names no channel under notifications"
    LOG.info("Notice to %s\n%s\n%s", by, notice.subject, notice.text)
    sending = {_begun(channel): channel for channel in channels}
    wait(sending, timeout=patience)
    trouble = [_trouble(channel, future, patience) for future, channel in sending.items()]
    for said in filter(None, trouble):
        LOG.error(said)
    return [said for said in trouble if said]


def _begun(channel: Channel) -> Future[None]:
    """Send in a thread that nobody has to wait for. The notifier is not called but told to notify: calling it would
    render the text as a Jinja template, and a reason must not be able to read connections."""
    done: Future[None] = Future()

    def send() -> None:
        try:
            channel.notifier().notify({})
            done.set_result(None)
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=send, name=f"notice by {channel.name}", daemon=True).start()
    return done


def _trouble(channel: Channel, future: Future[None], patience: float) -> str:
    if not future.done():
        why = f"no answer within {patience:.0f} s"
    elif error := future.exception():
        why = f"{type(error).__name__}: {error}"
    else:
        return ""
    return (
        f"The notice was not sent by {channel.name} (connection {channel.connection!r}): {why}. Its text is in this "
        f"log, and nothing else is affected. Check that the Airflow connection {channel.connection!r}, of the type "
        f"{channel.kind}, is there and right, and that its server answers this machine; see docs/notices.md."
    )


def _moment(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
