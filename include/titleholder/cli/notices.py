"""Notifications of what a command decided, by the channels of the model's spec: Airflow's notifiers send them.

They run in a process of their own, because nothing here imports Airflow.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from titleholder.cli.console import err
from titleholder.ledger.decision import restored_spec
from titleholder.spec.loader import load_specs
from titleholder.workflow.notifications.decisions import facts

if TYPE_CHECKING:
    from titleholder.ledger.decision import Decision

SENDER, TIMEOUT = "titleholder_airflow.notify", 120
"""The module that sends what it reads, and how many seconds it may take."""


def notify(decision: Decision) -> None:
    """Send the notification of a decision that people made, and print who was notified, or why nobody was.

    By the spec's file, or by the spec of the decision where it is gone. Never raises: the decision stands.
    """
    spec = load_specs(only=decision.model).models.get(decision.model) or restored_spec(decision.id, decision.spec)
    to = spec.notifications.model_dump(mode="json", include={"email", "slack"}, exclude_none=True)
    if not to:
        _print("No one was notified: the spec has no channel under notifications.")
    elif find_spec("airflow") is None or find_spec(SENDER.partition(".")[0]) is None:
        _print(f"No one was notified by {' and '.join(to)}: Airflow, which sends notifications, is not installed here.")
    else:
        _print(_sent(to, json.dumps({"channels": to, "decision": facts(decision, spec.owner)})))


def _sent(to: dict[str, object], document: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-m", SENDER], input=document, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"The notification was not sent: {error}"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["The notification was not sent."])[-1]
    return f"Notified by {' and '.join(to)}."


def _print(line: str) -> None:
    err.print(line, soft_wrap=True)
