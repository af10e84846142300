"""Messages about what is not decided yet: late runs and requests for approval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from titleholder.workflow.notifications.message import Message, compose


def late_message(model: str, owner: str, run_id: str, deadline: datetime, link: str, state: str = "running") -> Message:
    """The message about a run that has not decided by `deadline`; `link` is the address of the run, or empty."""
    failed = state == "failed"
    return compose(
        f"{model}: late, not decided by {_utc(deadline)}",
        f"The retrain of {model} {'failed, and' if failed else ''} has not decided by its deadline.",
        {
            "Run": f"{run_id} ({state})",
            "Deadline": _utc(deadline),
            "Champion now": "as before: until a run decides, the champion stays",
            "Owner": owner,
            "What to do": (
                "open the run; the log of the failed task has the error. Fix it and clear the task: the run continues."
                if failed
                else "open the run and see what it waits for: a task that runs or retries, a slot, or an approval."
            ),
        },
        {"The run": link},
    )


def approval_message(
    model: str,
    owner: str,
    as_of: str,
    challenger_version: int | None,
    by: Sequence[str],
    until: str,
    link: str,
    *,
    recalled: int | None = None,
    rolled_back_to: int | None = None,
    reason: str = "",
    links: Mapping[str, str] | None = None,
) -> Message:
    """The message to those who must approve a challenger, or a former version that is to be `recalled` instead.

    For a rollback to `rolled_back_to`, `challenger_version` is the champion that would give way; None after a
    retirement.

    `until` is the time after which silence means no; `link` is the address of the answer form; `links` (label to
    address) are to be read before.
    """
    subject = f"version {challenger_version} waits for approval"
    sentence = f"Version {challenger_version} of {model} passed validation and takes over only with an approval."
    if recalled is not None:
        subject = f"the recall of version {recalled} waits for approval"
        sentence = (
            f"Version {recalled} of {model}, trained earlier, is to become champion instead of the challenger, "
            f"version {challenger_version}, and does so only with an approval."
        )
    what = "read the model card, then approve or reject under the first link."
    if rolled_back_to is not None:
        subject = f"the rollback to version {rolled_back_to} waits for approval"
        sentence = (
            f"Version {rolled_back_to} of {model} is to become champion again"
            f"{f' instead of version {challenger_version}' if challenger_version else '; the model was retired'}. "
            "It does so only with an approval."
        )
        what = "approve or reject under the first link."
    return compose(
        f"{model}: {subject} until {until}",
        sentence,
        {
            "Why": reason,
            "Who may answer": ", ".join(by),
            "Until": f"{until}; silence means no, and the champion stays",
            "As of": as_of,
            "Owner": owner,
            "What to do": what,
        },
        {"Answer": link, **(links or {})},
    )


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
